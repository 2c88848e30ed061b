"""Fills the working orders that an event makes possible."""

from engine.core.block import Core
from engine.core.fill import execute
from engine.core.records import ORDERS_PER_BOOK, Reason


def match(core: Core, k: int, ts: int, price: float) -> None:
    """Fill each order of book `k` that was placed before this event and by time `ts`."""
    book = core.books[k]
    first = k * ORDERS_PER_BOOK
    left = 0
    for q in range(book.orders):
        order = core.working[first + q]
        if order.seq < core.account.seq and order.ts <= ts:
            execute(core, k, order.id, order.quantity, ts, price, Reason.SIGNAL)
        else:
            stays = core.working[first + left]
            stays.id = order.id
            stays.seq = order.seq
            stays.ts = order.ts
            stays.quantity = order.quantity
            left += 1
    book.orders = left
