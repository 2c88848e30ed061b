"""Asks strategies what they want, and acts on changes of their wish."""

from engine.core.block import Core, call
from engine.core.log import log_signal
from engine.core.records import Bar, Failure
from engine.core.risk import decide


def step(core: Core, k: int, bar: Bar) -> None:
    """Show a bar to the strategy of book `k` and act on what it then wants."""
    book, out = core.books[k], core.out
    out.target = book.target
    out.stop = book.wish_stop
    out.take = book.wish_take
    out.tag = 0
    if call(core, book.step, book.params, book.state, bar, out) != 0:
        fail(core, k, Failure.RAISED)
    else:
        consider(core, k)


def consider(core: Core, k: int) -> None:
    """Take over the wish in `core.out`; a changed target is a signal, and becomes a decision.

    An exit by stop or take-profit leaves the wish as it is, so that the position is not opened
    again until the strategy changes its mind. On history nothing is ordered.
    """
    book, out = core.books[k], core.out
    if out.target != out.target or out.stop != out.stop or out.take != out.take:
        fail(core, k, Failure.NOT_A_NUMBER)
        return
    if abs(out.target) > 1.0 or out.stop < 0.0 or out.take < 0.0:
        fail(core, k, Failure.OUT_OF_RANGE)
        return
    if out.stop != book.wish_stop or out.take != book.wish_take:
        book.wish_stop = out.stop
        book.wish_take = out.take
        if book.position != 0.0:
            book.stop = out.stop
            book.take = out.take
    if out.target != book.target:
        book.target = out.target
        log_signal(core, k, out.tag)
        if core.account.history == 0:
            decide(core, k)


def fail(core: Core, k: int, failure: Failure) -> None:
    """Note that the strategy of book `k` failed; `advance` stops at this event."""
    core.account.failure = failure
    core.account.failed_book = k
    core.account.failed_rule = -1
