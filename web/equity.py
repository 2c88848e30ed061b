"""The account's equity over time: the curve, the fall from its highest, the day's profit.

All times are those of the market, UTC ms. A curve is read by key, a few hundred lookups however
long it is; the record highs are read once, then only what is new.
"""

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from sqlalchemy import Connection, Float, cast, func, literal, select

from engine.store.tables import tables
from web.view import State

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
RANGES: dict[str, int | None] = {"1h": HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "all": None}
POINTS = 400  # of a curve, at most
TICKS = 1_000  # trades on a curve, at most: the newest

_EQUITY, _TRADE = tables("engine")["equity"].c, tables("engine")["trade"].c
_VALUE = cast(_EQUITY.equity, Float)


@dataclass(frozen=True)
class Point:
    """The equity at a moment; `fall` is the fraction below the highest until then, 0.0 or less."""

    ts: int
    equity: float
    fall: float


@dataclass(frozen=True)
class Tick:
    """A trade that was closed, with its profit."""

    ts: int
    profit: float


@dataclass(frozen=True)
class Curve:
    """Points and trades from `start` to `end`; `is_cut`: there were more trades than are shown."""

    start: int
    end: int
    points: list[Point]
    ticks: list[Tick]
    is_cut: bool


@dataclass(frozen=True)
class Today:
    """The day's profit so far, and the equity that it began with; `seq` was its last event."""

    since: int
    seq: int
    opening: float
    profit: float

    @property
    def ratio(self) -> float | None:
        """The profit as a fraction of the opening equity."""
        return self.profit / self.opening if self.opening > 0.0 else None


def now(connection: Connection, state: State) -> tuple[int, float] | None:
    """Return the market's time and the equity at the last event; None before the first minute."""
    if state.equity is not None and state.ts:
        return state.ts, state.equity
    last = select(_EQUITY.ts, _VALUE).order_by(_EQUITY.seq.desc()).limit(1)
    found = connection.execute(last).first()
    return None if found is None else (found[0], found[1])


def today(connection: Connection, ts: int, equity: float) -> Today | None:
    """Return the profit of the UTC day that `ts` lies in; of the account's first day, since then.

    Closed and open positions together, net of the fees that were paid.
    """
    since = ts - ts % DAY
    row = select(_EQUITY.ts, _EQUITY.seq, _VALUE)
    before = row.where(_EQUITY.ts <= since).order_by(_EQUITY.ts.desc()).limit(1)
    found = connection.execute(before).first()
    if found is None:
        found = connection.execute(row.order_by(_EQUITY.seq).limit(1)).first()
        if found is None:
            return None
        since = found[0]
    return Today(since, found[1], found[2], equity - found[2])


# ── the curve ─────────────────────────────────────────────────────────────────────────────────


def curve(connection: Connection, name: str, ts: int, equity: float) -> Curve:
    """Return the curve of a range of RANGES that ends now, at `ts` with `equity`."""
    span = RANGES[name]
    first = connection.execute(select(_EQUITY.ts).order_by(_EQUITY.seq).limit(1)).scalar()
    oldest = ts if first is None else first
    start = oldest if span is None else max(oldest, ts - span)
    rows = sampled(connection, start, ts)
    begin = rows[0][0] if rows else 0
    if not rows or rows[-1][1] < ts:
        rows.append((-1, ts, equity))
    highs = highs_of(connection)
    points = [
        Point(at, value, value / max(highs.at(at), value) - 1.0 if value > 0.0 else -1.0)
        for _, at, value in rows
    ]
    ticks = _ticks(connection, begin, ts)
    return Curve(start, ts, points, ticks[:TICKS][::-1], len(ticks) > TICKS)


def step_of(span: int, points: int = POINTS) -> int:
    """Return the ms between two points of a curve: full minutes, so that they stay in place."""
    return max(1, -(-span // ((points - 2) * MINUTE))) * MINUTE


def sampled(
    connection: Connection, start: int, end: int, points: int = POINTS
) -> list[tuple[int, int, float]]:
    """Return seq, ts and equity of the last row at or before each full step, each row once."""
    step = step_of(end - start, points)
    grid = select(literal(-(-start // step) * step).label("ts")).cte("grid", recursive=True)
    grid = grid.union_all(select(grid.c.ts + step).where(grid.c.ts <= end - step))
    last = select(_EQUITY.seq).where(_EQUITY.ts <= grid.c.ts, _EQUITY.ts >= start)
    found = last.order_by(_EQUITY.ts.desc()).limit(1).correlate(grid).scalar_subquery()
    wanted = select(_EQUITY.seq, _EQUITY.ts, _VALUE).order_by(_EQUITY.seq)
    at_steps = _EQUITY.seq.in_(select(found).select_from(grid))
    return [(row[0], row[1], row[2]) for row in connection.execute(wanted.where(at_steps))]


def _ticks(connection: Connection, after: int, end: int) -> list[Tick]:
    """Return the trades behind an event until `end`, the newest first, one more than are shown."""
    wanted = select(_TRADE.closed_at, cast(_TRADE.profit, Float)).where(_TRADE.seq > after)
    newest = wanted.order_by(_TRADE.seq.desc(), _TRADE.ordinal.desc()).limit(TICKS + 1)
    return [Tick(*row) for row in connection.execute(newest) if row[0] <= end]


# ── the highest so far ────────────────────────────────────────────────────────────────────────


class Highs:
    """When the equity was higher than ever before."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._seq = -1
        self._times = array("q")
        self._values = array("d")
        self._lock = Lock()

    def read(self, connection: Connection) -> None:
        """Read what is new."""
        wanted = select(_EQUITY.seq, _EQUITY.ts, _VALUE).order_by(_EQUITY.seq)
        with self._lock:
            for seq, ts, value in connection.execute(wanted.where(_EQUITY.seq > self._seq)):
                self._seq = seq
                if not self._values or value > self._values[-1]:
                    self._times.append(ts)
                    self._values.append(value)

    def at(self, ts: int) -> float:
        """Return the highest equity at a full minute until `ts`, 0.0 where there was none."""
        k = bisect_right(self._times, ts)
        return self._values[k - 1] if k else 0.0


def highs_of(connection: Connection) -> Highs:
    """Return the record highs of a store, up to now."""
    first = connection.execute(select(func.min(tables("engine")["run"].c.id))).scalar()
    highs = _highs(str(connection.engine.url), first or "")
    highs.read(connection)
    return highs


@lru_cache(maxsize=2)
def _highs(_url: str, _first_run: str) -> Highs:
    """Return the record highs of a store, which its place and its first run tell apart."""
    return Highs()
