"""The block: all state of a portfolio in one array of words, and the names of its parts.

`Core` names the tables once. The compiled core reads the same declaration and reaches each table
through a bare pointer (`compile/table.py`); here, in ordinary Python, the tables are lists of rows
that lie on the very same bytes. A snapshot is `block.tobytes()`.

Layout, in words: HEADER words (offset and number of rows of each table), then the tables, then the
parameters and states of strategies and rules. The log is a second array of the same layout.
"""

import ctypes
import typing
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.core.compile.record import WORD, Record, hints
from engine.core.levels import Level
from engine.core.logged import (
    DecisionRow,
    DenialRow,
    FillRow,
    Log,
    OrderRow,
    PostingRow,
    SignalRow,
    TradeRow,
)
from engine.core.records import (
    Account,
    Bar,
    Book,
    Event,
    Intent,
    Kind,
    Order,
    Roi,
    RuleRow,
    Rung,
    Series,
    Symbol,
    View,
    Volatility,
    WatchRow,
)

Words = np.ndarray[Any, np.dtype[np.int64]]

HEADER = 64


class Core:
    """The tables of the block and of the log, and the users' functions, as Python sees them."""

    account: Account
    symbols: Sequence[Symbol]
    series: Sequence[Series]
    watches: Sequence[WatchRow]
    books: Sequence[Book]
    rungs: Sequence[Rung]
    roi: Sequence[Roi]
    volatilities: Sequence[Volatility]
    rules: Sequence[RuleRow]
    working: Sequence[Order]
    levels: Sequence[Level]
    rule_view: View
    intent: Intent
    log: Log
    signals: Sequence[SignalRow]
    decisions: Sequence[DecisionRow]
    denials: Sequence[DenialRow]
    orders: Sequence[OrderRow]
    fills: Sequence[FillRow]
    postings: Sequence[PostingRow]
    trades: Sequence[TradeRow]

    def __init__(self, block: Words, log: Words, functions: Sequence[Callable[..., Any]]) -> None:
        self.block = block
        self.functions = functions
        self.users: dict[int, Any] = {}
        for name, (record, single) in TABLES.items():
            if name in LOGS and not single:
                setattr(self, name, LogRows(log, name))
            else:
                rows = rows_of(log if name in LOGS else block, name, record)
                setattr(self, name, rows[0] if single else rows)


class LogRows(Sequence[Any]):
    """The rows of a log, each made when it is asked for: there are many, most are never used."""

    def __init__(self, log: Words, name: str) -> None:
        self._record = TABLES[name][0]
        self._log = log
        self._offset, self._rows = int(log[PLACES[name]]), int(log[PLACES[name] + 1])

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < self._rows:
            raise IndexError(i)
        return row_at(self._log, self._offset + i * self._record.words, self._record)


def _tables() -> dict[str, tuple[type[Record], bool]]:
    """Return name → (record, whether it is one row) of every table, in the order of `Core`."""
    found = {}
    for name, hint in hints(Core).items():
        single = isinstance(hint, type)
        found[name] = (hint if single else typing.get_args(hint)[0], single)
    return found


TABLES = _tables()
LOGS = ("log", "signals", "decisions", "denials", "orders", "fills", "postings", "trades")
PLACES = {name: 2 * i for i, name in enumerate(TABLES)}


def allocate(counts: dict[str, int], tail: int = 0) -> Words:
    """Return zeroed words with a header and room for `counts` rows per table and `tail` words."""
    block = np.zeros(tail_of(counts) + tail, np.int64)
    offset = HEADER
    for name, n in counts.items():
        block[PLACES[name]] = offset
        block[PLACES[name] + 1] = n
        offset += TABLES[name][0].words * n
    return block


def tail_of(counts: dict[str, int]) -> int:
    """Return the offset, in words, of what follows the tables."""
    return HEADER + sum(TABLES[name][0].words * n for name, n in counts.items())


def table_of(words: Words, name: str) -> np.ndarray[Any, np.dtype[np.void]]:
    """Return a table as a structured array that shares the words, shape (rows,)."""
    record = TABLES[name][0]
    offset, rows = int(words[PLACES[name]]), int(words[PLACES[name] + 1])
    return words[offset : offset + rows * record.words].view(record.dtype)


def word_of(record: type[Record], field: str) -> int:
    """Return how many words of a record stand before a field."""
    names = record.dtype.names or ()
    before = names[: names.index(field)]
    return sum(record.dtype[name].itemsize for name in before) // 8


def copied(words: Words, name: str, rows: int) -> np.ndarray[Any, np.dtype[np.void]]:
    """Return a copy of the first rows of a table, read-only: of bytes, faster than of records."""
    record, offset = TABLES[name][0], int(words[PLACES[name]])
    return np.frombuffer(words[offset : offset + rows * record.words].tobytes(), record.dtype)


def joined(
    name: str, pieces: Sequence[np.ndarray[Any, np.dtype[np.void]]]
) -> np.ndarray[Any, np.dtype[np.void]]:
    """Return rows of a table one piece behind the other: joined as words, faster than as records.

    >>> joined("fills", [np.zeros(2, FillRow.dtype), np.zeros(1, FillRow.dtype)]).shape
    (3,)
    """
    words = np.concatenate([piece.view(np.int64) for piece in pieces])
    return words.view(TABLES[name][0].dtype)


def rows_of(words: Words, name: str, record: type[Record]) -> list[Any]:
    """Return a table as a list of rows that share the words."""
    offset, rows = int(words[PLACES[name]]), int(words[PLACES[name] + 1])
    return [row_at(words, offset + i * record.words, record) for i in range(rows)]


def row_at(words: Words, offset: int, record: type[Record]) -> Any:
    """Return one row at a word offset; it shares the words."""
    return record.from_buffer(words.data, offset * WORD)


def bar_at(core: Core, place: int) -> Bar:
    """Return the bar at a word offset in the block; see `compile/table.py` for compiled code."""
    found: Bar = row_at(core.block, place, Bar)
    return found


def number_at(core: Core, place: int) -> float:
    """Return the number at a word offset in the block; see `compile/table.py` for compiled code."""
    return ctypes.c_double.from_buffer(core.block.data, place * WORD).value


def put(core: Core, place: int, number: float) -> None:
    """Write a number at a word offset in the block; see `compile/table.py` for compiled code."""
    ctypes.c_double.from_buffer(core.block.data, place * WORD).value = number


def show(core: Core, k: int, bar: Bar) -> int:
    """Show a bar to the strategy of book `k`; return 1, or -1 where its code raised."""
    book = core.books[k]
    return 1 if call(core, book.step, book.params, book.state, bar, book.out) == 0 else -1


def walk(core: Core, k: int, events: Sequence[Event], first: int, last: int) -> int:
    """Show bars to the strategy of book `k`, the next one as long as neither it nor they say more.

    Event `first` is one of its bars, and shown; one of those behind it that `is_quiet` does not
    hold of ends the walk. Returns how many were shown, negative where its code raised at the last.

    Compiled code replaces this and `show` by a call through the function's address, which the loop
    is compiled into (`compile/build.py`).
    """
    book = core.books[k]
    for i in range(first, last):
        if i > first and not is_quiet(book, events[i]):
            return i - first
        shown = show(core, k, events[i].bar)
        if shown < 0:
            return first - i - 1
        if is_news(book):
            return i + 1 - first
    return last - first


def is_quiet(book: Book, event: Event) -> bool:
    """Return whether an event is a bar of a book's timeframe that moves nothing but its prices."""
    bar = event.bar
    is_own = event.symbol == book.symbol and event.span == book.span and event.kind == Kind.BAR
    if not is_own or event.history != 0:
        return False
    return bar.low > book.floor and bar.high < book.ceiling and bar.ts < book.due


def is_news(book: Book) -> bool:
    """Return whether the strategy of a book asks for something else than it was heard to want."""
    out, wish = book.out, book.wish
    return out.target != wish.target or out.stop != wish.stop or out.take != wish.take


def call(core: Core, function: int, params: int, state: int, given: Record, taken: Record) -> int:
    """Call a strategy's step or a rule's check; return what it answers, 0 for nothing.

    Compiled code replaces this by a call through the function's address (`compile/users.py`),
    which answers -1 where the user's code raised. So does this, where that only leaves a book out.
    """
    users = core.users
    try:
        return int(core.functions[function](users[params], users[state], given, taken) or 0)
    except Exception:
        if core.account.isolate == 0:
            raise
        return -1
