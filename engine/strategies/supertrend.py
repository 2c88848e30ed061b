"""Follows a trend: long while the price closes above a line that only ever rises with it.

Shows a strategy that is one indicator: it acts when a field of the indicator changes.
"""

from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy
from engine.core.indicators import SupertrendLine, supertrend
from engine.core.records import Bar, Out

RISING, FALLING = 1, 2


class Supertrend(Strategy):
    """Long from the bar on which the line begins to rise to the one on which it begins to fall.

    The line lies `width` average true ranges of `length` bars from the middle of the bars. With
    `shorts` it is short while the line falls.
    """

    length: Annotated[int, Field(ge=1)] = 10  # bars
    width: Annotated[float, Field(gt=0)] = 3.0  # average true ranges
    shorts: bool = False

    kind = "trend"
    tags = {RISING: "rising", FALLING: "falling"}
    shows = {"line.value": "Supertrend {length}"}

    class State:
        line: SupertrendLine

    def step(p, s: State, bar: Bar, out: Out) -> None:
        was_ready, was_rising = s.line.ready, s.line.rising
        supertrend(s.line, bar, p.length, p.width)
        if not was_ready or s.line.rising == was_rising:
            return
        if s.line.rising:
            out.target = 1.0
            out.tag = RISING
        else:
            out.target = -1.0 if p.shorts else 0.0
            out.tag = FALLING
