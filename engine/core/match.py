"""Fills the working orders that an event makes possible."""

from engine.core.block import Core
from engine.core.fill import execute
from engine.core.log import log_order
from engine.core.order import move
from engine.core.records import ORDERS_PER_BOOK, Reason, Status

_WORD = 0xFFFFFFFF  # 32 bits


def match(core: Core, k: int, ts: int, price: float) -> None:
    """Fill each order of book `k` that was placed before this event and is due by time `ts`.

    The simulated venue may reject it. An order that opens is then gone; one that reduces is placed
    again while the position that it was to close is still there. What was ordered after it waits
    for it, so that the position never exceeds what was decided.
    """
    book = core.books[k]
    first = k * ORDERS_PER_BOOK
    left = 0
    for q in range(book.orders):
        order = core.working[first + q]
        stays = left > 0 or order.seq >= core.account.seq or order.ts > ts
        if not stays and is_rejected(core, order.id):
            quantity = order.quantity
            log_order(core, k, order.id, Status.REFUSED, quantity, price, Reason.REJECTED)
            stays = order.reduces != 0 and book.position != 0.0
            if stays:
                again(core, k, first + q, price)
        elif not stays:
            quantity, reduces = order.quantity, order.reduces
            execute(core, k, order.id, quantity, reduces, ts, price, order.reason)
        if stays:
            if left < q:
                move(core, first + q, first + left)
            left += 1
    book.orders = left


def again(core: Core, k: int, row: int, price: float) -> None:
    """Place a rejected order of book `k` anew, under an id of its own."""
    account, order = core.account, core.working[row]
    account.orders += 1
    order.id = account.orders
    order.seq = account.seq
    order.ts = account.ts + account.latency
    log_order(core, k, order.id, Status.PLACED, order.quantity, price, order.reason)


def is_rejected(core: Core, order: int) -> bool:
    """Return whether the simulated venue rejects an order: a draw from seed and order id.

    A hash (lowbias32 of C. Wellons), so that neighbouring ids have nothing to do with each other.
    """
    account = core.account
    if account.rejection == 0.0:
        return False
    drawn = (order * 0x9E3779B1 + account.seed) & _WORD
    drawn = (drawn ^ (drawn >> 16)) * 0x7FEB352D & _WORD
    drawn = (drawn ^ (drawn >> 15)) * 0x846CA68B & _WORD
    drawn = drawn ^ (drawn >> 16)
    return drawn < account.rejection * (_WORD + 1)
