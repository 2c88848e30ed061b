"""How much prices move: standard deviation and average true range."""

import math

from engine.core.compile.record import Record
from engine.core.indicators.averages import Wilder, wilder
from engine.core.indicators.seed import FIRST, TALIB, UNKNOWN
from engine.core.indicators.window import Moments, moments
from engine.core.records import Bar


class Std(Record):
    """Standard deviation of the last values."""

    value: float
    ready: bool
    moments: Moments


def std(s: Std, value: float, length: int, sample: bool = False) -> float:
    """Return the standard deviation of the last `length` values.

    Of the population, as TA-Lib's STDDEV; with `sample` divided by length - 1.
    """
    if value != value:
        return UNKNOWN
    moments(s.moments, value, length)
    s.ready = s.moments.ready
    s.value = UNKNOWN
    if s.ready:
        s.value = math.sqrt(s.moments.squares / (length - 1 if sample else length))
    return s.value


class Atr(Record):
    """Average true range."""

    value: float
    ready: bool
    count: int  # bars seen
    close: float  # of the last bar
    average: Wilder


def atr(s: Atr, bar: Bar, length: int, seed: int = TALIB) -> float:
    """Return Wilder's average of how far each bar reaches, the gap to the last close included.

    Source: Wilder (1978). TA-Lib leaves out the first bar, which has no close before it; with
    WILDER and FIRST its high - low counts.
    """
    s.count += 1
    if s.count == 1:
        s.close = bar.close
        if seed == TALIB:
            s.value = UNKNOWN
            return s.value
    reach = max(bar.high, s.close) - min(bar.low, s.close)
    s.close = bar.close
    s.value = wilder(s.average, reach, length, FIRST if seed == FIRST else TALIB)
    s.ready = s.average.ready
    return s.value
