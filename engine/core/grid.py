"""The grids that prices and quantities of an instrument stand on."""

import math

DUST = 1e-12  # base units; the smallest that venues know is 1e-8, and products stay far above 0.0
NEAR = 1e-9  # of a step or a quantity: as much more or less is the rounding of sums


def multiple(count: float, step: float) -> float:
    """Return so many steps; of 0.1, 0.01 … the very number that a feed has for it.

    1013 x 0.1 is 101.30000000000001, and 1013 / 10 is 101.3.
    """
    per = math.floor(1.0 / step + 0.5)
    if abs(per * step - 1.0) < NEAR:
        return count / per
    return count * step


def on_grid(price: float, tick: float, towards: int) -> float:
    """Return the next price on the tick grid, above (1) or below (-1)."""
    if tick == 0.0:
        return price
    if towards > 0:
        return multiple(math.ceil(price / tick - NEAR), tick)
    return multiple(math.floor(price / tick + NEAR), tick)


def whole_lots(size: float, lot: float) -> float:
    """Return a size, which is not below 0.0, rounded down to the lot grid; 0.0 for dust."""
    if lot == 0.0:
        return size if size >= DUST else 0.0
    return multiple(math.floor(size / lot + NEAR), lot)


def is_same(one: float, other: float) -> bool:
    """Return whether two quantities differ by no more than the rounding of sums."""
    return abs(one - other) <= NEAR * abs(other)
