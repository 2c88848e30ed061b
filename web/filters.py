"""What an address asks a list for: read, checked, and refused in one sentence."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from litestar.exceptions import ClientException
from sqlalchemy import ColumnElement, select

from engine.store.tables import tables
from web.language import mark, translated
from web.view import Reader, View

Query = Mapping[str, str]
Condition = Callable[[Any], ColumnElement[bool]]  # columns of a row → what must hold

LENGTH_MAX = 100  # of a name in an address
_SHOWN_MAX = 40  # characters of what was refused


def refuse(reader: Reader, sentence: str, name: str, was: str) -> ClientException:
    """Return the error of status 400 that says what a filter must be, and what it was.

    `sentence` is marked for translation, and has %(name)s and %(was)s.
    """
    shown = was if len(was) <= _SHOWN_MAX else was[:_SHOWN_MAX] + "…"
    return ClientException(translated(reader, sentence, name=name, was=repr(shown)))


def name(view: View, key: str) -> str | None:
    """Return the name that a filter is set to, None where it is not set."""
    found = view.query.get(key, "")
    if len(found) > LENGTH_MAX or not found.isprintable():
        raise refuse(view.reader, mark("%(name)s: must be a name, was %(was)s."), key, found)
    return found or None


def choice(view: View, key: str, choices: Collection[str]) -> str:
    """Return which of some words a filter is set to, the first where it is not set."""
    found = view.query.get(key) or next(iter(choices))
    if found not in choices:
        sentence = mark("%(name)s: must be one of those that the page offers, was %(was)s.")
        raise refuse(view.reader, sentence, key, found)
    return found


def day(view: View, key: str, ends: bool = False) -> int | None:
    """Return when a day of the reader begins, or ends, in UTC ms; None where none is set."""
    found = view.query.get(key)
    if not found:
        return None
    try:
        chosen = date.fromisoformat(found) + timedelta(days=ends)
        start = datetime.combine(chosen, time(), ZoneInfo(view.reader.zone))
        return int(start.astimezone(UTC).timestamp() * 1_000)
    except (ValueError, OverflowError):
        sentence = mark("%(name)s: must be a day such as 2026-01-31, was %(was)s.")
        raise refuse(view.reader, sentence, key, found) from None


def number(view: View, key: str) -> int | None:
    """Return the whole number, 0 or more, that an address names; None where it names none."""
    found = view.query.get(key)
    if not found:
        return None
    if len(found) > len(str(2**62)) - 1 or not (found.isascii() and found.isdigit()):
        sentence = mark("%(name)s: must be a whole number, was %(was)s.")
        raise refuse(view.reader, sentence, key, found)
    return int(found)


def of_book(view: View) -> dict[str, Condition]:
    """Return the conditions that the address sets on symbol and instance."""
    asked = {key: name(view, key) for key in ("symbol", "instance")}
    return {key: equal(key, value) for key, value in asked.items() if value}


def best(conditions: Mapping[str, Condition]) -> set[str]:
    """Return which of the conditions of `of_book` is to be answered by an index, if any."""
    return set(sorted(conditions.keys() & {"instance", "symbol"})[-1:])  # most symbols are rarer


def equal(key: str, value: str) -> Condition:
    """Return the condition that a column is equal to a text."""
    return lambda row: row[key] == value


def books(view: View) -> tuple[list[str], list[str]]:
    """Return the instances and the symbols that can be chosen: declared ones, and former ones."""
    held = tables("engine")["position"].c
    found = view.engine.execute(select(held.instance, held.symbol)).all()
    return (
        sorted({*view.settings.strategy, *(instance for instance, _ in found)}),
        sorted({*view.settings.universe.symbols, *(symbol for _, symbol in found)}),
    )
