"""What happened, as one stream: signals with their decisions, orders, fills, trades, words, alerts.

Lines come from several tables, the newest of each; they are merged by time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from engine.store import queries
from engine.store.tables import Row, tables
from web.language import mark
from web.related import answered
from web.view import View

LINES = 30
EVENTS = 10  # of the engine's own, where others are shown too: a made-up market may be in the past

KINDS = {  # of the address → what it is called
    "all": mark("all"),
    "signals": mark("signals"),
    "orders": mark("orders"),
    "fills": mark("fills"),
    "trades": mark("trades"),
    "events": mark("events"),
}

_COMMAND = tables("panel")["command"]
_RANKS = ("signal", "order", "fill", "trade")  # of what one event caused


@dataclass(frozen=True)
class Line:
    """One thing that happened.

    kind      signal, order, fill, trade, breaker, answer, event: which template draws it
    ts        UTC ms
    row       as the table has it
    decision  of a signal, with its denials; None where nobody was asked
    command   that was answered
    """

    kind: str
    ts: int
    row: Row
    decision: Row | None = None
    denials: Sequence[Row] = ()
    command: Row | None = None

    @property
    def seq(self) -> int | None:
        """The event that caused it, None where none did."""
        return self.row.get("seq")


def happened(view: View, kind: str, count: int = LINES) -> list[Line]:
    """Return the newest lines of a kind of KINDS, the newest first."""
    few = count if kind == "events" else EVENTS
    found: list[Line] = []
    for table in ("signal", "fill", "trade"):
        if kind in ("all", f"{table}s"):
            found += _lines(view.engine, table, count)
    if kind == "orders":
        found += _lines(view.engine, "order", count)
    elif kind == "all":  # decision and fill say the rest; an order is in two rows, first and last
        orders = _lines(view.engine, "order", 2 * count)
        found += [line for line in orders if line.row["status"] in ("refused", "canceled")]
    if kind in ("all", "events"):
        found += _lines(view.engine, "breaker", few) + _lines(view.engine, "event", few)
        found += _answers(view, few)
    newest = sorted(found, key=_order, reverse=True)[:count]
    said = iter(signals(view.engine, [line.row for line in newest if line.kind == "signal"]))
    return [next(said) if line.kind == "signal" else line for line in newest]


def signals(connection: Connection, rows: Sequence[Row]) -> list[Line]:
    """Return a line for each row of `signal`, with what risk said to it."""
    found = answered(connection, rows)
    return [
        Line("signal", row["ts"], row, one.decision, one.denials)
        for row in rows
        for one in found[row["seq"], row["instance"], row["symbol"]]
        if one.signal["ordinal"] == row["ordinal"]
    ]


def _order(line: Line) -> tuple[int, int, int]:
    rank = _RANKS.index(line.kind) if line.kind in _RANKS else len(_RANKS)
    return line.ts, -1 if line.seq is None else line.seq, rank


def _lines(connection: Connection, table: str, count: int) -> list[Line]:
    """Return the last rows of a table as lines."""
    rows = queries.newest(connection, table, count)
    return [Line(table, row["closed_at" if table == "trade" else "ts"], row) for row in rows]


def _answers(view: View, count: int) -> list[Line]:
    """Return what the engine answered to people, with what they asked for."""
    found = queries.newest(view.engine, "answer", count)
    numbers = [row["command_id"] for row in found]
    asked = view.panel.execute(select(_COMMAND).where(_COMMAND.c.id.in_(numbers))).mappings()
    commands = {row["id"]: dict(row) for row in asked}
    return [
        Line("answer", row["ts"], row, command=commands.get(row["command_id"])) for row in found
    ]
