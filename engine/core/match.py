"""Fills the working orders that an event makes possible."""

from engine.core.block import Core
from engine.core.fill import TAKES, execute
from engine.core.log import log_order
from engine.core.margin import liquidation_price
from engine.core.order import Rest, move
from engine.core.records import ORDERS_PER_BOOK, Bar, Order, Reason, Status

_WORD = 0xFFFFFFFF  # 32 bits


def match(core: Core, k: int, bar: Bar) -> None:
    """Fill each order of book `k` that was placed before this event and is due by its time.

    A market order fills at the open, a limit order where the prices reach it. The simulated venue
    may reject an order when it first meets it. An order that opens is then gone; one that reduces
    is placed again while the position that it was to close is still there. What was ordered after
    it waits for it, so that the position never exceeds what was decided.
    """
    book = core.books[k]
    first = k * ORDERS_PER_BOOK
    kept = 0
    waits = False  # for an order before it
    for q in range(book.orders):
        order = core.working[first + q]
        stays = waits or order.seq >= core.account.seq or order.ts > bar.ts
        price = bar.open if takes(order, bar) else order.limit
        stays = stays or (order.reduces == 0 and is_behind(core, k, price))
        if stays:
            waits = waits or order.limit == 0.0
        elif order.rests == Rest.SENT and is_rejected(core, order.id):
            quantity = order.quantity
            log_order(core, k, order.id, Status.REFUSED, quantity, bar.open, Reason.REJECTED)
            stays = order.reduces != 0 and book.position != 0.0
            if stays:
                again(core, k, first + q, bar.open)
                waits = True
        else:
            stays = meet(core, k, first + q, bar)
            waits = waits or (stays and order.limit == 0.0)
        if stays:
            if kept < q:
                move(core, first + q, first + kept)
            kept += 1
    book.orders = kept


def meet(core: Core, k: int, row: int, bar: Bar) -> bool:
    """Fill an order of book `k` by the prices of an event; return whether it stays at work."""
    order = core.working[row]
    quantity, limit, reduces = order.quantity, order.limit, order.reduces
    rests = Rest.RESTS
    if limit == 0.0:
        left = execute(core, k, order.id, quantity, reduces, bar.ts, bar.open, order.reason, TAKES)
    elif order.expires > 0 and bar.ts >= order.expires and order.rests != Rest.SENT:
        return ended(core, k, row, Reason.EXPIRED)
    elif takes(order, bar):
        if core.account.post_only != 0:
            return ended(core, k, row, Reason.POST_ONLY)
        rests = Rest.TAKES
        left = execute(core, k, order.id, quantity, reduces, bar.ts, bar.open, order.reason, TAKES)
    else:
        left = rest(core, k, row, bar)
    order.quantity = left
    order.rests = rests
    if left != 0.0 and limit > 0.0 and 0 < order.expires <= bar.ts:
        return ended(core, k, row, Reason.EXPIRED)
    return left != 0.0


def takes(order: Order, bar: Bar) -> bool:
    """Return whether an order trades at the open, be it a market order or one that never rested."""
    limit = order.limit
    if limit == 0.0 or order.rests == Rest.RESTS:
        return limit == 0.0
    return bar.open <= limit if order.quantity > 0.0 else bar.open >= limit


def rest(core: Core, k: int, row: int, bar: Bar) -> float:
    """Fill a limit order that rests, at its price, where it is reached; return what is left.

    Where the price only touches it, others stood before it: it gets its share of the volume.
    """
    order = core.working[row]
    quantity, limit = order.quantity, order.limit
    best = bar.low if quantity > 0.0 else bar.high
    if best > limit if quantity > 0.0 else best < limit:
        return quantity
    share = core.account.queue_share if best == limit else 1.0
    left = execute(core, k, order.id, quantity, order.reduces, bar.ts, limit, order.reason, share)
    if left != quantity and order.reduces == 0:
        core.books[k].inside = core.account.seq
    return left


def is_behind(core: Core, k: int, price: float) -> bool:
    """Return whether prices end the position of book `k` before they come to a price: its stop, or
    the liquidation of a perpetual.
    """
    book = core.books[k]
    if book.position == 0.0:
        return False
    symbol = core.symbols[book.symbol]
    side = 1.0 if book.position > 0.0 else -1.0
    if book.stop > 0.0 and side * price < side * book.stop:
        return True
    if symbol.leverage == 0.0 or symbol.position * book.position <= 0.0:
        return False
    return side * price < side * liquidation_price(core, book.symbol)


def ended(core: Core, k: int, row: int, reason: int) -> bool:
    """Cancel an order of book `k`; return that it does not stay."""
    order = core.working[row]
    log_order(core, k, order.id, Status.CANCELED, order.quantity, order.limit, reason)
    return False


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
