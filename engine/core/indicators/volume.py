"""What volume says: on-balance volume, and the average price that was paid."""

from engine.core.compile.record import Record
from engine.core.indicators.window import Total, total
from engine.core.records import Bar

DAY_MS = 86_400_000


class Obv(Record):
    """On-balance volume."""

    value: float
    ready: bool
    close: float  # of the last bar


def obv(s: Obv, bar: Bar) -> float:
    """Return the sum of volumes, those of falling closes subtracted; it begins with the first one.

    Source: J. Granville (1963); TA-Lib's OBV.
    """
    if not s.ready or bar.close > s.close:
        s.value += bar.volume
    elif bar.close < s.close:
        s.value -= bar.volume
    s.close = bar.close
    s.ready = True
    return s.value


class Vwap(Record):
    """Volume-weighted average price of the present day, which begins at 00:00 UTC."""

    value: float
    ready: bool
    day: int
    paid: float  # typical price x volume
    volume: float


def vwap(s: Vwap, bar: Bar) -> float:
    """Return the average of typical prices since 00:00 UTC, each weighted by its volume.

    It begins anew with the first bar that opens on another day, and needs no warm-up. Before any
    volume it is the typical price.
    """
    day = bar.ts // DAY_MS
    if day != s.day:
        s.day = day
        s.paid = 0.0
        s.volume = 0.0
    typical = (bar.high + bar.low + bar.close) / 3.0
    s.paid += typical * bar.volume
    s.volume += bar.volume
    s.value = s.paid / s.volume if s.volume > 0.0 else typical
    s.ready = True
    return s.value


class RollingVwap(Record):
    """Volume-weighted average price of the last bars."""

    value: float
    ready: bool
    paid: Total
    volume: Total


def rolling_vwap(s: RollingVwap, bar: Bar, length: int) -> float:
    """Return the average of the last `length` typical prices, each weighted by its volume.

    Where none of these bars had a volume it is the typical price.
    """
    typical = (bar.high + bar.low + bar.close) / 3.0
    paid = total(s.paid, typical * bar.volume, length)
    volume = total(s.volume, bar.volume, length)
    s.ready = s.paid.ready
    s.value = typical if volume == 0.0 else paid / volume
    return s.value
