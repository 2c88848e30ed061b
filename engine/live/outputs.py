"""Advances a machine over numbered events, and hands out what they caused, ready to be committed.

Live and recovery use the same function, so that what is replayed is what was said.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.core.assemble import Layout
from engine.core.block import PLACES, table_of, word_of
from engine.core.levels import Level
from engine.core.machine import Compiled, Curve, Machine, Rows, drain, in_use
from engine.core.records import ORDERS_PER_BOOK, Account, Book, Event, Failure, Kind, Order, Status
from engine.store.tables import ACTIONS

COMMANDS = {action: Kind[action.upper()] for action in ACTIONS}


_TIMER = int(Kind.TIMER)  # looked at for every piece of the market …
_PAUSE, _REARM = int(Kind.PAUSE), int(Kind.REARM)  # … as the first and the last command are
_PLACED = int(Status.PLACED)


@dataclass
class Said:
    """What some events caused.

    events   those that were processed, the last of which said something or was the last of all
    curve    equity after each of them
    logs     rows of each log
    books    book → row, working orders and levels, of each that ordered, was filled or paid
    account  the account's row, afterwards
    failed   (book, -1) for a strategy that failed, (book, rule) for a rule; each is told once
    before   for a command: the state before it
    after    for a command: the state after it
    """

    events: Rows
    curve: Curve
    logs: dict[str, Rows]
    books: dict[int, bytes]
    account: bytes
    failed: list[tuple[int, int]]
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def seq(self) -> int:
        """The seq of the last event."""
        return int(self.events["seq"][-1])

    @property
    def ts(self) -> int:
        """The time of the last event, ms."""
        return int(self.events["ts"][-1])

    @property
    def is_command(self) -> bool:
        """Whether the one event is a person's word."""
        return is_command(self.events[0])

    @property
    def has_orders(self) -> bool:
        """Whether an order was placed, which the venue may have when it is committed."""
        return len(self.logs["orders"]) > 0 and _PLACED in self.logs["orders"]["status"].tolist()


def live_machine(plan: Layout) -> Compiled:
    """Return a machine that stops after each event that said something, and leaves out failures."""
    machine = Compiled(plan)
    table_of(machine.log, "log")["rows_max"] = 0
    table_of(machine.block, "account")["isolate"] = 1
    return machine


class Outputs:
    """Advances a machine, and hands out what the events caused."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        block = machine.block
        self._account = int(block[PLACES["account"]])
        self._failure = self._account + word_of(Account, "failure")
        self._books = int(block[PLACES["books"]])
        self._told = set(self._left_out())  # by the run before
        self._working = int(block[PLACES["working"]])
        self._levels = int(block[PLACES["levels"]])
        books = table_of(block, "books")
        self._rows = books["level_first"].tolist(), books["level_end"].tolist()

    def __call__(self, events: Rows) -> Iterator[Said]:
        """Process all events; yield each stretch that said something or holds a timer.

        A stretch ends with the event that said something. A command is a stretch of its own.
        """
        for part in _apart(events):
            curve = np.empty(len(part))
            has_timer = bool((part["kind"] == _TIMER).any())
            has_command = is_command(part[0])
            before = state(self.machine) if has_command else {}
            first = 0
            while first < len(part):
                last = self.machine.advance(part, first, len(part), curve)
                if has_timer or before or in_use(self.machine) or self.machine.block[self._failure]:
                    yield self._said(part[first:last], curve[first:last], before)
                first = last

    def _said(self, events: Rows, curve: Curve, before: dict[str, Any]) -> Said:
        logs, block = drain(self.machine), self.machine.block
        failed = self._failed() if block[self._failure] != Failure.NONE else []
        touched: Iterable[int] = {
            k for log in ("orders", "fills", "postings") for k in logs[log]["book"].tolist()
        }
        if before:
            touched = range(len(self.machine.plan.books))
        return Said(
            events,
            curve,
            logs,
            {k: self._words(k) for k in touched},
            self.account(),
            failed,
            before,
            state(self.machine) if before else {},
        )

    def _failed(self) -> list[tuple[int, int]]:
        """Return what has failed and was not told yet, and clear the failure."""
        account = table_of(self.machine.block, "account")[0]
        found = self._left_out()
        if account["failed_rule"] >= 0:
            found.append((int(account["failed_book"]), int(account["failed_rule"])))
        account["failure"], account["failed_rule"] = Failure.NONE, -1
        new = [one for one in found if one not in self._told]
        self._told.update(new)
        return new

    def _left_out(self) -> list[tuple[int, int]]:
        steps = table_of(self.machine.block, "books")["step"]
        return [(k, -1) for k in np.flatnonzero(steps < 0).tolist()]

    def account(self) -> bytes:
        """Return the account's row."""
        return bytes(self.machine.block[self._account : self._account + Account.words].tobytes())

    def _words(self, k: int) -> bytes:
        """Return the row of a book, those of its working orders and those of its levels."""
        block, size = self.machine.block, ORDERS_PER_BOOK * Order.words
        book, working = self._books + k * Book.words, self._working + k * size
        first, end = (self._levels + rows[k] * Level.words for rows in self._rows)
        parts = block[book : book + Book.words], block[working : working + size], block[first:end]
        return b"".join(part.tobytes() for part in parts)


def is_command(event: Any) -> bool:
    """Return whether an event is a person's word."""
    return _PAUSE <= int(event["kind"]) <= _REARM


def _apart(events: Rows) -> Iterator[Rows]:
    """Yield the events with each command on its own."""
    kinds = events["kind"]
    if kinds.max() < _PAUSE:
        yield events
        return
    at = np.flatnonzero((kinds >= _PAUSE) & (kinds <= _REARM))
    for part in np.split(events, np.unique(np.concatenate([at, at + 1]))):
        if len(part):
            yield part


def state(machine: Machine) -> dict[str, Any]:
    """Return what a person wants to know before and after a command."""
    account = table_of(machine.block, "account")[0]
    books = table_of(machine.block, "books")
    names = [machine.plan.book(k) for k in range(len(books))]
    return {
        "killed": bool(account["killed"]),
        "paused": sorted({i.name for (i, _), b in zip(names, books, strict=True) if b["paused"]}),
        "equity": float(account["equity"]),
        "positions": {
            f"{instance.name} {symbol}": float(book["position"])
            for (instance, symbol), book in zip(names, books, strict=True)
            if book["position"] != 0.0
        },
        "orders": int(books["orders"].sum() + books["resting"].sum()),
    }


def command(kind: Kind, number: int, ts: int, instance: int = -1, symbol: int = -1) -> Rows:
    """Return a command as one event, not numbered; `number` is the id of its row."""
    events = np.zeros(1, Event.dtype)
    events["ts"] = ts
    events["kind"] = kind
    events["instance"] = instance
    events["symbol"] = symbol
    events["bar"]["ts"] = number
    return events
