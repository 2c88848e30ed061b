"""Trades one symbol against another: buys it where it is cheap by their own past."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy, window
from engine.core.indicators import Std, std
from engine.core.records import Bar, Out, watch

CHEAP, DEAR, REVERTED = 1, 2, 3


class Pairs(Strategy):
    """Long where the ratio of its price to that of `other` is far below its average.

    How far is the z-score: (ratio - average) / sample standard deviation, of the last `length`
    ratios. A position is closed when the score is back at `leave`; with `shorts` the other side is
    traded likewise. A bar without a new bar of `other` is passed over.
    """

    other: str  # symbol
    length: Annotated[int, Field(ge=3, le=500)] = 100  # ratios
    enter: Annotated[float, Field(gt=0)] = 2.0  # standard deviations from the average
    leave: float = 0.0
    shorts: bool = False

    kind = "range"
    tags = {CHEAP: "cheap", DEAR: "dear", REVERTED: "reverted"}

    class State:
        other: Bar = watch(symbol="other")
        seen: int = -1  # when the other's last used bar opened
        ratios: Std = window("length")

    def step(p, s: State, bar: Bar, out: Out) -> None:
        if s.other.close <= 0.0 or s.other.ts == s.seen:
            return
        s.seen = s.other.ts
        ratio = bar.close / s.other.close
        deviation = std(s.ratios, ratio, p.length, True)
        if not s.ratios.ready or deviation <= 0.0:
            return
        score = (ratio - s.ratios.moments.mean) / deviation
        if score <= -p.enter:
            out.target = 1.0
            out.tag = CHEAP
        elif p.shorts and score >= p.enter:
            out.target = -1.0
            out.tag = DEAR
        elif (out.target > 0.0 and score >= -p.leave) or (out.target < 0.0 and score <= p.leave):
            out.target = 0.0
            out.tag = REVERTED

    def problems(self) -> Iterator[str]:
        """A position must be closed nearer to the average than it was opened."""
        if self.leave >= self.enter:
            yield f"leave must be less than enter ({self.enter}), was {self.leave}. Lower it."
