"""Follows momentum: long while the distance of two averages is above its own average.

Shows how a cross is found: what the last bar left in the state, beside what this one makes of it.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy
from engine.core.indicators import MacdLines, macd
from engine.core.records import Bar, Out

UP_CROSS, DOWN_CROSS = 1, 2


class Macd(Strategy):
    """Long from the up-cross of the MACD line over its signal line to their down-cross.

    The line is the `fast` exponential average less the `slow` one, and its signal line the average
    of `signal` of its values. With `shorts` it is short from a down-cross to the next up-cross.
    """

    fast: Annotated[int, Field(ge=1)] = 12  # bars
    slow: Annotated[int, Field(ge=2)] = 26  # bars
    signal: Annotated[int, Field(ge=1)] = 9  # bars
    shorts: bool = False

    kind = "trend"
    tags = {UP_CROSS: "up_cross", DOWN_CROSS: "down_cross"}
    shows_below = {"lines.value": "MACD {fast} {slow}", "lines.signal": "signal {signal}"}

    class State:
        lines: MacdLines

    def step(p, s: State, bar: Bar, out: Out) -> None:
        was_ready, before = s.lines.ready, s.lines.histogram
        macd(s.lines, bar.close, p.fast, p.slow, p.signal)
        if not was_ready:  # a cross needs two bars
            return
        if s.lines.histogram > 0.0 and before <= 0.0:
            out.target = 1.0
            out.tag = UP_CROSS
        elif s.lines.histogram < 0.0 and before >= 0.0:
            out.target = -1.0 if p.shorts else 0.0
            out.tag = DOWN_CROSS

    def problems(self) -> Iterator[str]:
        """The fast average must be the shorter one."""
        if self.fast >= self.slow:
            yield f"fast must be less than slow ({self.slow}), was {self.fast}. Swap them."
