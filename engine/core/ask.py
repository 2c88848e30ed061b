"""Turns what a strategy asks for at its levels into orders that rest there."""

from engine.core.block import Core
from engine.core.grid import on_grid, whole_lots
from engine.core.ledger import free
from engine.core.log import log_decision, log_denial, log_order, log_wish
from engine.core.order import Rest, held_after
from engine.core.protect import protect
from engine.core.records import Failure, Reason, Status
from engine.core.resting import (
    ENTER,
    IS_STOP,
    LEAVE,
    PRICE,
    end,
    exposed,
    needed,
    reserved,
    take_back,
    tell_filled,
    tell_status,
    told,
)
from engine.core.risk import deny
from engine.core.sizing import sized, unsized


def renew(core: Core, k: int) -> Failure:
    """Replace the orders of book `k` at levels where its strategy now asks for something else.

    On history nothing is ordered, and entries wait while nothing may be opened: what is asked for
    is ordered at the first step at which that has changed.
    """
    account, book = core.account, core.books[k]
    if account.history != 0:
        return Failure.NONE
    may_enter = account.killed == 0 and book.paused == 0
    changed = False
    for i in range(book.level_end - book.level_first):
        level = core.levels[book.level_first + i]
        price, enter = told(core, k, i, PRICE), told(core, k, i, ENTER)
        leave, is_stop = told(core, k, i, LEAVE), told(core, k, i, IS_STOP)
        if enter == level.enter and leave == level.leave:
            if enter == 0.0 and leave == 0.0:
                continue  # where nothing is asked for, the price does not matter
            if price == level.price and is_stop == level.is_stop:
                if level.order.id == 0 and may_enter:  # was suspended
                    changed = True
                    ask(core, k, i)
                continue
        if not is_sound(price, enter, leave, is_stop):
            return Failure.LEVEL
        changed = True
        if level.order.id != 0:
            take_back(core, k, i, Reason.SIGNAL)
        level.enter = 0.0
        if leave != 0.0 or (enter != 0.0 and may_enter):
            tell_filled(core, k, i, 0.0)
            level.price = price
            level.enter = enter
            level.leave = leave
            level.is_stop = is_stop
            ask(core, k, i)
    if changed and book.position != 0.0:
        protect(core, k)
    return Failure.NONE


def is_sound(price: float, enter: float, leave: float, is_stop: float) -> bool:
    """Return whether what is asked for at a level is in range: one of both, with a price."""
    if not (abs(enter) <= 1.0 and leave >= 0.0) or (enter != 0.0 and leave != 0.0):
        return False
    if (enter != 0.0 or leave != 0.0) and not 0.0 < price < 1e300:
        return False
    return is_stop == 0.0 or (is_stop == 1.0 and leave == 0.0)


def ask(core: Core, k: int, i: int) -> None:
    """Order what is asked for at level `i` of book `k`, or refuse it with every reason."""
    book, symbol = core.books[k], core.symbols[core.books[k].symbol]
    level = core.levels[book.level_first + i]
    log_wish(core, k, level.enter, level.price, book.out.tag)
    denials, reduces = 0, 0
    if level.leave != 0.0:
        reduces = 1
        quantity = part(core, k, level.leave)
        if book.position == 0.0:
            log_denial(core, k, Reason.NOTHING_LEFT, 0.0, 0.0)
            denials += 1
        elif quantity == 0.0:
            log_denial(core, k, Reason.BELOW_LOT, level.leave, symbol.lot)
            denials += 1
    else:
        quantity, price = 0.0, level.price
        if (level.enter > 0.0) == (level.is_stop != 0.0):
            price = max(price, symbol.price)  # one behind the market trades at the market
        why = unsized(core, k, level.enter, price)
        if level.enter < 0.0 and symbol.leverage == 0.0:
            why = Reason.SHORT_ON_SPOT
        if why == Reason.NONE:
            quantity = sized(core, k, level.enter, price, core.account.equity)
            if level.filled != 0.0:  # what a pause has left of it
                quantity = level.order.quantity
            denials += deny_level(core, k, quantity, price)
        else:
            log_denial(core, k, why, level.enter, 0.0)
            denials += 1
    log_decision(core, k, 1 if denials == 0 else 0, quantity if denials == 0 else 0.0, denials)
    if denials != 0:
        end(core, k, i, Status.REFUSED)
    else:
        rest(core, k, i, quantity, reduces)


def part(core: Core, k: int, leave: float) -> float:
    """Return the change that leaves so much of the position of book `k`: all of it, or whole lots.

    0.0 where nothing is held, or less than a lot would leave.
    """
    position, lot = core.books[k].position, core.symbols[core.books[k].symbol].lot
    if leave >= abs(position):
        return -position
    leave = min(whole_lots(leave, lot), abs(position))
    return -leave if position > 0.0 else leave


def deny_level(core: Core, k: int, quantity: float, price: float) -> int:
    """Log every reason against an entry of book `k` at a level; return how many there are.

    The money for it must be there beside what all resting entries need: the venue puts it aside.
    """
    denials = deny(core, k, quantity, price, exposed(core, k, held_after(core, k), quantity))
    cost = needed(core, core.books[k].symbol, quantity, price, core.account.maker)
    left = free(core) - reserved(core)
    if cost > left:
        log_denial(core, k, Reason.INSUFFICIENT_FUNDS, cost, left)
        denials += 1
    return denials


def rest(core: Core, k: int, i: int, quantity: float, reduces: int) -> None:
    """Place an order at level `i` of book `k`."""
    account, book = core.account, core.books[k]
    level = core.levels[book.level_first + i]
    order = level.order
    account.orders += 1
    order.id = account.orders
    order.seq = account.seq
    order.ts = account.ts + account.latency
    order.quantity = quantity
    away = -1 if (quantity > 0.0) == (level.is_stop == 0.0) else 1
    order.limit = on_grid(level.price, core.symbols[book.symbol].tick, away)
    order.rests = Rest.SENT
    order.reduces = reduces
    order.reason = Reason.SIGNAL
    book.resting += 1
    tell_status(core, k, i, Status.PLACED)
    log_order(core, k, order.id, Status.PLACED, quantity, order.limit, Reason.SIGNAL)
