"""Sums, means and spreads of arrays, as loops that are compiled into the statistics.

What is not defined is NaN. The sums are compensated: they lose nothing to the number or the order
of the values. Any function here also runs as ordinary Python.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[Any]  # floats or integers

EQUAL = 1e-12  # what differs by less, on the scale of the values, differs by rounding alone


def floats(values: Numbers) -> Floats:
    """Return a contiguous copy, so that what follows is compiled for one kind of array."""
    copy = np.empty(len(values))
    for i in range(len(values)):
        copy[i] = values[i]
    return copy


def total(values: Floats) -> float:
    """Return the sum. Neumaier, "Rundungsfehleranalyse einiger Verfahren", 1974."""
    found, lost = 0.0, 0.0
    for value in values:
        after = found + value
        if abs(found) >= abs(value):
            lost += (found - after) + value
        else:
            lost += (value - after) + found
        found = after
    return found + lost


def mean(values: Floats) -> float:
    """Return the arithmetic mean; NaN of nothing."""
    return over(total(values), float(len(values)))


def squares(values: Floats) -> float:
    """Return the sum of the squared distances from the mean, in two passes."""
    middle = mean(values)
    distances = np.empty(len(values))
    for i in range(len(values)):
        distances[i] = (values[i] - middle) * (values[i] - middle)
    return total(distances)


def extent(values: Floats) -> tuple[float, float]:
    """Return the lowest and the highest value; NaN of nothing."""
    if not len(values):
        return math.nan, math.nan
    low, high = values[0], values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    return low, high


def deviation(values: Floats) -> float:
    """Return the sample deviation (ddof 1); NaN of under two values, or of equal ones."""
    low, high = extent(values)
    if len(values) < 2 or high - low <= EQUAL * max(1.0, abs(low), abs(high)):
        return math.nan
    return math.sqrt(squares(values) / (len(values) - 1))


def shape(values: Floats) -> tuple[float, float]:
    """Return skewness and kurtosis (ddof 0; 3 for a normal distribution) of unequal values."""
    middle, scale = mean(values), math.sqrt(squares(values) / len(values))
    cubes, fourths = np.empty(len(values)), np.empty(len(values))
    for i in range(len(values)):
        distance = (values[i] - middle) / scale
        cubes[i] = distance * distance * distance
        fourths[i] = cubes[i] * distance
    return mean(cubes), mean(fourths)


def beyond_zero(values: Floats, sign: float) -> Floats:
    """Return the values above zero (sign 1.0), or those below as positive numbers (-1.0)."""
    found, count = np.empty(len(values)), 0
    for value in values:
        if sign * value > 0.0:
            found[count] = sign * value
            count += 1
    return found[:count]


def over(value: float, divisor: float) -> float:
    """Return a quotient; NaN where the divisor is 0."""
    return math.nan if divisor == 0.0 else value / divisor
