"""Closes positions whose stop or take price an event reaches.

A gap fills at the open, whichever price it jumped over. Where both prices lie inside one bar, the
bar does not tell which came first, so the stop does. (`docs/guide/fills.md`)
"""

from engine.core.block import Core
from engine.core.fill import TAKES, execute
from engine.core.log import log_order
from engine.core.records import Bar, Reason, Status


def leave(core: Core, k: int, bar: Bar) -> None:
    """Close the position of book `k` where the prices of a bar or tick reach its stop or take."""
    book = core.books[k]
    stop, take = book.stop, book.take
    if stop > 0.0 and bar.open <= stop:
        _close(core, k, bar.ts, bar.open, Reason.STOP_LOSS)
    elif 0.0 < take <= bar.open:
        _close(core, k, bar.ts, bar.open, Reason.TAKE_PROFIT)
    elif stop > 0.0 and bar.low <= stop:
        _close(core, k, bar.ts, stop, Reason.STOP_LOSS)
    elif 0.0 < take <= bar.high:
        _close(core, k, bar.ts, take, Reason.TAKE_PROFIT)


def _close(core: Core, k: int, ts: int, price: float, reason: Reason) -> None:
    account, book = core.account, core.books[k]
    account.orders += 1
    log_order(core, k, account.orders, Status.PLACED, -book.position, price, reason)
    order = account.orders
    left = execute(core, k, order, -book.position, 1, ts, price, reason, TAKES)
    if left != 0.0:  # the price is still there with the next event
        log_order(core, k, order, Status.CANCELED, left, price, Reason.NO_VOLUME)
