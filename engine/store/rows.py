"""Turns the logs of the core into rows of tables, and reads rows back to be compared with them.

Here is the one place where a float becomes a decimal number and the other way round.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from engine.core.assemble import Layout
from engine.core.machine import Curve, Rows
from engine.core.records import Book, Kind, Status
from engine.store.tables import Row, tables

MINUTE_MS = 60_000
LOGGED = {  # table → log of the core
    "signal": "signals",
    "decision": "decisions",
    "denial": "denials",
    "order": "orders",
    "fill": "fills",
    "posting": "postings",
    "trade": "trades",
}
_COLUMNS = {"id": "order_id", "order": "order_id"}  # field of a log → column, where they differ
_OF_A_RUN = {"run", "config_hash", "code_version"}  # what a replay by another run may change
_STATUSES = {int(status): status.name.lower() for status in Status}


def exact(number: float) -> Decimal:
    """Return the shortest decimal that stands for this float and no other.

    >>> exact(0.1)
    Decimal('0.1')
    """
    return Decimal(repr(number))


def real(number: Decimal) -> float:
    """Return the float that `exact` made a decimal of."""
    return float(number)


class Scribe:
    """Writes what the core logged as rows, with names for its numbers."""

    def __init__(self, plan: Layout, run: str, config_hash: str, code_version: str) -> None:
        books = [plan.book(k) for k in range(len(plan.books))]
        self._instances = [instance.name for instance, _ in books]
        self._symbols = [symbol for _, symbol in books]
        self._tags = [instance.strategy.tags for instance, _ in books]
        self._reason = plan.portfolio.reason
        self._given = {"run": run, "config_hash": config_hash, "code_version": code_version}

    def rows(self, logs: Mapping[str, Rows]) -> dict[str, list[Row]]:
        """Return table → rows of what `drain` returned, in the order they were logged."""
        return {
            table: self._rows(table, logs[log]) for table, log in LOGGED.items() if len(logs[log])
        }

    def equity(self, events: Rows, equity: Curve) -> list[Row]:
        """Return the rows of `equity`: one for each full minute, as it is after its timer."""
        due = (events["kind"] == Kind.TIMER) & (events["ts"] % MINUTE_MS == 0)
        if not due.any():
            return []
        seq, ts = events["seq"][due].tolist(), events["ts"][due].tolist()
        values = zip(seq, ts, map(exact, equity[due].tolist()), strict=True)
        return [dict(zip(("seq", "ts", "equity"), row, strict=True)) | self._run for row in values]

    def positions(self, books: Mapping[int, bytes], ts: int, seq: int) -> list[Row]:
        """Return the rows of `position`: of each book its row and its working orders, as bytes."""
        return [self._position(k, words, ts, seq) for k, words in books.items()]

    def _position(self, k: int, words: bytes, ts: int, seq: int) -> Row:
        book = np.frombuffer(words, Book.dtype, 1)[0]
        return {
            "instance": self._instances[k],
            "symbol": self._symbols[k],
            "ts": ts,
            "seq": seq,
            "quantity": exact(float(book["position"])),
            "entry": exact(float(book["entry"])),
            "stop": _price(float(book["stop"])),
            "take": _price(float(book["take"])),
            "opened_at": int(book["opened_at"]),
            "words": words,
        }

    @property
    def _run(self) -> Row:
        return {"run": self._given["run"]}

    def _rows(self, table: str, log: Rows) -> list[Row]:
        """Return the rows of one log, converted a column at a time."""
        known = tables("engine")[table].columns
        books = log["book"].tolist()
        columns = {
            "ordinal": _ordinals(log["seq"].tolist()),
            "instance": [self._instances[k] for k in books],
            "symbol": [self._symbols[k] for k in books],
        }
        for field in log.dtype.names or ():
            column = _COLUMNS.get(field, field)
            if column in known:
                columns[column] = self._column(table, field, log[field].tolist(), books)
        given = {name: value for name, value in self._given.items() if name in known}
        return [
            dict(zip(columns, values, strict=True)) | given
            for values in zip(*columns.values(), strict=True)
        ]

    def _column(self, table: str, field: str, values: list[Any], books: list[int]) -> list[Any]:
        if field == "reason":
            return [self._reason(code) for code in values]
        if field == "status":
            return [_STATUSES[code] for code in values]
        if field == "tag":
            return [self._tags[k].get(tag) for k, tag in zip(books, values, strict=True)]
        if field == "approved":
            return [bool(approved) for approved in values]
        if field in ("stop", "take") or (field == "limit" and table == "signal"):
            return [_price(value) for value in values]
        return [exact(value) if isinstance(value, float) else value for value in values]


def stored(connection: Connection, table: str, after: int, upto: int) -> list[Row]:
    """Return the rows of a table with after < seq <= upto, as `Scribe.rows` made them."""
    made = tables("engine")[table]
    wanted = select(made).where(made.c.seq > after, made.c.seq <= upto)
    rows = connection.execute(wanted.order_by(*made.primary_key))
    return [dict(row) for row in rows.mappings()]


def difference(table: str, kept: Sequence[Row], made: Sequence[Row]) -> str | None:
    """Return where rows that are stored and rows that were made again first differ, or None.

    The run, its configuration and its code version may differ.
    """
    for before, now in zip_longest(kept, made):
        row = before or now
        place = f"{table} {row['seq']}.{row.get('ordinal', 0)}"
        if now is None:
            return f"{place} is stored, was not made again"
        if before is None:
            return f"{place} was made again, is not stored"
        for column in before:
            if column not in _OF_A_RUN and before[column] != now[column]:
                return (
                    f"{place}: {column} is stored as {before[column]},"
                    f" was made again as {now[column]}"
                )
    return None


def _ordinals(seqs: list[int]) -> list[int]:
    """Return for each row how many of the same seq stand before it; equal ones stand together."""
    ordinals: list[int] = []
    for i, seq in enumerate(seqs):
        ordinals.append(ordinals[-1] + 1 if i and seqs[i - 1] == seq else 0)
    return ordinals


def _price(price: float) -> Decimal | None:
    return exact(price) if price else None
