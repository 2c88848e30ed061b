"""What is read from the stores: to go on after a restart, and to show how things stand.

Each takes a connection, and works as well while the engine is dead (`database.read_only`).
"""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, func, select

from engine.store.tables import Row, tables

ENGINE = tables("engine")
PANEL = tables("panel")


@dataclass
class Flow:
    """What the fills of one book add up to.

    quantity  base units, signed
    notional  quantity x price, signed: what was paid for it, before the contract size
    fees      in the account's currency
    paid      what the cash lost, as the engine counted it; 0 before 0.2.0
    position  of the book, as the last of the fills left it
    """

    quantity: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    position: Decimal = Decimal(0)


def progress(connection: Connection) -> Row | None:
    """Return the row that says up to which event all is committed, None for a new store."""
    return next(iter(_rows(connection, select(ENGINE["progress"]))), None)


def snapshots(connection: Connection) -> list[Row]:
    """Return the snapshots that are kept, the newest first."""
    return newest(connection, "snapshot", 1_000)


def positions(connection: Connection) -> list[Row]:
    """Return the present row of each book that ever held something."""
    table = ENGINE["position"]
    return _rows(connection, select(table).order_by(table.c.instance, table.c.symbol))


def flows(connection: Connection, after: int = -1) -> dict[tuple[str, str], Flow]:
    """Return (instance, symbol) → the sums of all fills with seq > after, exact."""
    fill = ENGINE["fill"].c
    columns = (fill.instance, fill.symbol, fill.quantity, fill.price, fill.fee, fill.paid)
    wanted = (
        select(*columns, fill.position).where(fill.seq > after).order_by(fill.seq, fill.ordinal)
    )
    found: dict[tuple[str, str], Flow] = defaultdict(Flow)
    for instance, symbol, quantity, price, fee, paid, position in connection.execute(wanted):
        flow = found[instance, symbol]
        flow.quantity += quantity
        flow.notional += quantity * price
        flow.fees += fee
        flow.paid += paid or 0
        flow.position = position
    return dict(found)


def posted(connection: Connection, after: int = -1) -> Decimal:
    """Return the sum of all money that moved without a fill with seq > after, exact."""
    posting = ENGINE["posting"].c
    amounts = connection.execute(select(posting.amount).where(posting.seq > after)).scalars()
    return sum(amounts, Decimal(0))


def newest(connection: Connection, table: str, count: int = 1) -> list[Row]:
    """Return the last rows of a table whose key counts up, the newest first."""
    made = ENGINE[table]
    backwards = [column.desc() for column in made.primary_key]
    return _rows(connection, select(made).order_by(*backwards).limit(count))


def latches(connection: Connection) -> dict[str, Row]:
    """Return breaker → the row that says how it stands."""
    table = ENGINE["breaker"]
    rows = _rows(connection, select(table).order_by(table.c.seq, table.c.ordinal))
    return {row["name"]: row for row in rows}


def run(connection: Connection, name: str) -> Row | None:
    """Return a run by its id."""
    table = ENGINE["run"]
    return next(iter(_rows(connection, select(table).where(table.c.id == name))), None)


# ── commands ──────────────────────────────────────────────────────────────────────────────────


def commands(panel: Connection, after: int) -> list[Row]:
    """Return the commands behind the one with id `after`, in the order they were given."""
    table = PANEL["command"]
    return _rows(panel, select(table).where(table.c.id > after).order_by(table.c.id))


def answered(connection: Connection) -> int:
    """Return the id of the last command that has an answer, 0 for none."""
    return connection.execute(select(func.max(ENGINE["answer"].c.command_id))).scalar() or 0


def answer(connection: Connection, command: int) -> Row | None:
    """Return what became of a command, None while it waits."""
    table = ENGINE["answer"]
    return next(iter(_rows(connection, select(table).where(table.c.command_id == command))), None)


def _rows(connection: Connection, wanted: Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(wanted).mappings()]
