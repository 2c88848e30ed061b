"""Asks strategies what they want, and acts on changes of their wish."""

from engine.core.ask import renew
from engine.core.block import Core, is_news, show
from engine.core.log import log_signal
from engine.core.order import Waiting, cancel
from engine.core.protect import protect
from engine.core.records import Bar, Failure, Reason
from engine.core.resting import withdraw
from engine.core.risk import decide, is_ignored


def step(core: Core, k: int, bar: Bar) -> None:
    """Show a bar to the strategy of book `k` and act on what it then wants."""
    book = core.books[k]
    if book.step < 0:
        return
    if show(core, k, bar) < 0:
        fail(core, k, Failure.RAISED)
    elif is_news(book):
        consider(core, k)
    if book.levels > 0 and book.step >= 0:
        failure = renew(core, k)
        if failure != Failure.NONE:
            fail(core, k, failure)
        book.out.tag = 0


def consider(core: Core, k: int) -> None:
    """Take over what book `k` now asks for; another target is a signal, and becomes a decision.

    An exit by stop or take-profit leaves the wish as it is, so that the position is not opened
    again until the strategy changes its mind. A signal against a position that is kept does not
    touch its prices. On history nothing is ordered.
    """
    book = core.books[k]
    out, wish = book.out, book.wish
    if out.target != out.target or out.stop != out.stop or out.take != out.take:
        fail(core, k, Failure.NOT_A_NUMBER)
        return
    if abs(out.target) > 1.0 or out.stop < 0.0 or out.take < 0.0:
        fail(core, k, Failure.OUT_OF_RANGE)
        return
    former = wish.target
    is_signal = out.target != former
    wish.target = out.target
    is_kept = is_ignored(core, k) and (is_signal or book.kept != 0.0)
    if (out.stop != wish.stop or out.take != wish.take) and not is_kept:
        wish.stop = out.stop
        wish.take = out.take
        if book.position != 0.0:
            protect(core, k)
    if is_signal:
        log_signal(core, k, out.tag)
        if core.account.history == 0:
            decide(core, k, former)
    if core.books[k].levels == 0:
        out.tag = 0


def fail(core: Core, k: int, failure: Failure) -> None:
    """Note that the strategy of book `k` failed, unless another one did; it is not called again.

    What it wanted to open is taken back; exits go on.
    """
    account = core.account
    core.books[k].step = -1
    cancel(core, k, Waiting.OPENING, Reason.FAILED)
    withdraw(core, k, True, Reason.FAILED)
    if account.failure == Failure.NONE:
        account.failure = failure
        account.failed_book = k
        account.failed_rule = -1
