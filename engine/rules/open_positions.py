"""Limits how many positions are open at once."""

from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Rule
from engine.core.records import Intent, View


class OpenPositions(Rule):
    """Denies a new position when `count_max` books already hold one; adding to one is allowed."""

    count_max: Annotated[int, Field(ge=1)] = 10

    reason = "open_positions_at_limit"

    def check(p, s: object, view: View, intent: Intent) -> bool:
        intent.measured = view.positions
        intent.limit = p.count_max
        return view.position == 0.0 and view.positions >= p.count_max
