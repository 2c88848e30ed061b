"""A strategy that is called on each tick, as none of the shipped ones is."""

from engine.core.compile.declare import Strategy
from engine.core.records import Bar, Out

BELOW, ABOVE = 1, 2


class Ticking(Strategy):
    """Long while the price is `ratio` below the open of the forming bar, short above it."""

    ratio: float = 0.001

    on = "tick"
    tags = {BELOW: "below", ABOVE: "above"}

    class State:
        opened: int  # the bar in which it has acted already

    def step(p, s: State, bar: Bar, out: Out) -> None:
        if s.opened == bar.ts:
            return
        if bar.close < bar.open * (1.0 - p.ratio):
            s.opened = bar.ts
            out.target = 1.0
            out.tag = BELOW
        elif bar.close > bar.open * (1.0 + p.ratio):
            s.opened = bar.ts
            out.target = -1.0
            out.tag = ABOVE
