"""Sets the prices and the time at which a position is closed on its own.

`docs/guide/exits.md` has the rules. All of it holds for either side: a price times `side`, 1.0 for
a long position and -1.0 for a short one, is higher where the position is worth more.
"""

import math

from engine.core.block import Core
from engine.core.records import Reason
from engine.core.resting import leave_price

NEVER = 1 << 62  # a time that does not come


def protect(core: Core, k: int) -> None:
    """Set stop and take of book `k`: the strategy's own prices, else ratios of its entry.

    Trailing and break-even stops tighten the stop, and never loosen it.
    """
    book = core.books[k]
    side = 1.0 if book.position > 0.0 else -1.0
    if book.best == 0.0:
        book.best = book.entry
        book.trailing = 0.0
        book.break_even = 0.0
        book.rung = 0
        book.rung_left = 0.0
        book.roi = 0
    book.stop = stop_at(core, k, book.entry, side)
    book.stop_reason = Reason.STOP_LOSS
    book.take = book.wish.take
    if book.take == 0.0 and book.take_profit > 0.0:
        book.take = book.entry * (1.0 + side * book.take_profit)
    if book.trailing_distance > 0.0 and is_reached(core, k, book.trailing_activation):
        price = book.best * (1.0 - side * book.trailing_distance)
        book.trailing = tighter(book.trailing, price, side)
    if book.break_even_at > 0.0 and is_reached(core, k, book.break_even_at):
        price = book.entry * (1.0 + side * book.break_even_offset)
        book.break_even = tighter(book.break_even, price, side)
    if tighter(book.stop, book.trailing, side) != book.stop:
        book.stop = book.trailing
        book.stop_reason = Reason.TRAILING
    if tighter(book.stop, book.break_even, side) != book.stop:
        book.stop = book.break_even
        book.stop_reason = Reason.BREAK_EVEN
    _watch(core, k, side)


def stop_at(core: Core, k: int, entry: float, side: float) -> float:
    """Return the stop of book `k` for a position entered at a price, 0.0 for none.

    The strategy's own, else the ratio of the instance.
    """
    book = core.books[k]
    if book.wish.stop == 0.0 and book.stop_loss > 0.0:
        return entry * (1.0 - side * book.stop_loss)
    return book.wish.stop


def unprotect(core: Core, k: int) -> None:
    """Forget the prices of a position that is closed."""
    book = core.books[k]
    book.stop = 0.0
    book.take = 0.0
    book.best = 0.0
    book.floor = -math.inf
    book.ceiling = math.inf
    book.due = NEVER


def follow(core: Core, k: int, price: float) -> None:
    """Take note of a price at which book `k` has held its position."""
    book = core.books[k]
    side = 1.0 if book.position > 0.0 else -1.0
    if side * price > side * book.best:
        book.best = price
    protect(core, k)


def is_reached(core: Core, k: int, profit: float) -> bool:
    """Return whether the best price has had a profit, a fraction of the entry price."""
    book = core.books[k]
    side = 1.0 if book.position > 0.0 else -1.0
    return side * book.best >= side * (book.entry * (1.0 + side * profit))


def tighter(stop: float, other: float, side: float) -> float:
    """Return the stop that is reached first; 0.0 is none."""
    if stop == 0.0 or (other > 0.0 and side * other > side * stop):
        return other
    return stop


def nearer(target: float, other: float, side: float) -> float:
    """Return the target that is reached first; 0.0 and less is none."""
    if target <= 0.0 or (other > 0.0 and side * other < side * target):
        return other
    return target


def rung_price(core: Core, k: int) -> float:
    """Return the price of the next rung of book `k`, 0.0 for none."""
    book = core.books[k]
    if book.rung_first + book.rung >= book.rung_end:
        return 0.0
    side = 1.0 if book.position > 0.0 else -1.0
    return book.entry * (1.0 + side * core.rungs[book.rung_first + book.rung].at)


def roi_price(core: Core, k: int) -> float:
    """Return the price that is enough at the present age of the position, 0.0 for none."""
    book = core.books[k]
    if book.roi == 0:
        return 0.0
    side = 1.0 if book.position > 0.0 else -1.0
    return book.entry * (1.0 + side * core.roi[book.roi_first + book.roi - 1].ratio)


def roi_due(core: Core, k: int) -> int:
    """Return when the next row of book `k` comes of age, NEVER where there is none."""
    book = core.books[k]
    if book.roi_first + book.roi == book.roi_end:
        return NEVER
    return book.opened_at + core.roi[book.roi_first + book.roi].age


def _watch(core: Core, k: int, side: float) -> None:
    """Note the prices and the time before which an event can be passed over."""
    book = core.books[k]
    target = nearer(book.take, roi_price(core, k), side)
    target = nearer(target, rung_price(core, k), side)
    if book.resting > 0:
        target = nearer(target, leave_price(core, k), side)
    if book.trailing_distance > 0.0:
        next_best = book.best
        if book.trailing == 0.0:
            next_best = book.entry * (1.0 + side * book.trailing_activation)
        target = nearer(target, next_best, side)
    if book.break_even_at > 0.0:
        price = book.entry * (1.0 + side * book.break_even_offset)
        if tighter(book.break_even, price, side) != book.break_even:  # none, or of another entry
            target = nearer(target, book.entry * (1.0 + side * book.break_even_at), side)
    if side > 0.0:
        book.floor = book.stop
        book.ceiling = target if target > 0.0 else math.inf
    else:
        book.floor = target
        book.ceiling = book.stop if book.stop > 0.0 else math.inf
    book.due = roi_due(core, k)
    if book.time_stop > 0:
        book.due = min(book.due, book.opened_at + book.time_stop)
