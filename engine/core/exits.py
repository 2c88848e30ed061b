"""Closes positions, or parts of them, where an event reaches their stop, a target or their time.

A gap fills at the open, whichever price it jumped over. Where stop and target both lie inside one
bar, the bar does not tell which came first, so the stop does. (`docs/guide/exits.md`)
"""

from engine.core.block import Core
from engine.core.fill import TAKES, execute
from engine.core.grid import whole_lots
from engine.core.log import log_order
from engine.core.margin import liquidation_price
from engine.core.order import Waiting, cancel
from engine.core.protect import follow, nearer, roi_due, roi_price, rung_price
from engine.core.reach import fill_level
from engine.core.records import Bar, Reason, Status
from engine.core.resting import next_to_leave
from engine.core.sizing import is_below_min


def concerns(core: Core, k: int, bar: Bar) -> bool:
    """Return whether a bar or tick can do something to the position of book `k`."""
    book = core.books[k]
    return bar.low <= book.floor or bar.high >= book.ceiling or bar.ts >= book.due


def leave(core: Core, k: int, bar: Bar) -> None:
    """Leave what the prices of a bar or tick, or its time, tell book `k` to leave.

    The open is first: what it reaches is left there, and it moves the stops that follow. Then the
    stop, at its price; then the targets, the nearest first, each at its price. The best price of
    the bar moves stops for later events alone: the worst one may have come after it, or before.
    What the venue liquidates before that (`margin.liquidate`) is left to it. Where a limit order
    has entered inside the bar, open and best price may lie before that: only the stop counts,
    and what rests at levels since earlier.
    """
    book = core.books[k]
    side = 1.0 if book.position > 0.0 else -1.0
    best = bar.high if side > 0.0 else bar.low
    worst = bar.low if side > 0.0 else bar.high
    is_inside = book.inside == core.account.seq
    if not is_inside and (is_lost(core, k, bar.open, 0.0) or left_at_open(core, k, bar)):
        return
    if is_lost(core, k, worst, book.stop):
        return
    if book.stop > 0.0 and side * worst <= side * book.stop:
        price = book.stop if side * bar.open > side * book.stop else bar.open
        if core.account.stop_through != 0:
            price = liquidation_price(core, book.symbol) if is_lost(core, k, worst, 0.0) else worst
        if is_inside and side * price > side * book.best:
            price = book.best  # it has entered beyond its own stop
        reduce(core, k, bar.ts, book.position, price, book.stop_reason)
    else:
        take_profits(core, k, bar, best, False)
        if book.position != 0.0 and not is_inside:
            follow(core, k, best)


def left_at_open(core: Core, k: int, bar: Bar) -> bool:
    """Leave what the open of a bar, or its time, tells book `k`; return whether that ends it."""
    book = core.books[k]
    side = 1.0 if book.position > 0.0 else -1.0
    while bar.ts >= roi_due(core, k):
        book.roi += 1
    follow(core, k, bar.open)
    if book.stop > 0.0 and side * bar.open <= side * book.stop:
        reduce(core, k, bar.ts, book.position, bar.open, book.stop_reason)
        return True
    if book.time_stop > 0 and bar.ts >= book.opened_at + book.time_stop:
        reduce(core, k, bar.ts, book.position, bar.open, Reason.TIME_STOP)
        return True
    take_profits(core, k, bar, bar.open, True)
    return book.position == 0.0


def is_lost(core: Core, k: int, price: float, stop: float) -> bool:
    """Return whether the venue liquidates the perpetual of book `k` at a price, before its stop."""
    book, s = core.books[k], core.books[k].symbol
    symbol = core.symbols[s]
    if symbol.leverage == 0.0 or symbol.position * book.position <= 0.0:
        return False
    side = 1.0 if book.position > 0.0 else -1.0
    end = liquidation_price(core, s)
    return side * price <= side * end and (stop == 0.0 or side * stop < side * end)


def take_profits(core: Core, k: int, bar: Bar, reached: float, is_open: bool) -> None:
    """Leave at each target of book `k` up to a price, the nearest first.

    Each fills at its own price; what an open has jumped over fills there. Where a rung of the
    ladder and the end of the position have the same price, that is the end. Levels rest in the
    book: they come first at their price, and alone where an order has entered inside the bar.
    """
    book, ts = core.books[k], bar.ts
    side = 1.0 if book.position > 0.0 else -1.0
    is_inside = book.inside == core.account.seq
    while book.position != 0.0:
        end = rung = 0.0
        if not is_inside:
            end = nearer(book.take, roi_price(core, k), side)
            rung = rung_price(core, k)
        target = nearer(end, rung, side)
        level = next_to_leave(core, k, bar) if book.resting > 0 else -1
        if level >= 0:
            limit = core.levels[book.level_first + level].order.limit
            if nearer(limit, target, side) == limit and side * limit <= side * reached:
                fill_level(core, k, level, bar)
                continue
        if target <= 0.0 or side * target > side * reached:
            return
        price = reached if is_open else target
        if target == end:
            reason = Reason.TAKE_PROFIT if end == book.take else Reason.ROI
            if reduce(core, k, ts, book.position, price, reason) != 0.0:
                return
        else:
            quantity, left = rung_quantity(core, k, price), 0.0
            if quantity != 0.0:
                left = reduce(core, k, ts, quantity, price, Reason.TAKE_PROFIT)
            book.rung_left = left
            if left != 0.0:
                return
            book.rung += 1


def rung_quantity(core: Core, k: int, price: float) -> float:
    """Return how much of book `k` its next rung leaves at a price, signed as the position is.

    A share of all that was entered, or what the volume has left of it; cut to the lot and to the
    position. 0.0 for less than an order may be, but where it is all.
    """
    book = core.books[k]
    share, lot = core.rungs[book.rung_first + book.rung].share, core.symbols[book.symbol].lot
    entered = book.bought if book.position > 0.0 else book.sold
    quantity = share * entered
    if book.rung_left > 0.0 and share < 1.0:
        quantity = book.rung_left
    quantity = min(quantity, abs(book.position))
    if share < 1.0:
        quantity = whole_lots(quantity, lot)
        if quantity < abs(book.position) and is_below_min(core, k, quantity, price):
            return 0.0
    return quantity if book.position > 0.0 else -quantity


def reduce(core: Core, k: int, ts: int, quantity: float, price: float, reason: int) -> float:
    """Leave `quantity` of the position of book `k`, signed as the position is, at a price.

    Returns how much of it found no volume, unsigned.
    """
    account = core.account
    cancel(core, k, Waiting.ADDING, reason)
    account.orders += 1
    order = account.orders
    log_order(core, k, order, Status.PLACED, -quantity, price, reason)
    left = execute(core, k, order, -quantity, 1, ts, price, reason, TAKES)
    if left != 0.0:  # the price is still there with the next event
        log_order(core, k, order, Status.CANCELED, left, price, Reason.NO_VOLUME)
    return abs(left)
