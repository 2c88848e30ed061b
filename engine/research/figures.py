"""Figures as people read them: percent, money, prices, times. Never NaN, None or an exponent."""

import enum
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000

UNDEFINED = "–"
_PLACES_MAX = 20  # up to which a difference is looked for


@enum.unique
class Unit(enum.Enum):
    """What a number measures, and so its format; the second field counts the decimals."""

    COUNT = "{0:,.0f}"
    GAIN = "{0:+z,.2%}"  # a fraction in percent, signed
    SHARE = "{0:z,.2%}"  # a fraction in percent
    RATIO = "{0:z,.2f}"
    MONEY = "{0:z,.{1}f}"
    PROFIT = "{0:+z,.{1}f}"  # money, signed
    PRICE = "8 digits"  # or a quantity
    DAYS = "{0:,.1f} days"


def shown(value: float | None, unit: Unit, places: int = 2) -> str:
    """Return a number as text; None, NaN and infinity are a dash.

    Fractions and ratios have so many places. Money has 2, or 2 digits where that is more; prices
    have up to 8 digits.
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    if unit is Unit.PRICE:
        text = f"{value:z,.{_decimals(value, digits=8, least=0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    form: str = unit.value.replace(".2", f".{places}")
    return form.format(value, _decimals(value, digits=2, least=2)).replace("%", " %")


def apart(value: float, limit: float, unit: Unit) -> tuple[str, str, str]:
    """Return two fractions or ratios, and how much the second is above, so that it can be seen."""
    figures = (value, limit, limit - value)
    for places in range(2, _PLACES_MAX):
        texts = [shown(figure, unit, places) for figure in figures]
        if texts[0] != texts[1] and texts[2] != shown(0.0, unit, places):
            break
    return texts[0], texts[1], texts[2]


def moments(ts: NDArray[np.int64]) -> list[str]:
    """Return UTC milliseconds as `2018-12-31 23:59`, with seconds where one of them has any."""
    unit = "s" if (ts % 60_000).any() else "m"
    texts = ts.astype("datetime64[ms]").astype(f"datetime64[{unit}]").astype(str)
    return [text.replace("T", " ") for text in texts.tolist()]


def timeframe(span: int) -> str:
    """Return a length in ms the way it is written in YAML: `1m`, `4h`, `1d`."""
    for letter, length in (("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if span >= length and span % length == 0:
            return f"{span // length}{letter}"
    return f"{span}ms"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return `a, b, c and 2 more`."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def _decimals(value: float, digits: int, least: int) -> int:
    """Return how many decimals show so many digits of the value, from `least` up to 12."""
    if value == 0:
        return least
    return min(12, max(least, digits - 1 - math.floor(math.log10(abs(value)))))
