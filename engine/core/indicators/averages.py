"""Averages: simple, weighted, exponential, and Wilder's."""

from engine.core.compile.record import Record, floats
from engine.core.indicators.seed import FIRST, TALIB, UNKNOWN
from engine.core.indicators.window import Total, total


class Sma(Record):
    """Simple average of the last values."""

    value: float
    ready: bool
    sum: Total


def sma(s: Sma, value: float, length: int) -> float:
    """Return the average of the last `length` values. Source: TA-Lib's SMA."""
    s.value = total(s.sum, value, length) / length
    s.ready = s.sum.ready
    return s.value


class Wma(Record):
    """Weighted average of the last values: the newest counts `length` times, the oldest once."""

    value: float
    ready: bool
    at: int  # place of the next value in the ring
    newer: float  # sum of the values since the ring was turned …
    newer_weighted: float  # … and the first of them once, the second twice, and so on
    ring: list[float] = floats()  # sums of the rest of the ring, see window.py …
    weighted: list[float] = floats()  # … and the first of it once, the second twice, and so on


def wma(s: Wma, value: float, length: int) -> float:
    """Return the linearly weighted average of the last `length` values. Source: TA-Lib's WMA."""
    if value != value:
        return UNKNOWN
    at, ring, weighted = s.at, s.ring, s.weighted
    if at == 0:
        s.newer = 0.0
        s.newer_weighted = 0.0
    ring[at] = value
    at += 1
    s.newer += value
    s.newer_weighted += at * value
    if at == length:
        weighted[length - 1] = ring[length - 1]
        for i in range(length - 2, -1, -1):
            ring[i] += ring[i + 1]
            weighted[i] = weighted[i + 1] + ring[i]
        s.value = weighted[0] / (length * (length + 1) / 2)
        s.ready = True
        at = 0
    elif s.ready:
        whole = weighted[at] + s.newer_weighted + (length - at) * s.newer
        s.value = whole / (length * (length + 1) / 2)
    else:
        s.value = UNKNOWN
    s.at = at
    return s.value


class Ema(Record):
    """Exponential average."""

    value: float
    ready: bool
    count: int  # values seen until it was ready
    sum: float  # of these


def ema(s: Ema, value: float, length: int, seed: int = TALIB) -> float:
    """Return the exponential average with alpha = 2 / (length + 1), ready after `length` values.

    Sources: TA-Lib's EMA, begun with a plain average; with FIRST pandas' `ewm(span=length,
    adjust=False)`, which has a value from the first one on.
    """
    if value != value:
        return UNKNOWN
    if not s.ready:
        return _begin(s, value, length, seed)
    average = s.value + 2.0 / (length + 1) * (value - s.value)
    s.value = average
    return average


def _begin(s: Ema, value: float, length: int, seed: int) -> float:
    """Take one of the first `length` values."""
    s.count += 1
    s.sum += value
    s.ready = s.count >= length
    if seed != FIRST:
        s.value = s.sum / length if s.ready else UNKNOWN
    elif s.count == 1:
        s.value = value
    else:
        s.value += 2.0 / (length + 1) * (value - s.value)
    return s.value


class Wilder(Record):
    """Wilder's average, also called RMA or smoothed moving average."""

    value: float
    ready: bool
    count: int  # values seen until it was ready
    average: float


def wilder(s: Wilder, value: float, length: int, seed: int = TALIB) -> float:
    """Return the exponential average with alpha = 1 / length, ready after `length` values.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978): begun with the plain
    average of the first values. With FIRST it has a value from the first one on.
    """
    if value != value:
        return UNKNOWN
    if not s.ready:
        s.count += 1
        s.ready = s.count >= length
    s.average = smoothed(s.average, value, s.count, length, seed)
    s.value = s.average if s.ready or seed == FIRST else UNKNOWN
    return s.value


def smoothed(average: float, value: float, count: int, length: int, seed: int) -> float:
    """Return Wilder's average after `value`, which is number `count` or one after `length`."""
    seen = length if seed == FIRST and count > 1 else min(count, length)
    return average + (value - average) / seen
