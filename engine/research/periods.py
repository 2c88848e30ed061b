"""A run cut up by time: its days, months and years, a moving window, and its drawdowns, all UTC."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.research.columns import to_array
from engine.research.figures import DAY_MS
from engine.research.formulas import DAYS_PER_YEAR
from engine.research.stats import daily_closes, drawdowns

WINDOW = 90  # days of the moving window

Times = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Days:
    """Each UTC day of a run: when it began (ms), the equity at its end, and its return."""

    ts: Times
    close: Floats
    gain: Floats


@dataclass(frozen=True)
class Month:
    """One month: its first day (`2021-03`), what it added to the equity, and its return."""

    name: str
    profit: float
    gain: float | None


@dataclass(frozen=True)
class Year:
    """One year: the returns of its twelve months, and what it came to; profit and fees of trades.

    `drawdown` is the deepest fall below the highest equity since the year began. What lies outside
    of the run is None.
    """

    name: str
    months: tuple[float | None, ...]
    gain: float | None
    drawdown: float
    trades: int
    win_rate: float | None
    profit: float
    fees: float


@dataclass(frozen=True)
class Fall:
    """One drawdown: from the last high to its regain (None: not yet), in ms; depth is 0 or less."""

    start: int
    bottom: int
    end: int | None
    depth: float
    days: float


def days(cash: float, ts: Times, equity: Floats) -> Days:
    """Return the days of a run that began with `cash`; `ts` is when each equity was known."""
    close = daily_closes(ts, equity)
    first = int((ts[0] - 1) // DAY_MS) if len(ts) else 0
    return Days((first + np.arange(len(close))) * DAY_MS, close, _gains(cash, close))


def months(cash: float, run: Days) -> list[Month]:
    """Return every month of a run, also one that it only touched."""
    month = _calendar(run.ts, "M")
    last = np.flatnonzero(np.diff(month, append=-1))
    close = run.close[last]
    profit = np.diff(close, prepend=cash)
    names = month[last].astype("datetime64[M]").astype(str).tolist()
    gains = map(finite, _gains(cash, close).tolist())
    return [Month(*row) for row in zip(names, profit.tolist(), gains, strict=True)]


def years(cash: float, ts: Times, equity: Floats, trades: pa.Table) -> list[Year]:
    """Return every year of a run; a trade belongs to the year in which it was closed."""
    run = days(cash, ts, equity)
    known = {month.name: month.gain for month in months(cash, run)}
    closed = _calendar(to_array(trades["closed_at"]), "Y")
    profit, fees = (to_array(trades[name]) for name in ("profit", "fees"))
    of_row, of_day = _calendar(ts - 1, "Y"), _calendar(run.ts, "Y")  # midnight ends the day before
    found, before = [], cash
    for year in np.unique(of_day).tolist():
        name, mine = str(1970 + year), closed == year
        close = float(run.close[of_day == year][-1])
        inside = slice(*np.searchsorted(of_row, [year, year + 1]))
        found.append(
            Year(
                name,
                tuple(known.get(f"{name}-{month:02}") for month in range(1, 13)),
                finite(close / before - 1.0 if before > 0.0 else math.nan),
                float(drawdowns(before, equity[inside]).min(initial=0.0)) if before > 0.0 else 0.0,
                trades=int(mine.sum()),
                win_rate=float((profit[mine] > 0.0).mean()) if mine.any() else None,
                profit=float(profit[mine].sum()),
                fees=float(fees[mine].sum()),
            )
        )
        before = close
    return found


def falls(ts: Times, drawdown: Floats, most: int) -> list[Fall]:
    """Return the deepest drawdowns, the deepest first."""
    below = np.concatenate(([False], drawdown < 0.0, [False]))
    begin, end = np.flatnonzero(np.diff(below)).reshape(-1, 2).T
    if not len(begin):
        return []
    # Between two falls nothing is below 0, so that a stretch up to the next one has the same low.
    depth = np.minimum.reduceat(drawdown, begin)
    deepest = np.argsort(depth, kind="stable")[:most]
    return [_fall(ts, drawdown, *pair) for pair in zip(begin[deepest], end[deepest], strict=True)]


def _fall(ts: Times, drawdown: Floats, begin: int, end: int) -> Fall:
    bottom = begin + int(drawdown[begin:end].argmin())
    start, over = int(ts[max(begin - 1, 0)]), end < len(ts)
    last = int(ts[end if over else -1])
    return Fall(
        start, int(ts[bottom]), last if over else None, float(drawdown[bottom]),
        (last - start) / DAY_MS,
    )  # fmt: skip


def rolling(gain: Floats, window: int = WINDOW) -> tuple[Floats, Floats]:
    """Return annual Sharpe ratio and volatility of each `window` days up to a day.

    The first value is of the day at index `window` - 1. Without variance the ratio is NaN.
    """
    if len(gain) < window:
        return np.empty(0), np.empty(0)
    views = np.lib.stride_tricks.sliding_window_view(gain, window)
    mean, deviation = views.mean(axis=1), views.std(axis=1, ddof=1)
    flat = np.ptp(views, axis=1) <= 1e-12
    ratio = np.divide(mean, deviation, out=np.full(len(mean), np.nan), where=~flat)
    return ratio * math.sqrt(DAYS_PER_YEAR), deviation * math.sqrt(DAYS_PER_YEAR)


def finite(value: float) -> float | None:
    """Return a number, None where it is none."""
    return value if math.isfinite(value) else None


def each_finite(values: Floats) -> list[float | None]:
    """Return numbers, None where one is none."""
    return [finite(value) for value in values.tolist()]


def _gains(cash: float, close: Floats) -> Floats:
    """Return each close over the one before; NaN over nothing, or less."""
    before = np.concatenate(([cash], close))[: len(close)]
    gains = np.full(len(close), np.nan)
    np.divide(close, before, out=gains, where=before > 0.0)
    return gains - 1.0


def _calendar(ts: Times, unit: str) -> NDArray[Any]:
    """Return the number of the month or year since 1970 of each time."""
    return ts.astype("datetime64[ms]").astype(f"datetime64[{unit}]").astype(np.int64)
