"""Fills the levels that an event reaches. (`docs/guide/levels.md`)"""

from engine.core.block import Core
from engine.core.fill import TAKES, execute
from engine.core.log import log_order
from engine.core.match import is_behind, is_rejected
from engine.core.order import Rest
from engine.core.records import Bar, Reason, Status
from engine.core.resting import (
    end,
    is_due,
    is_passed,
    is_reached,
    leaves,
    take_back,
    tell_filled,
    tell_status,
)


def meet_levels(core: Core, k: int, bar: Bar) -> None:
    """Fill what an event finds at the levels of book `k` that enter, the nearest to its open first.

    An order that the event is the first to meet may be rejected, and rests if it would not trade.
    """
    book = core.books[k]
    for i in range(book.level_end - book.level_first):
        row = book.level_first + i
        order = core.levels[row].order
        if order.id == 0 or order.rests == Rest.RESTS or not is_due(core, row, bar):
            continue
        if order.rests == Rest.SENT and is_rejected(core, order.id):
            price = order.limit
            log_order(core, k, order.id, Status.REFUSED, order.quantity, price, Reason.REJECTED)
            end(core, k, i, Status.REFUSED)
        elif not is_passed(core, row, bar):
            order.rests = Rest.RESTS
    i = next_to_enter(core, k, bar)
    while i >= 0:
        fill_level(core, k, i, bar)
        i = next_to_enter(core, k, bar)


def next_to_enter(core: Core, k: int, bar: Bar) -> int:
    """Return the level nearest to the open of an event that is reached and enters, -1 for none."""
    book = core.books[k]
    found = -1
    nearest = 0.0
    for row in range(book.level_first, book.level_end):
        level = core.levels[row]
        order = level.order
        if order.id == 0 or order.reduces != 0 or leaves(core, row, book.position):
            continue
        price = order.limit if order.rests == Rest.RESTS else bar.open
        if is_due(core, row, bar) and is_reached(core, row, bar) and not is_behind(core, k, price):
            distance = abs(price - bar.open)
            if found < 0 or distance < nearest:
                found = row - book.level_first
                nearest = distance
    return found


def fill_level(core: Core, k: int, i: int, bar: Bar) -> None:
    """Fill level `i` of book `k`, which an event has reached, as far as its volume goes.

    One that rests trades at its own price; one that does not yet, at the open. A stop takes. What
    is against the position leaves it, and never turns it.
    """
    account, book = core.account, core.books[k]
    level = core.levels[book.level_first + i]
    order = level.order
    order.seq = account.seq  # once an event
    price, share, rests = bar.open, TAKES, order.rests
    if rests == Rest.RESTS:
        price = order.limit
        if level.is_stop != 0.0:
            buys = order.quantity > 0.0
            if bar.open >= price if buys else bar.open <= price:
                price = bar.open
            elif account.stop_through != 0:
                price = bar.high if buys else bar.low
        else:
            best = bar.low if order.quantity > 0.0 else bar.high
            share = account.queue_share if best == price else 1.0
    elif account.post_only != 0 and level.is_stop == 0.0 and order.reduces == 0:
        take_back(core, k, i, Reason.POST_ONLY)
        end(core, k, i, Status.CANCELED)
        return
    reduces = 1 if order.reduces != 0 or book.position * order.quantity < 0.0 else 0
    is_inside = reduces == 0 and rests == Rest.RESTS
    order.rests = Rest.RESTS if rests == Rest.RESTS or level.is_stop != 0.0 else Rest.TAKES
    quantity = order.quantity
    number, before = order.id, core.log.fills
    order.id = 0  # the end of the position takes back what leaves it, but not this one
    book.resting -= 1
    left = execute(core, k, number, quantity, reduces, bar.ts, price, order.reason, share)
    if core.log.fills > before:
        tell_filled(core, k, i, level.filled + core.fills[before].quantity)
        if is_inside:
            book.inside = account.seq
    if left == 0.0:
        end(core, k, i, Status.FILLED if core.log.fills > before else Status.REFUSED)
    else:
        order.id = number
        book.resting += 1
        order.quantity = left
        if core.log.fills > before:
            tell_status(core, k, i, Status.PARTIAL)
