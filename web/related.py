"""Rows that belong to other rows: to the events that caused them, to the orders they are of."""

from collections.abc import Collection, Mapping, Sequence
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
