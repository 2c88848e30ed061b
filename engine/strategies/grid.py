"""Trades back and forth inside a range: buys at levels below, sells each one step higher.

Shows how orders are kept at levels: what is written to `s.levels` rests there until it is filled.
"""

from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy, window
from engine.core.compile.record import floats
from engine.core.levels import Levels
from engine.core.records import Bar, Out, Status

COUNT_MAX = 50
GRID = 1


class Grid(Strategy):
    """Buys an equal part at each of `count` levels below its anchor, sells it one level higher.

    The levels lie `spacing` apart, each a fraction below the one above; the anchor is the close at
    which the grid begins. While nothing is held the grid follows the price upwards, and where no
    order rests, downwards as well. Below its last level it holds what it has bought:
    `exits.stop_loss` ends that. After an exit it begins anew.
    """

    count: Annotated[int, Field(ge=1, le=COUNT_MAX)] = 10  # levels
    spacing: Annotated[float, Field(gt=0, lt=0.5)] = 0.01  # fraction of the price

    kind = "range"
    tags = {GRID: "grid"}
    shows = {"anchor": "anchor", "levels.entry": "average entry"}

    class State:
        levels: Levels = window("count")
        anchor: float
        bought: list[float] = floats(COUNT_MAX)  # at each level and not sold yet, base units

    def step(p, s: State, bar: Bar, out: Out) -> None:
        levels = s.levels
        out.tag = GRID
        begins = s.anchor == 0.0 or bar.close > s.anchor * (1.0 + p.spacing)
        is_idle = True  # nothing rests: denied, paused, or on history
        for i in range(p.count):
            status = levels.status[i]
            if status == Status.PLACED or status == Status.PARTIAL:
                is_idle = False
            elif levels.enter[i] == 0.0:
                was_refused = status == Status.REFUSED and s.bought[i] > 0.0
                if status == Status.CANCELED or levels.filled[i] > 0.0 or was_refused:
                    begins = True  # an exit took it
        begins = begins or (is_idle and bar.close < s.anchor * (1.0 - p.spacing))
        begins = begins and levels.position == 0.0
        if begins:
            s.anchor = bar.close
        above = s.anchor
        for i in range(p.count):
            price = above * (1.0 - p.spacing)
            rests = levels.enter[i] != 0.0 or levels.leave[i] != 0.0
            if levels.enter[i] != 0.0 and levels.filled[i] > 0.0 and bar.close > above:
                rests = False  # the price has left a part behind: it is sold without the rest
            was_filled = levels.status[i] == Status.FILLED
            if begins or (was_filled and levels.filled[i] < 0.0):
                s.bought[i] = 0.0
            elif not rests:
                s.bought[i] += levels.filled[i]
            if begins or not rests:
                levels.enter[i] = 0.0
                levels.leave[i] = 0.0
                if s.bought[i] > 0.0:
                    levels.price[i] = above
                    levels.leave[i] = s.bought[i]
                elif begins or was_filled:
                    levels.price[i] = price
                    levels.enter[i] = 1.0 / p.count
            above = price
