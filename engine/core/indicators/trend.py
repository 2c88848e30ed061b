"""Whether there is a trend, and which: directional movement and Supertrend."""

from engine.core.compile.record import Record
from engine.core.indicators.averages import Wilder, wilder
from engine.core.indicators.seed import FIRST, TALIB, UNKNOWN, WILDER
from engine.core.indicators.volatility import Atr, atr
from engine.core.records import Bar


class Adx(Record):
    """Average directional index, and the two directional indicators that it is made of."""

    value: float
    plus: float  # +DI, in [0, 100], known before `value` is
    minus: float  # -DI
    ready: bool
    count: int  # bars seen
    high: float  # of the last bar
    low: float
    close: float
    ups: float  # smoothed sums of upward and downward movement, and of true ranges
    downs: float
    reaches: float
    average: Wilder  # of the directional index


def adx(s: Adx, bar: Bar, length: int, seed: int = TALIB) -> float:
    """Return the average directional index in [0, 100], ready after 2 x `length` bars.

    Source: Wilder (1978), who begins with sums over `length` bars (WILDER); TA-Lib's ADX, PLUS_DI
    and MINUS_DI begin with one bar less. Without any movement the directional index is 0.
    """
    up, down = bar.high - s.high, s.low - bar.low
    reach = max(bar.high, s.close) - min(bar.low, s.close)
    s.high = bar.high
    s.low = bar.low
    s.close = bar.close
    s.count += 1
    if s.count == 1:
        s.value = s.plus = s.minus = UNKNOWN
        return s.value
    plus = up if up > down and up > 0.0 else 0.0
    minus = down if down > up and down > 0.0 else 0.0
    _sum(s, plus, minus, reach, length, seed)
    if s.count > length or seed == FIRST:
        s.plus = 100.0 * s.ups / s.reaches if s.reaches > 0.0 else 0.0
        s.minus = 100.0 * s.downs / s.reaches if s.reaches > 0.0 else 0.0
        both = s.plus + s.minus
        index = 100.0 * abs(s.plus - s.minus) / both if both > 0.0 else 0.0
        s.value = wilder(s.average, index, length, seed)
    else:
        s.value = s.plus = s.minus = UNKNOWN
    s.ready = s.count >= 2 * length
    return s.value


def _sum(s: Adx, plus: float, minus: float, reach: float, length: int, seed: int) -> None:
    """Add to the sums: plainly at first, then each loses its `length`th part before."""
    first = length if seed == FIRST and s.count == 2 else 1
    plain = 1 if seed == FIRST else length if seed == WILDER else length - 1
    lost = 1.0 / length if s.count - 1 > plain else 0.0
    s.ups += first * plus - s.ups * lost
    s.downs += first * minus - s.downs * lost
    s.reaches += first * reach - s.reaches * lost


class SupertrendLine(Record):
    """The line that a trend must not close beyond: below a rising one, above a falling one."""

    value: float
    rising: bool
    ready: bool
    upper: float
    lower: float
    close: float  # of the last bar
    range: Atr


def supertrend(s: SupertrendLine, bar: Bar, length: int, width: float, seed: int = TALIB) -> float:
    """Return the line, `width` average true ranges of `length` bars from the middle of the bars.

    It moves in the direction of the trend alone, until a close lies beyond it; then `rising`
    changes. It begins falling. Source: TradingView's ta.supertrend.
    """
    reach = width * atr(s.range, bar, length, seed)
    middle = (bar.high + bar.low) / 2.0
    before = s.close
    s.close = bar.close
    if not s.range.ready:
        s.value = UNKNOWN
        return s.value
    if not s.ready or middle + reach < s.upper or before > s.upper:
        s.upper = middle + reach
    if not s.ready or middle - reach > s.lower or before < s.lower:
        s.lower = middle - reach
    s.rising = bar.close >= s.lower if s.rising else bar.close > s.upper
    s.ready = True
    s.value = s.lower if s.rising else s.upper
    return s.value
