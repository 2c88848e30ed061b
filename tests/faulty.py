"""A strategy and a rule that work until they meet a certain bar or order, and then fail."""

import math

from engine.core.compile.declare import Rule, Strategy
from engine.core.records import Failure

RAISED, NOT_A_NUMBER, OUT_OF_RANGE = (
    int(Failure.RAISED),
    int(Failure.NOT_A_NUMBER),
    int(Failure.OUT_OF_RANGE),
)


class Faulty(Strategy):
    """Long from the first bar on, with a stop at 95; fails on bar `at` in the way of `how`."""

    how: int = RAISED
    at: int = 3

    class State:
        count: int

    def step(p, s, bar, out):  # type: ignore[no-untyped-def]
        s.count += 1
        out.target = 1.0
        out.stop = 95.0
        if s.count == p.at:
            if p.how == RAISED:
                out.target = 1.0 / (s.count - p.at)
            elif p.how == NOT_A_NUMBER:
                out.target = math.nan
            else:
                out.stop = -1.0


class FaultyInPython(Faulty):
    """The same as ordinary Python."""

    compiled = False


class FaultyRule(Rule):
    """Fails when it is asked about an opening of more than `quantity_max`."""

    quantity_max: float = 1.0

    reason = "faulty"

    def check(p, s, view, intent):  # type: ignore[no-untyped-def]
        intent.measured = intent.quantity
        intent.limit = p.quantity_max
        above = 0.0
        if intent.quantity > p.quantity_max:
            above = 1.0 / (above * view.equity)
        return above > 0.0
