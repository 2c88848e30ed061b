"""Closes positions whose stop or take price an event reaches.

A gap fills at the open, whichever price it jumped over. Where both prices lie inside one bar, the
bar does not tell which came first, so the stop does. (`docs/guide/fills.md`)
"""

from engine.core.block import Core
from engine.core.fill import execute
from engine.core.log import log_order
from engine.core.records import Reason, Status


def leave(core: Core, s: int, ts: int, opened: float, high: float, low: float) -> None:
    """Close what must be closed on symbol `s` at prices between `low` and `high`."""
    symbol = core.symbols[s]
    for k in range(symbol.book_first, symbol.book_end):
        book = core.books[k]
        if book.position == 0.0:
            continue
        stop = book.stop if book.stop > 0.0 else -1.0
        if opened <= stop:
            _close(core, k, ts, opened, Reason.STOP_LOSS)
        elif 0.0 < book.take <= opened:
            _close(core, k, ts, opened, Reason.TAKE_PROFIT)
        elif low <= stop:
            _close(core, k, ts, stop, Reason.STOP_LOSS)
        elif 0.0 < book.take <= high:
            _close(core, k, ts, book.take, Reason.TAKE_PROFIT)


def _close(core: Core, k: int, ts: int, price: float, reason: Reason) -> None:
    account, book = core.account, core.books[k]
    if reason == Reason.STOP_LOSS:
        book.stopped += 1
    else:
        book.taken += 1
    account.orders += 1
    log_order(core, k, account.orders, Status.PLACED, -book.position, price, reason)
    execute(core, k, account.orders, -book.position, ts, price, reason)
