"""The last `length` values: their sum and their extremes, at a cost that does not grow with it.

Nothing is ever subtracted again, so that nothing drifts. A ring fills with values; when it is full
it is turned once: each place then holds the sum (or the extreme) of all from there to the end.
While the next values overwrite it from the front, the window is always these new ones, summed as
they come, and the rest of the ring, which is one number. Source: M. van Herk, A fast algorithm for
local minimum and maximum filters (1992), and Gil and Werman (1993).

A window of a million bars is as exact as its first: an error of `length` roundings at most.
"""

from engine.core.compile.record import Record, floats
from engine.core.indicators.seed import UNKNOWN


class Total(Record):
    """The sum of the last values."""

    value: float
    ready: bool
    at: int  # place of the next value in the ring
    newer: float  # sum of the values since the ring was turned
    ring: list[float] = floats()


def total(s: Total, value: float, length: int) -> float:
    """Return the sum of the last `length` values, NaN while there are fewer."""
    if value != value:
        return UNKNOWN
    at, ring = s.at, s.ring
    s.newer = value if at == 0 else s.newer + value
    ring[at] = value
    at += 1
    if at == length:
        for i in range(length - 2, -1, -1):
            ring[i] += ring[i + 1]
        s.value = ring[0]
        s.ready = True
        at = 0
    elif s.ready:
        s.value = s.newer + ring[at]
    else:
        s.value = UNKNOWN
    s.at = at
    return s.value


class Highest(Record):
    """The largest of the last values."""

    value: float
    ready: bool
    at: int  # place of the next value in the ring
    newer: float  # largest of the values since the ring was turned
    ring: list[float] = floats()


def highest(s: Highest, value: float, length: int) -> float:
    """Return the largest of the last `length` values, NaN while there are fewer."""
    if value != value:
        return UNKNOWN
    at, ring = s.at, s.ring
    if at == 0 or value > s.newer:
        s.newer = value
    ring[at] = value
    at += 1
    if at == length:
        for i in range(length - 2, -1, -1):
            if ring[i + 1] > ring[i]:
                ring[i] = ring[i + 1]
        s.value = ring[0]
        s.ready = True
        at = 0
    elif s.ready:
        s.value = s.newer if s.newer > ring[at] else ring[at]
    else:
        s.value = UNKNOWN
    s.at = at
    return s.value


class Lowest(Record):
    """The smallest of the last values."""

    value: float
    ready: bool
    mirrored: Highest  # of the values with their sign changed


def lowest(s: Lowest, value: float, length: int) -> float:
    """Return the smallest of the last `length` values, NaN while there are fewer."""
    s.value = 0.0 - highest(s.mirrored, -value, length)  # 0.0 - 0.0 has no sign, -0.0 has
    s.ready = s.mirrored.ready
    return s.value


class Moments(Record):
    """The mean of the last values, and the sum of their squared distances from it."""

    mean: float
    squares: float
    ready: bool
    at: int  # place of the next value in the ring
    base: float  # the last value when the ring was turned: means are distances from it
    newer_mean: float  # of the values since then
    newer_squares: float
    means: list[float] = floats()  # new values in front; behind them means of the rest of the ring
    rests: list[float] = floats()  # … and squares of it


def moments(s: Moments, value: float, length: int) -> float:
    """Return the mean of the last `length` values, NaN while there are fewer.

    Sources: B. P. Welford, Note on a method for calculating corrected sums of squares and products
    (1962); T. F. Chan, G. H. Golub and R. J. LeVeque (1979) for joining two sets. Every term is a
    square, and distances are small, so that nothing cancels where prices are large.
    """
    if value != value:
        return UNKNOWN
    at, distance = s.at, value - s.base
    if at == 0:
        s.newer_mean = distance
        s.newer_squares = 0.0
    else:
        gap = distance - s.newer_mean
        s.newer_mean += gap / (at + 1)
        s.newer_squares += gap * (distance - s.newer_mean)
    s.means[at] = value
    at += 1
    if at == length:
        _turn(s, length)
        s.mean = s.base + s.means[0]
        s.squares = s.rests[0]
        s.ready = True
        at = 0
    elif s.ready:
        share = (length - at) / length
        gap = s.means[at] - s.newer_mean
        s.mean = s.base + (s.newer_mean + gap * share)
        s.squares = s.newer_squares + s.rests[at] + gap * gap * share * at
    else:
        s.mean = UNKNOWN
    s.at = at
    return s.mean


def _turn(s: Moments, length: int) -> None:
    """Let each place of the full ring hold the moments of all from there to the end."""
    means, rests = s.means, s.rests
    s.base = means[length - 1]
    mean, squares = 0.0, 0.0
    means[length - 1] = 0.0
    rests[length - 1] = 0.0
    for i in range(length - 2, -1, -1):
        distance = means[i] - s.base
        gap = distance - mean
        mean += gap / (length - i)
        squares += gap * (distance - mean)
        means[i] = mean
        rests[i] = squares
