"""The statistics of a run, from its equity and its trades.

Returns are daily: the equity at the end of each UTC day over that of the day before, the first
over the starting cash; a day without data keeps the equity it had. What cannot be defined is
None, never NaN or infinity.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numba import types as nb
from numpy.typing import NDArray

from engine.core.compile import build
from engine.research.columns import to_array
from engine.research.figures import DAY_MS
from engine.research.formulas import STATS, Run, write
from engine.research.sums import Floats, beyond_zero, floats

Times = NDArray[np.int64]  # ms


def compute(
    cash: float,
    ts: Times,
    equity: Floats,
    trades: pa.Table,
    *,
    notional: float,
    fees: float,
    opened_at: Times,
    closed_at: Times,
) -> dict[str, float | None]:
    """Return every statistic by name.

    `ts` (ms, ascending) is when each `equity` was known; `notional` is the value of all fills;
    `opened_at` and `closed_at` (ms) are of every position, one that is open still closes at the
    end; `trades` has one row per round trip.
    """
    columns = [to_array(trades[name]) for name in ("profit", "return", "bars_held")]
    figures = np.empty(len(STATS))
    compiled()(cash, ts, equity, *columns, notional, fees, opened_at, closed_at, figures)
    found = dict(zip(STATS, map(_finite, figures.tolist()), strict=True))
    return found | {"trades": trades.num_rows}


def compiled() -> Callable[..., None]:
    """Return `measure` as machine code, which threads may run side by side.

    It takes float64 and int64 arrays of any stride, such as columns of the core's logs.
    """
    real, (many, whole) = nb.float64, (_any_stride(kind) for kind in (nb.float64, nb.int64))
    given = (real, whole, many, many, many, whole, real, real, whole, whole)
    return build.standalone(measure, nb.none(*given, nb.float64[::1]), repr(Run._fields))


def _any_stride(kind: Any) -> Any:
    return nb.Array(kind, 1, "A", readonly=True)


def measure(
    cash: float,
    ts: Times,
    equity: Floats,
    profits: Floats,
    gains: Floats,
    bars_held: NDArray[np.int64],
    notional: float,
    fees: float,
    opened_at: Times,
    closed_at: Times,
    figures: Floats,
) -> None:
    """Write every statistic to `figures`, in the order of `STATS`; see `formulas.Run`."""
    closes, profits = daily_closes(ts, equity), floats(profits)
    run = Run(
        cash,
        ts,
        equity,
        closes,
        _returns(cash, closes),
        profits,
        beyond_zero(profits, 1.0),
        beyond_zero(profits, -1.0),
        floats(gains),
        floats(bars_held),
        notional,
        fees,
        in_market(opened_at, closed_at),
    )
    write(run, figures)


def drawdowns(cash: float, equity: Floats) -> Floats:
    """Return the distance of each equity from the highest so far, as a fraction: 0 or less."""
    return equity / np.maximum(np.maximum.accumulate(equity), cash) - 1.0


def in_market(opened_at: Times, closed_at: Times) -> int:
    """Return the ms covered by at least one of the stretches, which may overlap."""
    covered, since = 0, 0
    order = _ascending(closed_at)
    for k in range(len(order) - 1, -1, -1):  # the last to close first
        opened, closed = opened_at[order[k]], closed_at[order[k]]
        if k == len(order) - 1:
            since = closed
        covered += max(min(closed, since) - opened, 0)
        since = min(since, opened)
    return covered


def _ascending(values: Times) -> Times:
    """Return the indices that sort values, fast where they are sorted but for a few.

    Insertion sort: numba takes seconds to compile numpy's.
    """
    order = np.empty(len(values), np.int64)
    for i in range(len(values)):
        k = i
        while k > 0 and values[order[k - 1]] > values[i]:
            order[k] = order[k - 1]
            k -= 1
        order[k] = i
    return order


def daily_closes(ts: Times, equity: Floats) -> Floats:
    """Return the last equity of every UTC day; midnight is the end of the day before."""
    if not len(ts):
        return np.empty(0)
    day = (ts[0] - 1) // DAY_MS
    closes = np.empty((ts[-1] - 1) // DAY_MS - day + 1)
    end, count = (day + 1) * DAY_MS, 0
    for i in range(len(ts)):
        while ts[i] > end:  # several times over days without data
            closes[count] = equity[i - 1]
            end, count = end + DAY_MS, count + 1
    closes[count] = equity[-1]
    return closes


def _returns(cash: float, closes: Floats) -> Floats:
    """Return each day's close over the one before, the first over the cash.

    NaN where either is nothing, or less: the account was lost.
    """
    returns, before = np.empty(len(closes)), cash
    for i in range(len(closes)):
        is_lost = closes[i] <= 0.0 or before <= 0.0
        returns[i] = math.nan if is_lost else closes[i] / before - 1.0
        before = closes[i]
    return returns


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
