"""Turns an order and a price into a fill, or into a refusal."""

import math

from engine.core.block import Core
from engine.core.grid import NEAR, is_same, on_grid, whole_lots
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
    that takes. An order that reduces is cut to what is left of the position; one that opens and
    meets a position on the other side closes that first: no fill crosses zero.
    """
    closing = cut(quantity, core.books[k].position)
    if closing == 0.0 and reduces != 0:
        log_order(core, k, order, Status.REFUSED, 0.0, price, Reason.NOTHING_LEFT)
        return 0.0
    opening = 0.0
    if reduces == 0 and not is_same(quantity, closing):
        opening = quantity - closing
    if closing != 0.0:
        left = fill(core, k, order, closing, opening, 1, ts, price, reason, share)
        if left != 0.0 or opening == 0.0:
            return left + opening
    return fill(core, k, order, opening, 0.0, 0, ts, price, reason, share)


def fill(
    core: Core, k: int, order: int, quantity: float, more: float, reduces: int, ts: int,
    price: float, reason: int, share: float,
) -> float:  # fmt: skip
    """Fill an order, or the part of it before `more`, as `execute` says; return what is left of it.

    One that takes pays slippage and the taker's fee, one that rested the maker's. Funds are checked
    here, at the fill price with its fee: nothing trades on negative cash, and no perpetual without
    its margin. What finds no volume any more is left.
    """
    account, book = core.account, core.books[k]
    symbol = core.symbols[book.symbol]
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
    status = Status.FILLED if left + more == 0.0 else Status.PARTIAL
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
        book.kept = 0.0
        unprotect(core, k)
        learn(core, k, was_long)
        log_trade(core, k, ts, was_long, reason)
        if book.levels > 0:
            withdraw(core, k, reason != Reason.SIGNAL, reason)
    elif book.position > 0.0 if quantity > 0.0 else book.position < 0.0:
        book.grown_seq = core.account.seq
        if book.best != 0.0:
            book.best = price  # what was best before is no profit on the new average
        protect(core, k)


def cut(quantity: float, position: float) -> float:
    """Return what of a quantity takes something off a position: no more than all of it."""
    if quantity * position >= 0.0:
        return 0.0
    if abs(quantity) >= abs(position) or is_same(-quantity, position):
        return -position
    return quantity


def bounded(quantity: float, room: float, lot: float) -> float:
    """Return what of a quantity fits in the volume that is left, on the lot grid; 0.0 for none."""
    if abs(quantity) <= room * (1.0 + NEAR):
        return quantity
    fits = whole_lots(max(room, 0.0), lot)
    return fits if quantity > 0.0 else -fits


def slipped(price: float, quantity: float, slippage: float, tick: float) -> float:
    """Return the price after slippage, on the tick grid, both against the order."""
    if quantity > 0.0:
        return on_grid(price * (1.0 + slippage), tick, 1)
    return on_grid(price * (1.0 - slippage), tick, -1)
