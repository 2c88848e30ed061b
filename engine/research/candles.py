"""The candles of price charts: all bars of a symbol, merged so that no high or low is lost."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.research.figures import timeframe

CANDLES_MAX = 2_000  # of a chart
SYMBOLS_MAX = 20  # with charts

Bars = NDArray[Any]  # of records.Bar.dtype
Times = NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """Candles of a symbol that are drawn together; `closes` is when each is over (ms)."""

    label: str
    candles: Bars
    closes: Times


_MINUTES = (1, 2, 3, 5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1440, 2880, 5760, 10080)


def views(symbol: str, bars: Bars) -> Iterator[View]:
    """Yield all bars of a symbol, merged where they are many, then the last ones as they are."""
    if not len(bars):
        return
    candles, span = merge(bars, CANDLES_MAX)
    shortest = step(bars)
    size = f", {timeframe(span)} candles" if span else ""
    if span == shortest:
        yield View(symbol + size, candles, candles["ts"] + span)
    else:
        label = f"{symbol}{size} merged from {timeframe(shortest)}"
        yield View(label, candles, candles["ts"] + span)
        last = bars[-CANDLES_MAX:]
        label = f"{symbol}, the last {CANDLES_MAX:,} bars of {timeframe(shortest)}"
        yield View(label, last, last["ts"] + shortest)


def merge(bars: Bars, most: int) -> tuple[Bars, int]:
    """Return at most `most` candles merged from the bars, and the length of one in ms.

    The length is 0 where a single bar does not tell it.
    """
    shortest = step(bars)
    if len(bars) <= most:
        return bars, shortest
    spans = (minutes * 60_000 for minutes in _MINUTES if minutes * 60_000 % shortest == 0)
    doubled = (shortest << power for power in itertools.count(1))
    ts = bars["ts"].copy()
    for span in itertools.chain(spans, doubled):
        if len(bars) * shortest <= most * span:  # else even without gaps there are too many
            first = np.flatnonzero(np.diff(ts // span, prepend=-1))
            if len(first) <= most:
                break
    candles = bars[first]
    candles["ts"] -= candles["ts"] % span
    candles["high"] = np.maximum.reduceat(bars["high"], first)
    candles["low"] = np.minimum.reduceat(bars["low"], first)
    candles["close"] = bars["close"][np.append(first[1:], len(bars)) - 1]
    candles["volume"] = np.add.reduceat(bars["volume"], first)
    return candles, span


def step(bars: Bars) -> int:
    """Return the ms from bar to bar: the shortest there is, 0 for a single bar."""
    return int(np.diff(bars["ts"]).min()) if len(bars) > 1 else 0
