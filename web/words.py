"""The codes that the engine writes, as words for people."""

from web.language import mark

REASONS = {  # why something was ordered, denied or refused
    "none": mark("none"),
    "signal": mark("signal"),
    "stop_loss": mark("stop-loss"),
    "take_profit": mark("take-profit"),
    "short_on_spot": mark("no short on spot"),
    "below_lot": mark("below the lot size"),
    "below_notional_min": mark("below the least notional"),
    "too_many_orders": mark("too many working orders"),
    "insufficient_funds": mark("insufficient funds"),
    "nothing_left": mark("nothing left to close"),
    "paused": mark("paused"),
    "killed": mark("kill switch"),
    "command": mark("command"),
    "rejected": mark("rejected by the venue"),
    "no_price": mark("no price yet"),
    "expired": mark("expired"),
    "post_only": mark("would have taken"),
    "no_volume": mark("no volume left"),
    "opposite_book": mark("another strategy holds the opposite"),
    "liquidation": mark("liquidation"),
    "funding": mark("funding"),
    "trailing": mark("trailing stop"),
    "break_even": mark("break-even stop"),
    "roi": mark("enough profit for its age"),
    "time_stop": mark("time stop"),
    "opposite_signal": mark("signal against the position ignored"),
    "stop_wrong_side": mark("stop on the wrong side of the price"),
    "take_wrong_side": mark("take on the wrong side of the price"),
    "no_stop": mark("no stop to size by"),
    "no_volatility": mark("volatility not known yet"),
    "gross_exposure_above_limit": mark("gross exposure above its limit"),
    "open_positions_at_limit": mark("open positions at their limit"),
    "order_notional_above_limit": mark("order notional above its limit"),
    "position_size_above_limit": mark("position size above its limit"),
    "price_is_stale": mark("price is stale"),
    "price_stale": mark("price is stale"),
    "first_bar": mark("first bar"),
    "up_cross": mark("up-cross"),
    "down_cross": mark("down-cross"),
    "oversold": mark("oversold"),
    "overbought": mark("overbought"),
}

STATUSES = {  # of orders, of answers, of a command that waits
    "placed": mark("placed"),
    "filled": mark("filled"),
    "partial": mark("partly filled"),
    "refused": mark("refused"),
    "canceled": mark("canceled"),
    "done": mark("done"),
    "waiting": mark("waiting"),
    "approved": mark("approved"),
    "denied": mark("denied"),
}

ACTIONS = {
    "pause": mark("pause"),
    "resume": mark("resume"),
    "close": mark("close"),
    "flatten": mark("flatten"),
    "kill": mark("kill"),
    "rearm": mark("rearm"),
}

MODES = {
    "backtest": mark("BACKTEST"),
    "paper": mark("PAPER"),
    "live": mark("LIVE"),
}

ROLES = {
    "viewer": mark("viewer"),
    "operator": mark("operator"),
    "admin": mark("admin"),
}

SEVERITIES = {
    "info": mark("info"),
    "warning": mark("warning"),
    "error": mark("error"),
    "critical": mark("critical"),
}

WORDS = REASONS | STATUSES | ACTIONS | MODES | ROLES | SEVERITIES
