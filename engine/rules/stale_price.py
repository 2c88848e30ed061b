"""Refuses to open on a price that is no longer one."""

from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Rule
from engine.core.records import Intent, View


class StalePrice(Rule):
    """Denies an order when the last price of the symbol is older than `age_seconds_max`."""

    age_seconds_max: Annotated[int, Field(ge=0)] = 120

    reason = "price_stale"

    def check(p, s: object, view: View, intent: Intent) -> bool:
        intent.measured = view.price_age / 1000.0
        intent.limit = p.age_seconds_max
        return intent.measured > intent.limit
