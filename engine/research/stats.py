"""The statistics of a run, from its equity and its trades.

Returns are daily: the equity at the end of each UTC day over that of the day before, the first
over the starting cash; a day without data keeps the equity it had. What cannot be defined is
None, never NaN or infinity.
"""

import math

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.research.columns import to_array
from engine.research.figures import DAY_MS
from engine.research.formulas import STATS, Floats, Run


def compute(
    cash: float,
    ts: NDArray[np.int64],
    equity: Floats,
    trades: pa.Table,
    *,
    notional: float,
    fees: float,
    in_market_ms: int,
) -> dict[str, float | None]:
    """Return every statistic by name.

    `ts` (ms, ascending) is when each `equity` was known; `notional` is the value of all fills,
    `in_market_ms` the time with a position (`in_market`), `trades` has one row per round trip.
    """
    closes = daily_closes(ts, equity)
    curve = np.concatenate(([cash], equity))
    before = np.concatenate(([cash], closes[:-1]))
    with np.errstate(all="ignore"):  # what overflows or divides by zero becomes None
        run = Run(
            ts=np.concatenate((ts[:1], ts)),
            curve=curve,
            drawdowns=drawdowns(cash, curve),
            closes=closes,
            returns=closes / before[: len(closes)] - 1.0,
            profits=to_array(trades["profit"]),
            gains=to_array(trades["return"]),
            bars_held=to_array(trades["bars_held"]),
            notional=notional,
            fees=fees,
            in_market_ms=in_market_ms,
        )
        return {name: _finite(stat.of(run)) for name, stat in STATS.items()}


def drawdowns(cash: float, equity: Floats) -> Floats:
    """Return the distance of each equity from the highest so far, as a fraction: 0 or less."""
    return equity / np.maximum(np.maximum.accumulate(equity), cash) - 1.0


def in_market(opened_at: NDArray[np.int64], closed_at: NDArray[np.int64]) -> int:
    """Return the ms covered by at least one of the stretches, which may overlap."""
    order = np.argsort(opened_at, kind="stable")
    opened, closed = opened_at[order], np.maximum.accumulate(closed_at[order])
    covered = np.concatenate((opened[:1], closed[:-1]))  # until when, before each stretch
    return int(np.maximum(closed - np.maximum(opened, covered), 0).sum())


def daily_closes(ts: NDArray[np.int64], equity: Floats) -> Floats:
    """Return the last equity of every UTC day; midnight is the end of the day before."""
    if not len(ts):
        return equity
    days = (ts[[0, -1]] - 1) // DAY_MS
    ends = np.arange(days[0] + 1, days[1] + 2) * DAY_MS
    return equity[np.searchsorted(ts, ends, side="right") - 1]


def _finite(value: float | None) -> float | None:
    if value is None or isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else None
