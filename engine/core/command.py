"""Obeys a person: pause, resume, close, flatten, kill, re-arm."""

from engine.core.block import Core
from engine.core.order import Waiting, cancel, place
from engine.core.records import Book, Event, Kind, Reason
from engine.core.resting import suspend, withdraw


def obey(core: Core, event: Event) -> None:
    """Apply a command to the books of its instance and symbol, -1 for all.

    A pause denies openings and cancels those that wait; exits go on. Entries at levels come back
    with the next step after it. What a command closes is not
    opened again until the strategy changes its mind. On history nothing is ordered or canceled.
    """
    kind, account = event.kind, core.account
    if kind == Kind.KILL:
        account.killed = 1
    elif kind == Kind.REARM:
        account.killed = 0
    for k in range(len(core.books)):
        book = core.books[k]
        if not concerns(event, book):
            continue
        if kind == Kind.PAUSE or kind == Kind.FLATTEN:
            book.paused = 1
        elif kind == Kind.RESUME:
            book.paused = 0
        if account.history != 0:
            continue
        if kind == Kind.PAUSE:
            cancel(core, k, Waiting.OPENING, Reason.PAUSED)
            suspend(core, k, Reason.PAUSED)
        elif kind == Kind.CLOSE or kind == Kind.FLATTEN:
            close(core, k, Reason.COMMAND)
        elif kind == Kind.KILL:
            close(core, k, Reason.KILLED)


def concerns(event: Event, book: Book) -> bool:
    """Return whether a command is about a book; a kill is about every one."""
    if event.kind == Kind.KILL:
        return True
    return event.instance in (-1, book.instance) and event.symbol in (-1, book.symbol)


def close(core: Core, k: int, reason: Reason) -> None:
    """Cancel all orders of book `k` and order the end of its position."""
    cancel(core, k, Waiting.ALL, reason)
    withdraw(core, k, True, reason)
    if core.books[k].position != 0.0:
        place(core, k, -core.books[k].position, 1, reason)
