"""Averages down: buys once, and more at each level below, until a profit on all of it ends it.

Shows how a position is scaled into: the exits of the instance follow its average price.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy, window
from engine.core.levels import Levels
from engine.core.records import Bar, Out, Status

COUNT_MAX = 20
BASE, SAFETY = 1, 2


class Dca(Strategy):
    """Buys at the close, and at `count` - 1 levels below the price of that first entry.

    The first of them lies `spacing` below it, each next one `spacing_growth` times as far from the
    one before; each is `size_growth` times as large. All of them together are exposure 1. What
    ends a round is an exit: `exits.take_profit` is counted from the average price, and is needed.
    With the next close the next round begins; its first order follows the price in steps of
    `spacing`. Known as dollar cost averaging with safety orders;
    `size_growth` above 1 is a martingale, which loses much on the day when it loses.
    """

    count: Annotated[int, Field(ge=1, le=COUNT_MAX)] = 5  # entries
    spacing: Annotated[float, Field(gt=0, lt=0.5)] = 0.02  # fraction of the first price
    spacing_growth: Annotated[float, Field(ge=1, le=3)] = 1.0
    size_growth: Annotated[float, Field(ge=1, le=3)] = 1.5

    kind = "range"
    tags = {BASE: "base", SAFETY: "safety"}
    shows = {"levels.entry": "average entry"}

    class State:
        levels: Levels = window("count")
        is_waiting: bool = True  # for the first entry of a round

    def step(p, s: State, bar: Bar, out: Out) -> None:
        levels = s.levels
        total, size = 0.0, 1.0
        for _ in range(p.count):
            total += size
            size *= p.size_growth
        has_asked = levels.status[0] == Status.PLACED or levels.status[0] == Status.REFUSED
        has_moved = abs(bar.close - levels.price[0]) >= p.spacing * levels.price[0]
        if levels.position == 0.0:
            s.is_waiting = True
            if has_asked and not has_moved:
                return  # it rests, or the answer would be the same
            for i in range(1, p.count):
                levels.enter[i] = 0.0
            levels.price[0] = bar.close
            levels.enter[0] = 1.0 / total
            out.tag = BASE
        elif s.is_waiting and levels.enter[0] == 0.0:
            s.is_waiting = False
            first, size, below, gap = levels.entry, 1.0 / total, 0.0, p.spacing
            for i in range(1, p.count):
                size *= p.size_growth
                below += gap
                gap *= p.spacing_growth
                levels.price[i] = first * (1.0 - below)
                levels.enter[i] = size
            out.tag = SAFETY

    def problems(self) -> Iterator[str]:
        """All levels must have a price."""
        below, gap = 0.0, self.spacing
        for _ in range(1, self.count):
            below += gap
            gap *= self.spacing_growth
        if below >= 1.0:
            yield (
                f"count, spacing and spacing_growth must keep the last level above 0, were"
                f" {self.count}, {self.spacing:g} and {self.spacing_growth:g}, which is"
                f" {below:.0%} below the first price. Choose fewer or nearer levels."
            )
