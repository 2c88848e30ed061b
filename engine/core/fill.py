"""Turns an order and a price into a fill, or into a refusal."""

import math

from engine.core.block import Core
from engine.core.ledger import free, post
from engine.core.log import log_fill, log_order, log_trade
from engine.core.protect import protect, unprotect
from engine.core.records import Reason, Status
from engine.core.sizing import learn


def execute(
    core: Core, k: int, order: int, quantity: float, reduces: int, ts: int, price: float,
    reason: int,
) -> None:  # fmt: skip
    """Fill an order of book `k` at a market price, or refuse it, and log which.

    Funds are checked here, at the fill price with its fee: nothing trades on negative cash, and no
    perpetual without its margin. An order that reduces is cut to what is left of the position.
    """
    account, book = core.account, core.books[k]
    symbol = core.symbols[book.symbol]
    if reduces != 0:
        quantity = cut(quantity, book.position)
        if quantity == 0.0:
            log_order(core, k, order, Status.REFUSED, quantity, price, Reason.NOTHING_LEFT)
            return
    price = slipped(price, quantity, account.slippage, symbol.tick)
    notional = quantity * price * symbol.contract_size
    fee = abs(notional) * account.taker
    needed = notional if symbol.leverage == 0.0 else abs(notional) / symbol.leverage
    if reduces == 0 and needed + fee > free(core):
        log_order(core, k, order, Status.REFUSED, quantity, price, Reason.INSUFFICIENT_FUNDS)
        return
    settle(core, k, order, quantity, ts, price, fee, reason)


def settle(
    core: Core, k: int, order: int, quantity: float, ts: int, price: float, fee: float, reason: int
) -> None:
    """Enter a fill of book `k`, log it, and protect what is held, or log the trade it ends."""
    book = core.books[k]
    was_long = book.position > 0.0
    paid = post(core, k, ts, quantity, price, fee)
    log_order(core, k, order, Status.FILLED, quantity, price, reason)
    log_fill(core, k, order, ts, quantity, price, fee, paid, reason)
    if book.position == 0.0:
        unprotect(core, k)
        learn(core, k, was_long)
        log_trade(core, k, ts, was_long, reason)
    elif book.position > 0.0 if quantity > 0.0 else book.position < 0.0:
        protect(core, k)


def cut(quantity: float, position: float) -> float:
    """Return what a reducing order can still take off a position; 0.0 where nothing is left."""
    if position > 0.0:
        return max(min(quantity, 0.0), -position)
    if position < 0.0:
        return min(max(quantity, 0.0), -position)
    return 0.0


def slipped(price: float, quantity: float, slippage: float, tick: float) -> float:
    """Return the price after slippage, on the tick grid, both against the order."""
    if quantity > 0.0:
        price = price * (1.0 + slippage)
        return price if tick == 0.0 else math.ceil(price / tick - 1e-9) * tick
    price = price * (1.0 - slippage)
    return price if tick == 0.0 else math.floor(price / tick + 1e-9) * tick
