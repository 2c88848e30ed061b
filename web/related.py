"""Rows that belong to other rows: to the events that caused them, to the orders they are of."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, select

from engine.store.tables import Row, tables

_ENGINE = tables("engine")


def caused(
    connection: Connection, name: str, rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[int, str, str], list[Row]]:
    """Return (seq, instance, symbol) → rows of a table, of the events that `rows` are of."""
    table, found = _ENGINE[name], dict[tuple[int, str, str], list[Row]]()
    if not rows:
        return found
    wanted = select(table).where(table.c.seq.in_(sorted({row["seq"] for row in rows})))
    for row in _sorted(connection.execute(wanted).mappings()):
        found.setdefault((row["seq"], row["instance"], row["symbol"]), []).append(row)
    return found


@dataclass(frozen=True)
class Answered:
    """A signal, what risk said to it, and every reason where that was no.

    Nobody is asked about history: `decision` is None then.
    """

    signal: Row
    decision: Row | None
    denials: Sequence[Row] = ()


def answered(
    connection: Connection, rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[int, str, str], list[Answered]]:
    """Return (seq, instance, symbol) → signals with their answers, of the events `rows` are of.

    An event's signals of a book are answered in their order, each with reasons of its own.
    """
    signals, decisions, denials = (
        caused(connection, name, rows) for name in ("signal", "decision", "denial")
    )
    return {
        book: list(_answered(found, decisions.get(book, []), denials.get(book, [])))
        for book, found in signals.items()
    }


def _answered(
    signals: Sequence[Row], decisions: Sequence[Row], denials: Sequence[Row]
) -> Iterator[Answered]:
    first = 0
    for signal, decision in zip_longest(signals, decisions[: len(signals)]):
        count = None if decision is None else decision["denials"]
        end = len(denials) if count is None else first + count  # null before 0.2.0: all are its own
        yield Answered(signal, decision, denials[first:end])
        first = end


def of_orders(connection: Connection, name: str, orders: Collection[int]) -> list[Row]:
    """Return the rows of `order` or `fill` that belong to some orders, oldest first."""
    if not orders:
        return []
    table = _ENGINE[name]
    wanted = select(table).where(table.c.order_id.in_(sorted(orders)))
    return _sorted(connection.execute(wanted).mappings())


def _sorted(rows: Any) -> list[Row]:
    """Return the rows in the order in which they were written; the database need not sort them."""
    return sorted(map(dict, rows), key=lambda row: (row["seq"], row["ordinal"]))
