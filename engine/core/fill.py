"""Turns an order and a price into a fill, or into a refusal."""

import math

from engine.core.block import Core
from engine.core.ledger import post
from engine.core.log import log_fill, log_order, log_trade
from engine.core.protect import protect, unprotect
from engine.core.records import Reason, Status
from engine.core.sizing import learn


def execute(
    core: Core, k: int, order: int, quantity: float, ts: int, price: float, reason: int
) -> None:
    """Fill an order of book `k` at a market price, or refuse it, and log which.

    Funds are checked here, at the fill price with its fee: nothing trades on negative cash. An
    order that reduces is cut to what is left of the position.
    """
    account, book = core.account, core.books[k]
    symbol = core.symbols[book.symbol]
    if quantity < 0.0:
        quantity = max(quantity, -book.position)
    if quantity == 0.0:
        log_order(core, k, order, Status.REFUSED, quantity, price, Reason.NOTHING_LEFT)
        return
    price = slipped(price, quantity, account.slippage, symbol.tick)
    notional = quantity * price * symbol.contract_size
    fee = abs(notional) * account.taker
    if quantity > 0.0 and notional + fee > account.cash:
        log_order(core, k, order, Status.REFUSED, quantity, price, Reason.INSUFFICIENT_FUNDS)
        return
    post(core, k, ts, quantity, price, fee)
    log_order(core, k, order, Status.FILLED, quantity, price, reason)
    log_fill(core, k, order, ts, quantity, price, fee, reason)
    if book.position == 0.0:
        unprotect(core, k)
        learn(core, k)
        log_trade(core, k, ts, reason)
    elif quantity > 0.0:
        protect(core, k)


def slipped(price: float, quantity: float, slippage: float, tick: float) -> float:
    """Return the price after slippage, on the tick grid, both against the order."""
    if quantity > 0.0:
        price = price * (1.0 + slippage)
        return price if tick == 0.0 else math.ceil(price / tick - 1e-9) * tick
    price = price * (1.0 - slippage)
    return price if tick == 0.0 else math.floor(price / tick + 1e-9) * tick
