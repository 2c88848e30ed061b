"""Incremental indicators for `step`: each call takes the last value and returns the next one.

Plain functions of numbers: they run the same interpreted and compiled.
"""

import math
from collections.abc import Sequence


def ema(previous: float, value: float, length: int, count: int) -> float:
    """Return the exponential average after `value`, seeded with the first one (`count` 0).

    alpha = 2 / (length + 1), as pandas' `ewm(span=length, adjust=False)`.
    """
    if count == 0:
        return value
    return previous + 2.0 / (length + 1.0) * (value - previous)


def wilder(previous: float, value: float, length: int, count: int) -> float:
    """Return Wilder's average after `value`; the first `length` values are averaged plainly.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978); TA-Lib's seeding.
    """
    seen = min(count + 1, length)
    return previous + (value - previous) / seen


def rsi(gain: float, loss: float) -> float:
    """Return the relative strength index in [0, 100] of an average gain and loss; 50 for none."""
    if gain + loss == 0.0:
        return 50.0
    return 100.0 * gain / (gain + loss)


def total(window: Sequence[float], length: int) -> float:
    """Return the sum of the first `length` values, added from left to right."""
    result = 0.0
    for i in range(length):
        result += window[i]
    return result


def mean(window: Sequence[float], length: int) -> float:
    """Return the average of the first `length` values."""
    return total(window, length) / length


def std(window: Sequence[float], length: int) -> float:
    """Return the sample standard deviation (ddof 1) of the first `length` values."""
    average = mean(window, length)
    squares = 0.0
    for i in range(length):
        squares += (window[i] - average) * (window[i] - average)
    return math.sqrt(squares / (length - 1))


def highest(window: Sequence[float], length: int) -> float:
    """Return the largest of the first `length` values."""
    result = window[0]
    for i in range(1, length):
        result = max(result, window[i])
    return result


def lowest(window: Sequence[float], length: int) -> float:
    """Return the smallest of the first `length` values."""
    result = window[0]
    for i in range(1, length):
        result = min(result, window[i])
    return result
