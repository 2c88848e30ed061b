"""Follows a trend on two timeframes: enters on the shorter one, in the direction of the longer."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy
from engine.core.indicators import FIRST, Ema, ema
from engine.core.records import Bar, Out, watch

UP_CROSS, DOWN_CROSS, TREND_OVER = 1, 2, 3


class MultiTimeframe(Strategy):
    """Long from the up-cross of two averages to their down-cross, while the longer trend is up.

    The trend is up while the last closed bar of `trend_timeframe` closed above the average of
    `trend` such bars; when it is no longer, the position is closed. All averages start at the first
    close.
    """

    fast: Annotated[int, Field(ge=1)] = 12  # bars
    slow: Annotated[int, Field(ge=2)] = 26  # bars
    trend_timeframe: str = "4h"
    trend: Annotated[int, Field(ge=2)] = 50  # bars of trend_timeframe

    kind = "trend"
    tags = {UP_CROSS: "up_cross", DOWN_CROSS: "down_cross", TREND_OVER: "trend_over"}
    shows = {
        "fast.value": "EMA {fast}",
        "slow.value": "EMA {slow}",
        "trend.value": "EMA {trend} of {trend_timeframe}",
    }

    class State:
        longer: Bar = watch(timeframe="trend_timeframe")
        seen: int = -1  # when the last used longer bar opened
        trend: Ema
        fast: Ema
        slow: Ema
        gap: float  # fast - slow, at the last bar

    def step(p, s: State, bar: Bar, out: Out) -> None:
        if s.longer.close > 0.0 and s.longer.ts != s.seen:
            s.seen = s.longer.ts
            ema(s.trend, s.longer.close, p.trend, FIRST)
        was_ready = s.slow.ready
        fast = ema(s.fast, bar.close, p.fast, FIRST)
        slow = ema(s.slow, bar.close, p.slow, FIRST)
        gap, before = fast - slow, s.gap
        s.gap = gap
        if not was_ready:  # a cross needs two bars
            return
        is_up = s.trend.ready and s.longer.close > s.trend.value
        if gap > 0.0 and before <= 0.0 and is_up:
            out.target = 1.0
            out.tag = UP_CROSS
        elif out.target > 0.0 and gap < 0.0:
            out.target = 0.0
            out.tag = DOWN_CROSS
        elif out.target > 0.0 and not is_up:
            out.target = 0.0
            out.tag = TREND_OVER

    def problems(self) -> Iterator[str]:
        """The fast average must be the shorter one."""
        if self.fast >= self.slow:
            yield f"fast must be less than slow ({self.slow}), was {self.fast}. Swap them."
