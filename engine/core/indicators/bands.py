"""Bands around a price: Bollinger's, Donchian's and Keltner's."""

import math

from engine.core.compile.record import Record
from engine.core.indicators.averages import Ema, ema
from engine.core.indicators.seed import FIRST, TALIB, UNKNOWN
from engine.core.indicators.volatility import Atr, atr
from engine.core.indicators.window import Highest, Lowest, Moments, highest, lowest, moments
from engine.core.records import Bar


class BollingerBands(Record):
    """A simple average, and standard deviations above and below it."""

    upper: float
    middle: float
    lower: float
    ready: bool
    moments: Moments


def bollinger(s: BollingerBands, value: float, length: int, width: float) -> float:
    """Return the middle of Bollinger's bands: the average of the last `length` values.

    The others lie `width` standard deviations (of the population) away. Source: TA-Lib's BBANDS;
    J. Bollinger, Bollinger on Bollinger Bands (2001).
    """
    if value != value:
        return UNKNOWN
    s.middle = moments(s.moments, value, length)
    s.ready = s.moments.ready
    reach = width * math.sqrt(s.moments.squares / length) if s.ready else UNKNOWN
    s.upper = s.middle + reach
    s.lower = s.middle - reach
    return s.middle


class DonchianChannel(Record):
    """The highest high and the lowest low of the last bars."""

    upper: float
    middle: float
    lower: float
    ready: bool
    highs: Highest
    lows: Lowest


def donchian(s: DonchianChannel, bar: Bar, length: int) -> float:
    """Return the middle of the channel of the last `length` bars, this one included.

    A close cannot leave the channel of its own bar: a breakout compares with `upper` and `lower` as
    they were before the call. Source: TA-Lib's MAX and MIN.
    """
    s.upper = highest(s.highs, bar.high, length)
    s.lower = lowest(s.lows, bar.low, length)
    s.middle = (s.upper + s.lower) / 2.0
    s.ready = s.highs.ready
    return s.middle


class KeltnerChannel(Record):
    """An exponential average, and average true ranges above and below it."""

    upper: float
    middle: float
    lower: float
    ready: bool
    average: Ema
    range: Atr


def keltner(
    s: KeltnerChannel, bar: Bar, length: int, range_length: int, width: float, seed: int = TALIB
) -> float:
    """Return the middle of Keltner's channel: the exponential average of the closes.

    The others lie `width` average true ranges of `range_length` bars away. Source: StockCharts,
    whose sheet is WILDER: the average begins with the first close, the range as Wilder's.
    """
    s.middle = ema(s.average, bar.close, length, TALIB if seed == TALIB else FIRST)
    reach = width * atr(s.range, bar, range_length, seed)
    s.upper = s.middle + reach
    s.lower = s.middle - reach
    s.ready = s.average.ready and s.range.ready
    return s.middle
