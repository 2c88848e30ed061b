"""How fast prices move: RSI, MACD, stochastic oscillator, CCI, rate of change."""

from engine.core.compile.record import Record, floats
from engine.core.indicators.averages import Ema, Sma, ema, sma, smoothed
from engine.core.indicators.seed import FIRST, TALIB, UNKNOWN
from engine.core.indicators.window import Highest, Lowest, highest, lowest
from engine.core.records import Bar


class Rsi(Record):
    """Relative strength index."""

    value: float
    ready: bool
    count: int  # changes seen until it was ready
    begun: bool
    last: float  # value
    gain: float  # Wilder's averages of rises and falls
    loss: float


def rsi(s: Rsi, value: float, length: int, seed: int = TALIB) -> float:
    """Return the relative strength index in [0, 100], ready after `length` changes.

    Source: Wilder (1978); TA-Lib's RSI. Where nothing has moved it is 50 (TA-Lib: 0).
    """
    if value != value:
        return UNKNOWN
    change = value - s.last if s.begun else 0.0
    s.last = value
    if not s.ready:
        s.count += 1 if s.begun or seed == FIRST else 0
        s.begun = True
        s.ready = s.count >= length
        if s.count == 0:
            s.value = UNKNOWN
            return s.value
    s.gain = smoothed(s.gain, max(change, 0.0), s.count, length, seed)
    s.loss = smoothed(s.loss, max(-change, 0.0), s.count, length, seed)
    s.value = UNKNOWN
    if s.ready or seed == FIRST:
        both = s.gain + s.loss
        s.value = 50.0 if both == 0.0 else 100.0 * s.gain / both
    return s.value


class MacdLines(Record):
    """Moving average convergence and divergence: two averages' distance, and its own average."""

    value: float  # fast - slow average
    signal: float
    histogram: float  # value - signal
    ready: bool
    count: int  # values seen
    fast: Ema
    slow: Ema
    average: Ema  # of `value`


def macd(s: MacdLines, value: float, fast: int, slow: int, signal: int, seed: int = TALIB) -> float:
    """Return the fast exponential average less the slow one; ready when the signal line is.

    Source: TA-Lib's MACD, which begins both averages on the same bar.
    """
    if value != value:
        return UNKNOWN
    s.count += 1
    quick = UNKNOWN
    if seed == FIRST or s.count > slow - fast:
        quick = ema(s.fast, value, fast, seed)
    s.value = quick - ema(s.slow, value, slow, seed)
    s.signal = ema(s.average, s.value, signal, seed)
    s.histogram = s.value - s.signal
    s.ready = s.slow.ready and s.average.ready
    return s.value


class Stochastic(Record):
    """Stochastic oscillator: where the close lies between the extremes of the last bars."""

    k: float  # in [0, 100], averaged
    d: float  # average of `k`
    ready: bool
    highs: Highest
    lows: Lowest
    smooth: Sma
    signal: Sma


def stochastic(s: Stochastic, bar: Bar, length: int, smooth: int, signal: int) -> float:
    """Return %K, averaged over `smooth` bars; ready when %D, its average over `signal` bars, is.

    Source: TA-Lib's STOCH with simple averages; `smooth` 1 is the fast oscillator. Where highest
    and lowest are the same it is 50 (TA-Lib: 0).
    """
    top = highest(s.highs, bar.high, length)
    bottom = lowest(s.lows, bar.low, length)
    place = 50.0 if top == bottom else 100.0 * (bar.close - bottom) / (top - bottom)
    s.k = sma(s.smooth, place, smooth)
    s.d = sma(s.signal, s.k, signal)
    s.ready = s.signal.ready
    return s.k


class Cci(Record):
    """Commodity channel index."""

    value: float
    ready: bool
    at: int  # place of the next typical price
    ring: list[float] = floats()


def cci(s: Cci, bar: Bar, length: int) -> float:
    """Return how far the typical price lies from its average, in 0.015 mean deviations.

    The mean deviation needs every value of the window again: the cost grows with `length`. Source:
    D. R. Lambert, Commodities (1980); TA-Lib's CCI.
    """
    at, ring = s.at, s.ring
    typical = (bar.high + bar.low + bar.close) / 3.0
    ring[at] = typical
    at += 1
    if at == length:
        s.ready = True
        at = 0
    s.at = at
    s.value = UNKNOWN
    if s.ready:
        above = 0.0  # of the average over this price: a sum of distances is 0 where nothing moves
        for i in range(length):
            above += ring[i] - typical
        above /= length
        deviation = 0.0
        for i in range(length):
            deviation += abs(ring[i] - typical - above)
        deviation /= length
        s.value = -above / (0.015 * deviation) if deviation > 0.0 else 0.0
    return s.value


class Roc(Record):
    """Rate of change."""

    value: float
    ready: bool
    at: int  # place of the oldest value, and of the next one
    full: bool
    ring: list[float] = floats()


def roc(s: Roc, value: float, length: int) -> float:
    """Return the change against `length` values before, in percent; 0 where that was 0.

    Source: TA-Lib's ROC.
    """
    if value != value:
        return UNKNOWN
    at, ring = s.at, s.ring
    s.value = UNKNOWN
    s.ready = s.full
    if s.full:
        s.value = 100.0 * (value / ring[at] - 1.0) if ring[at] != 0.0 else 0.0
    ring[at] = value
    at += 1
    if at == length:
        s.full = True
        at = 0
    s.at = at
    return s.value
