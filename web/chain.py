"""The chain of an event: what it caused in a book, with the round trip that this belongs to.

A signal leads to its decision and denials, that to an order, its fill, and the trade they end in;
each of them leads back the same way.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from engine.store.tables import Row, tables
from web.filters import equal
from web.keyed import Listing, listing, stretch
from web.related import answered, caused, of_orders

FILLS_MAX = 50  # of a round trip, on each side of the event

_ENGINE = tables("engine")
_FILL = _ENGINE["fill"]
_RANKS = ("signal", "decision", "order", "fill", "trade")  # of what one event caused
Book = tuple[str, str]  # instance, symbol


@dataclass(frozen=True)
class Step:
    """One thing that happened to a book; of a decision, `denials` are its reasons for a no."""

    kind: str  # of _RANKS
    row: Row
    denials: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Chain:
    """All steps of a book that belong to an event, oldest first.

    trade   of the round trip, None where it is open or there is none
    is_cut  the round trip has more fills than these
    """

    instance: str
    symbol: str
    steps: list[Step]
    trade: Row | None
    is_cut: bool

    @property
    def is_open(self) -> bool:
        """Whether the book still holds something of it."""
        fills = [step.row for step in self.steps if step.kind == "fill"]
        return bool(fills and fills[-1]["position"])


def books(connection: Connection, seq: int) -> list[Book]:
    """Return the books that an event caused something in, sorted."""
    found: set[Book] = set()
    for name in _RANKS:
        table = _ENGINE[name]
        wanted = select(table.c.instance, table.c.symbol).where(table.c.seq == seq)
        found |= {(instance, symbol) for instance, symbol in connection.execute(wanted)}
    return sorted(found)


def chain(connection: Connection, seq: int, book: Book) -> Chain:
    """Return what an event caused in a book, and the round trip that this belongs to."""
    orders = {row["order_id"] for row in _at(connection, "order", {seq}, book)}
    fills, is_cut = _trip(connection, of_orders(connection, "fill", orders))
    orders |= {row["order_id"] for row in fills}
    changes = of_orders(connection, "order", orders)
    trades = _at(connection, "trade", {seq} | {row["seq"] for row in fills}, book)
    steps = _said(connection, {seq} | {row["seq"] for row in changes}, book)
    filled = {row["order_id"] for row in fills}
    steps += [
        Step("order", row)
        for row in changes
        if row["status"] != "filled" or row["order_id"] not in filled  # its fill says more
    ]
    steps += [Step("fill", row) for row in fills] + [Step("trade", row) for row in trades]
    return Chain(*book, _in_order(steps, changes), trades[-1] if trades else None, is_cut)


def _said(connection: Connection, seqs: set[int], book: Book) -> list[Step]:
    """Return the signals of some events, and what risk decided."""
    instance, symbol = book
    places = [{"seq": seq, "instance": instance, "symbol": symbol} for seq in seqs]
    found = answered(connection, places)
    said = [one for seq in sorted(seqs) for one in found.get((seq, *book), [])]
    return [Step("signal", one.signal) for one in said] + [
        Step("decision", one.decision, tuple(one.denials)) for one in said if one.decision
    ]


def _trip(connection: Connection, fills: list[Row]) -> tuple[list[Row], bool]:
    """Return the fills of the round trip that some fills belong to, and whether there are more."""
    if not fills:
        return [], False
    before, is_cut = _beside(connection, fills[0], falls=True)
    opened = next((k for k, row in enumerate(before) if not row["position"]), None)
    trip = [*before[:opened][::-1], *fills]
    is_cut = is_cut and opened is None
    if fills[-1]["position"]:
        behind, is_more = _beside(connection, fills[-1], falls=False)
        closed = next((k for k, row in enumerate(behind, 1) if not row["position"]), None)
        trip += behind[:closed]
        is_cut |= is_more and closed is None
    return trip, is_cut


def _beside(connection: Connection, fill: Row, falls: bool) -> tuple[list[Row], bool]:
    """Return the fills of the same book on one side, the nearest first; and if there are more."""
    key = (_FILL.c.seq, _FILL.c.ordinal)
    conditions = {name: equal(name, fill[name]) for name in ("instance", "symbol")}
    beside: Listing = listing(_FILL, key, conditions, {"instance"}, falls)
    found = stretch(connection, beside, (fill["seq"], fill["ordinal"]), FILLS_MAX)
    return found.rows, found.end is not None


def _at(connection: Connection, name: str, seqs: set[int], book: Book) -> list[Row]:
    """Return the rows of a table that some events caused in a book, oldest first."""
    instance, symbol = book
    places = [{"seq": seq, "instance": instance, "symbol": symbol} for seq in seqs]
    found = caused(connection, name, places)
    return [row for seq in sorted(seqs) for row in found.get((seq, *book), [])]


def _in_order(steps: list[Step], changes: list[Row]) -> list[Step]:
    """Return the steps as the core took them: what waited is filled before anything is decided."""
    placed = {row["order_id"]: row["seq"] for row in changes if row["status"] == "placed"}

    def waited(row: Row) -> bool:
        return bool(placed.get(row["order_id"], row["seq"]) < row["seq"])

    early = {step.row["seq"] for step in steps if step.kind == "fill" and waited(step.row)}

    def place(step: Step) -> tuple[int, bool, int, int]:
        row = step.row
        is_late = not waited(row) if "order_id" in row else row["seq"] not in early
        is_late |= step.kind in ("signal", "decision")
        return row["seq"], is_late, _RANKS.index(step.kind), row["ordinal"]

    return sorted(steps, key=place)
