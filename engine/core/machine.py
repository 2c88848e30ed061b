"""A block, and the code that advances it: compiled, or interpreted on the very same bytes."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from engine.core.advance import advance
from engine.core.assemble import Layout, assemble
from engine.core.block import LOGS, PLACES, TABLES, Core, Words, copied, row_at, word_of
from engine.core.logged import Log
from engine.core.records import Event

Rows = np.ndarray[Any, np.dtype[np.void]]
Curve = np.ndarray[Any, np.dtype[np.float64]]


class Machine(Protocol):
    """What a backtest and the live shell drive."""

    plan: Layout
    block: Words
    log: Words

    def advance(self, events: Rows, first: int, last: int, equity: Curve) -> int:
        """Process events[first:last]; see `core.advance`."""
        ...


class Compiled:
    """The machine that trades: nogil machine code, some nanoseconds an event."""

    def __init__(self, plan: Layout) -> None:
        from engine.core.compile import build  # numba takes half a second to import

        self.plan = plan
        self.block, self.log = assemble(plan)
        self._addresses, self._alive = build.addresses_of(plan.parts)
        self._run = build.driver()
        self._interrupts = build.interrupts

    def advance(self, events: Rows, first: int, last: int, equity: Curve) -> int:
        """Process events[first:last]; see `core.advance`."""
        done = self._run(self.block, self._addresses, self.log, events, first, last, equity)
        if self._interrupts:
            raise self._interrupts.pop()
        return done


class Interpreted:
    """The machine to look into: the same functions as ordinary Python, for breakpoints and tests.

    Opens any block, also one that a compiled machine has advanced.
    """

    def __init__(self, plan: Layout, block: Words | None = None) -> None:
        self.plan = plan
        self.block, self.log = assemble(plan)
        if block is not None:
            self.block = block
        functions = [type(part).function() for part in plan.parts]
        self._core = Core(self.block, self.log, functions)
        steps = [(row.params, row.state, plan.parts[row.step]) for row in self._core.books]
        checks = [(row.params, row.state, plan.parts[row.check]) for row in self._core.rules]
        for params, state, part in steps + checks:
            kind = type(part)
            users: dict[int, Any] = self._core.users
            users[params] = row_at(self.block, params, kind.Params) if kind.compiled else part
            users[state] = row_at(self.block, state, kind.StateRecord)

    def advance(self, events: Rows, first: int, last: int, equity: Curve) -> int:
        """Process events[first:last]; see `core.advance`."""
        return advance(self._core, _Events(events), first, last, equity)


class _Events(Sequence[Event]):
    """A structured array of events, one `Event` at a time."""

    def __init__(self, events: Rows) -> None:
        self._events = events.view(np.int64)

    def __len__(self) -> int:
        return len(self._events) // Event.words

    def __getitem__(self, i: Any) -> Any:
        return row_at(self._events, i * Event.words, Event)


def in_use(machine: Machine) -> int:
    """Return how many rows of the logs are in use."""
    return int(machine.log[machine.log[PLACES["log"]] + _ROWS])


def drain(machine: Machine) -> dict[str, Rows]:
    """Return the rows of each log as copies, and empty the logs."""
    counts = _counts(machine)
    rows = {
        name: copied(machine.log, name, count) if count else _NO_ROWS[name]
        for name, count in counts.items()
    }
    _empty(machine)
    return rows


class Drained:
    """The rows of each log of a machine, those that were drained later behind the others."""

    def __init__(self) -> None:
        self._words = {name: np.empty(0, np.int64) for name in LOGS[1:]}
        self._used = dict.fromkeys(LOGS[1:], 0)

    def drain(self, machine: Machine, done: float) -> int:
        """Add the rows of the logs, empty them, and return how many there were.

        `done` is the fraction of the work they come from, which tells how much room they will need:
        each row is copied once.
        """
        counts = _counts(machine)
        for name, count in counts.items():
            words, used = count * TABLES[name][0].words, self._used[name]
            end = used + words
            if end > len(self._words[name]):
                roomier = np.empty(int(end * min(max(_SPARE, _SPARE / done), _MOST)), np.int64)
                roomier[:used] = self._words[name][:used]
                self._words[name] = roomier
            first = int(machine.log[PLACES[name]])
            self._words[name][used:end] = machine.log[first : first + words]
            self._used[name] = end
        _empty(machine)
        return sum(counts.values())

    def rows(self) -> dict[str, Rows]:
        """Return the rows of each log."""
        return {
            name: words[: self._used[name]].view(TABLES[name][0].dtype)
            for name, words in self._words.items()
        }


def _counts(machine: Machine) -> dict[str, int]:
    """Return how many rows each log has."""
    head = int(machine.log[PLACES["log"]])
    return dict(zip(LOGS[1:], machine.log[head : head + _ROWS].tolist(), strict=True))


def _empty(machine: Machine) -> None:
    head = int(machine.log[PLACES["log"]])
    machine.log[head : head + _ROWS + 1] = 0


_ROWS = word_of(Log, "rows")  # the counts of the logs stand before it, in their order
_NO_ROWS = {name: np.empty(0, TABLES[name][0].dtype) for name in LOGS[1:]}
_SPARE = 1.2  # times the room that is expected to be needed …
_MOST = 8.0  # … and not more than that much of what is: a dense beginning tells little
