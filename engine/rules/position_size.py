"""Limits what the account may hold in one symbol."""

from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Rule
from engine.core.records import Intent, View


class PositionSize(Rule):
    """Denies an order that would make one symbol worth more than `ratio_max` of the equity."""

    ratio_max: Annotated[float, Field(gt=0)] = 1.0  # of equity

    reason = "position_above_limit"

    def check(p, s: object, view: View, intent: Intent) -> bool:
        intent.measured = view.symbol_exposure + intent.notional
        intent.limit = p.ratio_max * view.equity
        return intent.measured > intent.limit
