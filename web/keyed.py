"""Long tables a page at a time, by the key of the last row seen: page 1,000 costs what page 1 does.

An index finds where a page begins. What no index answers is asked of each row that is looked at, at
most LOOKED_MAX of them: a page then says how far it has looked, and the next one goes on there.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, Connection, Select, Table, select, tuple_
from sqlalchemy.sql.elements import NamedColumn

from engine.store.tables import Row
from web.filters import Condition, Query, refuse
from web.language import mark
from web.view import View

ROWS = 50  # of a page
LOOKED_MAX = 1_000  # rows that are looked at for one page

Key = tuple[int | float, ...]

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_REAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?")
_WHOLE_MAX = 2**63 - 1
_PLACES = ("older", "newer")  # in an address


@dataclass(frozen=True)
class Listing:
    """Rows of a table in the order of their keys.

    key    named columns and expressions that end with the primary key; together with those of
           `seek` an index of the table
    seek   conditions that this index answers
    sieve  conditions that no index answers
    falls  the largest key comes first
    """

    table: Table
    key: tuple[NamedColumn[Any], ...]
    seek: tuple[ColumnElement[bool], ...] = ()
    sieve: tuple[Condition, ...] = ()
    falls: bool = True


def listing(
    table: Table,
    key: tuple[NamedColumn[Any], ...],
    conditions: Mapping[str, Condition],
    sought: Collection[str] = (),
    falls: bool = True,
) -> Listing:
    """Return the rows that keep all conditions; an index answers those named in `sought`."""
    seek = tuple(holds(table.c) for name, holds in conditions.items() if name in sought)
    sieve = tuple(holds for name, holds in conditions.items() if name not in sought)
    return Listing(table, key, seek, sieve, falls)


@dataclass(frozen=True)
class Stretch:
    """Some rows of a listing, one behind the other; `end` is where to go on, None at its end."""

    rows: list[Row]
    end: Key | None


@dataclass(frozen=True)
class RowsPage:
    """A page of rows; `older` and `newer` are query strings of the pages beside it, or None.

    is_cut  there may be more in this page's place: so many rows were looked at that it ends here
    """

    items: list[Row]
    older: str | None
    newer: str | None
    is_cut: bool = False


def rows_page(connection: Connection, listing: Listing, view: View) -> RowsPage:
    """Return the page that `older` or `newer` in the address ask for, else the first one.

    Raises what `refuse` returns where either is not a key of this listing.
    """
    query = view.query
    if query.get("newer"):
        before = _key(listing, "newer", view)
        found = stretch(connection, listing, before, ROWS, backwards=True)
        if found.end:  # else less than a page is newer, and the first page has it all
            items = found.rows[::-1]
            last = _key_of(listing, items[-1]) if items else _past(before, listing.falls)
            is_cut = len(items) < ROWS
            return RowsPage(items, _link(query, older=last), _link(query, newer=found.end), is_cut)
        query = {name: value for name, value in query.items() if name != "older"}
    at = _key(listing, "older", view) if query.get("older") else None
    found = stretch(connection, listing, at, ROWS)
    first = _key_of(listing, found.rows[0]) if found.rows else at and _past(at, not listing.falls)
    return RowsPage(
        found.rows,
        _link(query, older=found.end) if found.end else None,
        _link(query, newer=first) if at else None,
        found.end is not None and len(found.rows) < ROWS,
    )


def every(
    listing: Listing, connect: Callable[[], AbstractContextManager[Connection]], count: int = 1_000
) -> Iterator[Row]:
    """Yield all rows of a listing; no transaction is held open while one of them is worked on."""
    end: Key | None = None
    while True:
        with connect() as connection:
            found = stretch(connection, listing, end, count)
        yield from found.rows
        end = found.end
        if end is None:
            return


def stretch(
    connection: Connection,
    listing: Listing,
    after: Key | None,
    count: int,
    backwards: bool = False,
) -> Stretch:
    """Return at most `count` rows behind the key `after`, in front of it where `backwards`."""
    wanted = _wanted(listing, after, listing.falls != backwards)
    found = wanted.limit(count + 1)
    if listing.sieve:
        looked = wanted.limit(LOOKED_MAX).subquery("looked")
        holds = (condition(looked.c) for condition in listing.sieve)
        found = select(looked).where(*holds).limit(count + 1)
    rows = [dict(row) for row in connection.execute(found).mappings()]
    if len(rows) > count:
        return Stretch(rows[:count], _key_of(listing, rows[count - 1]))
    if not listing.sieve:
        return Stretch(rows, None)
    keys = wanted.with_only_columns(*listing.key)  # does the last that was looked at end it all?
    last = connection.execute(keys.limit(1).offset(LOOKED_MAX - 1)).first()
    return Stretch(rows, tuple(last) if last else None)


def _wanted(listing: Listing, after: Key | None, falls: bool) -> Select[Any]:
    """Return all rows behind a key; without one behind the end, so that an index is sought."""
    bound = after or tuple(_end(part, falls) for part in listing.key)
    lead, key = _bare(listing.key[0]), tuple_(*map(_bare, listing.key))
    # the first condition says what the second implies: SQLite seeks no expression in a tuple
    behind = (lead <= bound[0], key < bound) if falls else (lead >= bound[0], key > bound)
    named = [part for part in listing.key if part.name not in listing.table.c]
    return (
        select(listing.table, *named)
        .where(*listing.seek, *behind)
        .order_by(*(part.desc() if falls else part for part in listing.key))
    )


def _bare(part: ColumnElement[Any]) -> ColumnElement[Any]:
    return getattr(part, "element", part)


def _end(part: NamedColumn[Any], falls: bool) -> int | float:
    if part.type.python_type is int:
        return _WHOLE_MAX if falls else -_WHOLE_MAX
    return inf if falls else -inf


# ── keys in addresses ─────────────────────────────────────────────────────────────────────────


def _key_of(listing: Listing, row: Row) -> Key:
    return tuple(row[part.name] for part in listing.key)


def _key(listing: Listing, name: str, view: View) -> Key:
    """Return the key that an address names, as `_link` wrote it."""
    words = view.query[name].split("_")
    if len(words) == len(listing.key):
        numbers = [_number(part, word) for part, word in zip(listing.key, words, strict=True)]
        if None not in numbers:
            return tuple(number for number in numbers if number is not None)
    sentence = mark("%(name)s: must be what a link of this list says, was %(was)s.")
    raise refuse(view.reader, sentence, name, view.query[name])


def _past(key: Key, is_up: bool) -> Key:
    """Return a key next to another one, so that the row of that is found again from there."""
    return *key[:-1], key[-1] + (1 if is_up else -1)


def _number(part: NamedColumn[Any], word: str) -> int | float | None:
    if part.type.python_type is int:
        return int(word) if _WHOLE.fullmatch(word) else None
    number = float(word) if _REAL.fullmatch(word) else inf
    return number if isfinite(number) else None


def _link(query: Query, **place: Key | None) -> str:
    """Return the query of another place in the same listing."""
    kept = {key: value for key, value in query.items() if value and key not in _PLACES}
    ((name, key),) = place.items()
    return urlencode(kept | {name: "_".join(map(repr, key or ()))})
