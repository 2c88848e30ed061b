"""Turns an order and a price into a fill, or into a refusal."""

import math

from engine.core.block import Core
from engine.core.ledger import free, post
from engine.core.log import log_fill, log_order, log_trade
from engine.core.protect import protect, unprotect
from engine.core.records import Reason, Status
from engine.core.resting import tell_position, withdraw
from engine.core.sizing import learn

TAKES = -1.0  # in the place of a share


def execute(
    core: Core, k: int, order: int, quantity: float, reduces: int, ts: int, price: float,
    reason: int, share: float,
) -> float:  # fmt: skip
    """Fill an order of book `k` at a price, or refuse it, log which, and return what is left of it.

    `share` is how much of the event's volume a limit order gets that rested, below 0 for an order
    that takes: this one pays slippage and the taker's fee, that one the maker's. Funds are checked
    here, at the fill price with its fee: nothing trades on negative cash, and no perpetual without
    its margin. An order that reduces is cut to what is left of the position. What finds no volume
    any more is left.
    """
    account, book = core.account, core.books[k]
    symbol = core.symbols[book.symbol]
    if reduces != 0:
        quantity = cut(quantity, book.position)
        if quantity == 0.0:
            log_order(core, k, order, Status.REFUSED, quantity, price, Reason.NOTHING_LEFT)
            return 0.0
    left = 0.0
    if account.is_bounded != 0:
        room = symbol.room if share < 0.0 else min(symbol.room, share * symbol.volume)
        filled = bounded(quantity, room, symbol.lot)
        left = quantity - filled
        if filled == 0.0:
            return left
        quantity = filled
    rate, due = account.maker, price  # the price without slippage
    if share < 0.0:
        rate = account.taker
        slippage = account.slippage
        if account.impact > 0.0 and symbol.volume > 0.0:
            slippage += account.impact * math.sqrt(abs(quantity) / symbol.volume)
        price = slipped(price, quantity, slippage, symbol.tick)
    notional = quantity * price * symbol.contract_size
    fee = abs(notional) * rate
    needed = notional if symbol.leverage == 0.0 else abs(notional) / symbol.leverage
    if reduces == 0 and needed + fee > free(core):
        log_order(core, k, order, Status.REFUSED, quantity, price, Reason.INSUFFICIENT_FUNDS)
        return 0.0
    symbol.room -= abs(quantity)
    status = Status.FILLED if left == 0.0 else Status.PARTIAL
    lost = quantity * (price - due) * symbol.contract_size
    settle(core, k, order, status, quantity, ts, price, fee, lost, reason)
    return left


def settle(
    core: Core, k: int, order: int, status: Status, quantity: float, ts: int, price: float,
    fee: float, slippage: float, reason: int,
) -> None:  # fmt: skip
    """Enter a fill of book `k`, log it, and protect what is held, or log the trade it ends."""
    book = core.books[k]
    was_long = book.position > 0.0
    paid = post(core, k, ts, quantity, price, fee)
    log_order(core, k, order, status, quantity, price, reason)
    log_fill(core, k, order, ts, quantity, price, fee, slippage, paid, reason)
    if book.levels > 0:
        tell_position(core, k)
    if book.position == 0.0:
        unprotect(core, k)
        learn(core, k, was_long)
        log_trade(core, k, ts, was_long, reason)
        if book.levels > 0:
            withdraw(core, k, reason != Reason.SIGNAL, reason)
    elif book.position > 0.0 if quantity > 0.0 else book.position < 0.0:
        protect(core, k)


def cut(quantity: float, position: float) -> float:
    """Return what a reducing order can still take off a position; 0.0 where nothing is left."""
    if position > 0.0:
        return max(min(quantity, 0.0), -position)
    if position < 0.0:
        return min(max(quantity, 0.0), -position)
    return 0.0


def bounded(quantity: float, room: float, lot: float) -> float:
    """Return what of a quantity fits in the volume that is left, on the lot grid; 0.0 for none."""
    if abs(quantity) <= room:
        return quantity
    fits = max(room, 0.0) if lot == 0.0 else math.floor(max(room, 0.0) / lot + 1e-9) * lot
    return fits if quantity > 0.0 else -fits


def slipped(price: float, quantity: float, slippage: float, tick: float) -> float:
    """Return the price after slippage, on the tick grid, both against the order."""
    if quantity > 0.0:
        return on_grid(price * (1.0 + slippage), tick, 1)
    return on_grid(price * (1.0 - slippage), tick, -1)


def on_grid(price: float, tick: float, towards: int) -> float:
    """Return the next price on the tick grid, above (1) or below (-1)."""
    if tick == 0.0:
        return price
    if towards > 0:
        return math.ceil(price / tick - 1e-9) * tick
    return math.floor(price / tick + 1e-9) * tick
