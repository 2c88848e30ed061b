"""Follows a breakout: long above the channel of the bars before, with a stop as wide as the noise.

Shows how a stop is set: once, with the target, as a price in `out.stop`.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy, window
from engine.core.indicators import Atr, DonchianChannel, atr, donchian
from engine.core.records import Bar, Out

UPPER_BREAK, LOWER_BREAK, EXIT_BREAK = 1, 2, 3


class Donchian(Strategy):
    """Long from a close above the last `length` highs to one below the last `exit_length` lows.

    The stop lies `stop_width` average true ranges below the close that entered. After it has closed
    the position the wish stands, so that the next entry is a breakout after an exit. With `shorts`
    the same holds the other way round. Known as the Turtles' rule, with 20 and 10 days.
    """

    length: Annotated[int, Field(ge=2, le=500)] = 20  # bars
    exit_length: Annotated[int, Field(ge=2, le=500)] = 10  # bars
    atr_length: Annotated[int, Field(ge=1)] = 14  # bars
    stop_width: Annotated[float, Field(gt=0)] = 2.0  # average true ranges
    shorts: bool = False

    kind = "trend"
    tags = {UPPER_BREAK: "upper_break", LOWER_BREAK: "lower_break", EXIT_BREAK: "exit_break"}
    shows = {"entry.upper": "high of {length}", "exit.lower": "low of {exit_length}"}

    class State:
        entry: DonchianChannel = window("length")
        exit: DonchianChannel = window("exit_length")
        atr: Atr

    def step(p, s: State, bar: Bar, out: Out) -> None:
        # a close cannot leave a channel that its own bar is a part of: take those of the bar before
        top, bottom = s.entry.upper, s.entry.lower
        exit_top, exit_bottom = s.exit.upper, s.exit.lower
        was_ready = s.entry.ready and s.exit.ready and s.atr.ready
        donchian(s.entry, bar, p.length)
        donchian(s.exit, bar, p.exit_length)
        reach = p.stop_width * atr(s.atr, bar, p.atr_length)
        if not was_ready:
            return
        if bar.close > top and out.target <= 0.0:
            out.target = 1.0
            out.stop = max(bar.close - reach, 0.0)  # 0.0 is no stop: no price lies below it
            out.tag = UPPER_BREAK
        elif p.shorts and bar.close < bottom and out.target >= 0.0:
            out.target = -1.0
            out.stop = bar.close + reach
            out.tag = LOWER_BREAK
        elif (out.target > 0.0 and bar.close < exit_bottom) or (
            out.target < 0.0 and bar.close > exit_top
        ):
            out.target = 0.0
            out.stop = 0.0
            out.tag = EXIT_BREAK

    def problems(self) -> Iterator[str]:
        """What is left must be nearer than what is entered."""
        if self.exit_length > self.length:
            yield (
                f"exit_length must be at most length ({self.length}), was {self.exit_length}."
                " Choose a shorter one."
            )
