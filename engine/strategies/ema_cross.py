"""Follows a trend: long while a fast average is above a slow one."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy
from engine.core.indicators import FIRST, Ema, ema
from engine.core.records import Bar, Out

UP_CROSS, DOWN_CROSS = 1, 2


class EmaCross(Strategy):
    """Long from the fast average's up-cross to its down-cross, from bar `slow` on.

    Both averages start at the first close. A series that only ever rises never crosses, and is
    never entered.
    """

    fast: Annotated[int, Field(ge=1)] = 12  # bars
    slow: Annotated[int, Field(ge=2)] = 26  # bars

    kind = "trend"
    tags = {UP_CROSS: "up_cross", DOWN_CROSS: "down_cross"}
    shows = {"fast.value": "EMA {fast}", "slow.value": "EMA {slow}"}

    class State:
        fast: Ema
        slow: Ema
        gap: float  # fast - slow, at the last bar

    def step(p, s: State, bar: Bar, out: Out) -> None:
        was_ready = s.slow.ready
        fast = ema(s.fast, bar.close, p.fast, FIRST)
        slow = ema(s.slow, bar.close, p.slow, FIRST)
        gap, before = fast - slow, s.gap
        s.gap = gap
        if not was_ready:  # a cross needs two bars
            return
        if gap > 0.0 and before <= 0.0:
            out.target = 1.0
            out.tag = UP_CROSS
        elif gap < 0.0 and before >= 0.0:
            out.target = 0.0
            out.tag = DOWN_CROSS

    def problems(self) -> Iterator[str]:
        """The fast average must be the shorter one."""
        if self.fast >= self.slow:
            yield f"fast must be less than slow ({self.slow}), was {self.fast}. Swap them."
