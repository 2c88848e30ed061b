"""Places orders and keeps the working ones of each book, oldest first."""

from enum import IntEnum

from engine.core.block import Core
from engine.core.fill import TAKES, cut, execute
from engine.core.grid import on_grid
from engine.core.log import log_order
from engine.core.records import ORDERS_PER_BOOK, FillOn, Order, Reason, Status


class Rest(IntEnum):
    """How far an order has come that can still be filled."""

    SENT = 0  # no event has met it yet
    RESTS = 1  # it waits in the book until prices come to it; a market order: for volume
    TAKES = 2  # a limit order that has taken, and goes on taking what is offered


class Waiting(IntEnum):
    """Which of a book's working orders are meant."""

    ALL = 0
    OPENING = 1
    RESTING = 2  # of those that open: what waits for its price, or for volume
    ADDING = 3  # of those that open: what makes the present position larger


def place(core: Core, k: int, quantity: float, reduces: int, reason: int) -> None:
    """Place an order of book `k` for the next event of its symbol after the latency.

    Where its rows are full, the newest of them reduces, as does this one: one order does for both.
    """
    account, book = core.account, core.books[k]
    price = core.symbols[book.symbol].price
    if book.orders == ORDERS_PER_BOOK:
        book.orders -= 1
        newest = core.working[k * ORDERS_PER_BOOK + book.orders]
        quantity += newest.quantity
        why = Reason.TOO_MANY_ORDERS
        log_order(core, k, newest.id, Status.CANCELED, newest.quantity, price, why)
    account.orders += 1
    log_order(core, k, account.orders, Status.PLACED, quantity, price, reason)
    limit = 0.0
    if account.by_limit != 0 and reduces == 0:
        limit = limit_price(core, book.symbol, quantity)
    elif account.fill_on == FillOn.CLOSE and book.orders == 0:
        quantity = execute(
            core, k, account.orders, quantity, reduces, account.ts, price, reason, TAKES
        )
        if quantity == 0.0:
            return
    order = core.working[k * ORDERS_PER_BOOK + book.orders]
    order.id = account.orders
    order.seq = account.seq
    order.ts = account.ts + account.latency
    order.quantity = quantity
    order.limit = limit
    order.rests = Rest.SENT
    order.expires = 0
    if limit > 0.0 and account.good_for >= 0:
        order.expires = order.ts + account.good_for
    order.reduces = reduces
    order.reason = reason
    book.orders += 1


def limit_price(core: Core, s: int, quantity: float) -> float:
    """Return the price of a limit order, the offset away from the last one and on the tick grid."""
    symbol, offset = core.symbols[s], core.account.offset
    if quantity > 0.0:
        return on_grid(symbol.price * (1.0 - offset), symbol.tick, -1)
    return on_grid(symbol.price * (1.0 + offset), symbol.tick, 1)


def cancel(core: Core, k: int, which: Waiting, reason: int) -> None:
    """Cancel working orders of book `k`."""
    book = core.books[k]
    first = k * ORDERS_PER_BOOK
    left = 0
    for q in range(book.orders):
        order = core.working[first + q]
        if is_among(which, order, book.position):
            price = core.symbols[book.symbol].price
            log_order(core, k, order.id, Status.CANCELED, order.quantity, price, reason)
        else:
            move(core, first + q, first + left)
            left += 1
    book.orders = left


def is_among(which: Waiting, order: Order, position: float) -> bool:
    """Return whether a working order is one of those that are to be canceled."""
    if which == Waiting.ALL:
        return True
    if order.reduces != 0:
        return False
    if which == Waiting.RESTING:
        return order.limit > 0.0 or order.rests != Rest.SENT
    return which == Waiting.OPENING or order.quantity * position > 0.0


def move(core: Core, source: int, target: int) -> None:
    """Copy a working order to another row, which closes a gap."""
    order, copy = core.working[source], core.working[target]
    copy.id = order.id
    copy.seq = order.seq
    copy.ts = order.ts
    copy.quantity = order.quantity
    copy.limit = order.limit
    copy.expires = order.expires
    copy.rests = order.rests
    copy.reduces = order.reduces
    copy.reason = order.reason


def held_after(core: Core, k: int) -> float:
    """Return the position of book `k` once its working orders are filled.

    Like fills, an exit never crosses zero: it may wait for a position that a stop has closed.
    """
    book = core.books[k]
    position = book.position
    for q in range(book.orders):
        order = core.working[k * ORDERS_PER_BOOK + q]
        position += order.quantity if order.reduces == 0 else cut(order.quantity, position)
    return position
