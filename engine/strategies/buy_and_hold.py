"""The yardstick: buys once and never sells."""

from engine.core.compile.declare import Strategy
from engine.core.records import Bar, Out

FIRST_BAR = 1


class BuyAndHold(Strategy):
    """Long from the first bar on. What does your strategy add to this?"""

    kind = "trend"
    tags = {FIRST_BAR: "first_bar"}

    def step(p, s: object, bar: Bar, out: Out) -> None:
        if out.target == 0.0:
            out.target = 1.0
            out.tag = FIRST_BAR
