"""Limits the value of a single order."""

from engine.core.compile.declare import Rule
from engine.core.money import Money
from engine.core.records import Intent, View


class OrderNotional(Rule):
    """Denies an order worth more than `notional_max`: the guard against a slipped decimal point."""

    notional_max: Money = 100_000.0  # account currency

    reason = "order_notional_above_limit"

    def check(p, s: object, view: View, intent: Intent) -> bool:
        intent.measured = intent.notional
        intent.limit = p.notional_max
        return intent.measured > intent.limit
