"""Knows the orders that rest at the levels of each book, and takes them back."""

from engine.core.block import Core, number_at, put
from engine.core.log import log_order
from engine.core.records import Bar, Reason, Status

# of `Levels`: two numbers, then arrays of one length
POSITION, ENTRY, PRICE, ENTER, LEAVE, IS_STOP, STATUS, FILLED = 0, 1, 0, 1, 2, 3, 4, 5


def told(core: Core, k: int, i: int, what: int) -> float:
    """Return a number of level `i` of book `k`, as the strategy sees it."""
    return number_at(core, _place(core, k, i, what))


def tell(core: Core, k: int, i: int, what: int, number: float) -> None:
    """Write a number of level `i` of book `k` for the strategy to see."""
    put(core, _place(core, k, i, what), number)


def tell_status(core: Core, k: int, i: int, status: int) -> None:
    """Note what became of the order of level `i` of book `k`, for its strategy to see."""
    core.levels[core.books[k].level_first + i].status = float(status)
    tell(core, k, i, STATUS, float(status))


def tell_filled(core: Core, k: int, i: int, quantity: float) -> None:
    """Note how much of the order of level `i` of book `k` is filled, for its strategy to see."""
    core.levels[core.books[k].level_first + i].filled = quantity
    tell(core, k, i, FILLED, quantity)


def tell_level(core: Core, k: int, i: int, with_asked: bool) -> None:
    """Write what the row of level `i` of book `k` says for its strategy to see."""
    level = core.levels[core.books[k].level_first + i]
    tell(core, k, i, STATUS, level.status)
    tell(core, k, i, FILLED, level.filled)
    if with_asked:
        tell(core, k, i, PRICE, level.price)
        tell(core, k, i, ENTER, level.enter)
        tell(core, k, i, LEAVE, level.leave)
        tell(core, k, i, IS_STOP, level.is_stop)


def _place(core: Core, k: int, i: int, what: int) -> int:
    book = core.books[k]
    return book.levels + ENTRY + 1 + what * book.room + i


def tell_position(core: Core, k: int) -> None:
    """Write what book `k` holds for its strategy to see."""
    book = core.books[k]
    put(core, book.levels + POSITION, book.position)
    put(core, book.levels + ENTRY, book.entry if book.position != 0.0 else 0.0)


def end(core: Core, k: int, i: int, status: int) -> None:
    """Clear level `i` of book `k`, whose order has come to its end, if there was one."""
    book = core.books[k]
    level = core.levels[book.level_first + i]
    if level.order.id != 0:
        level.order.id = 0
        book.resting -= 1
    level.enter = 0.0
    level.leave = 0.0
    forget(core, k, i)
    tell_status(core, k, i, status)


def forget(core: Core, k: int, i: int) -> None:
    """Clear what the strategy of book `k` asks for at level `i`, for it to see."""
    tell(core, k, i, ENTER, 0.0)
    tell(core, k, i, LEAVE, 0.0)
    tell(core, k, i, IS_STOP, 0.0)


def take_back(core: Core, k: int, i: int, reason: int) -> None:
    """Cancel the order of level `i` of book `k`; what the strategy asks for stays as it is."""
    book = core.books[k]
    level = core.levels[book.level_first + i]
    order = level.order
    log_order(core, k, order.id, Status.CANCELED, order.quantity, order.limit, reason)
    order.id = 0
    book.resting -= 1
    level.enter = 0.0
    level.leave = 0.0
    tell_status(core, k, i, Status.CANCELED)


def suspend(core: Core, k: int, reason: int) -> None:
    """Cancel the orders of book `k` that enter; they come back when it may open again.

    Their rows still say what is asked for, and what is left of it.
    """
    book = core.books[k]
    for i in range(book.level_end - book.level_first):
        level = core.levels[book.level_first + i]
        enter = level.enter
        if level.order.id != 0 and level.order.reduces == 0:
            take_back(core, k, i, reason)
            level.enter = enter


def withdraw(core: Core, k: int, with_entries: bool, reason: int) -> None:
    """Cancel the orders of book `k` that leave, and where told those that enter; clear both."""
    book = core.books[k]
    for i in range(book.level_end - book.level_first):
        order = core.levels[book.level_first + i].order
        is_at_work = order.id != 0
        if is_at_work and (with_entries or order.reduces != 0):
            take_back(core, k, i, reason)
        elif is_at_work or not with_entries or told(core, k, i, ENTER) == 0.0:
            continue  # else it was suspended, or written meanwhile
        if reason != Reason.FAILED:  # what a strategy asked for that failed says why
            end(core, k, i, Status.CANCELED)


def exposed(core: Core, k: int, held: float, side: float) -> float:
    """Return what book `k` holds where all its levels of one side are filled.

    Those that buy for a `side` above 0.0, those that sell for one below, the larger side for 0.0.
    """
    book = core.books[k]
    up = down = held
    for row in range(book.level_first, book.level_end):
        order = core.levels[row].order
        if order.id != 0 and order.reduces == 0:
            if order.quantity > 0.0:
                up += order.quantity
            else:
                down += order.quantity
    if side == 0.0:
        return up if abs(up) >= abs(down) else down
    return up if side > 0.0 else down


def reserved(core: Core) -> float:
    """Return the money that all orders resting at levels need for their entries, with fees."""
    account = core.account
    total = 0.0
    for k in range(len(core.books)):
        book = core.books[k]
        for row in range(book.level_first, book.level_end):
            order = core.levels[row].order
            if order.id != 0 and order.reduces == 0:
                total += needed(core, book.symbol, order.quantity, order.limit, account.maker)
    return total


def needed(core: Core, s: int, quantity: float, price: float, rate: float) -> float:
    """Return the money that an entry takes: the price or the margin, and the fee."""
    symbol = core.symbols[s]
    notional = abs(quantity) * price * symbol.contract_size
    return (notional if symbol.leverage == 0.0 else notional / symbol.leverage) + notional * rate


def leaves(core: Core, row: int, position: float) -> bool:
    """Return whether the order of a level rests in the way of profit of a position."""
    level = core.levels[row]
    order = level.order
    return order.id != 0 and level.is_stop == 0.0 and order.quantity * position < 0.0


def leave_price(core: Core, k: int) -> float:
    """Return the nearest price at which a level leaves the position of book `k`, 0.0 for none."""
    book = core.books[k]
    side = 1.0 if book.position > 0.0 else -1.0
    nearest = 0.0
    for row in range(book.level_first, book.level_end):
        if leaves(core, row, book.position):
            limit = core.levels[row].order.limit
            if nearest == 0.0 or side * limit < side * nearest:
                nearest = limit
    return nearest


def next_to_leave(core: Core, k: int, bar: Bar) -> int:
    """Return the level that leaves nearest and can do so in this event, -1 for none."""
    book = core.books[k]
    side = 1.0 if book.position > 0.0 else -1.0
    found = -1
    nearest = 0.0
    for row in range(book.level_first, book.level_end):
        order = core.levels[row].order
        if not leaves(core, row, book.position) or not is_due(core, row, bar):
            continue
        if found < 0 or side * order.limit < side * nearest:
            found = row - book.level_first
            nearest = order.limit
    return found


def is_due(core: Core, row: int, bar: Bar) -> bool:
    """Return whether the order of a level is older than the event, and has not met it yet."""
    order = core.levels[row].order
    return order.seq < core.account.seq and order.ts <= bar.ts


def is_reached(core: Core, row: int, bar: Bar) -> bool:
    """Return whether an event trades at the price of a level, or beyond it."""
    level = core.levels[row]
    if (level.order.quantity > 0.0) == (level.is_stop == 0.0):
        return bar.low <= level.order.limit
    return bar.high >= level.order.limit


def is_passed(core: Core, row: int, bar: Bar) -> bool:
    """Return whether an event opens at the price of a level, or beyond it."""
    level = core.levels[row]
    if (level.order.quantity > 0.0) == (level.is_stop == 0.0):
        return bar.open <= level.order.limit
    return bar.open >= level.order.limit
