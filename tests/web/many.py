"""A store that has traded for years: a million signals, decisions and fills of the past."""

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.store.database import path_of

COUNT = 1_000_000
INSTANCES, SYMBOLS = 5, 50
MS = 1_000  # between two events

_NUMBERS = (
    "with recursive number(n) as (select {count} union all select n - 1 from number where n > 1)"
)
_BOOK = f"'past_' || (n / 2 % {INSTANCES}), 'S' || (n / 2 % {SYMBOLS}) || '/USDT'"
_CONFIG = "'past', '0.0.0'"
_PROFIT = "printf('%.4f', (n * 7919 % 200003 - 100000) / 1000.0)"
_SIGN = "iif(n % 2, '', '-')"  # a book buys with an odd number, and sells with the one below

_ROWS = {  # table → what it holds at the event -n, and of which n
    "signal": (
        f"{_BOOK}, iif(n % 2, '1.0', '0.0'), null, null, '100.5', 'up_cross', {_CONFIG}, null",
        "",
    ),
    "decision": (f"{_BOOK}, n % 10 <> 3, iif(n % 10 = 7, '0.0', '0.1'), n % 10 = 3", ""),
    "denial": (f"{_BOOK}, 'order_notional', '1200.0', '1000.0'", "where n % 10 = 3"),
    "fill": (
        f"{_BOOK}, -n, {_SIGN} || '0.1', '100.5', '0.01', iif(n % 2, '0.1', '0.0'), '1000.0',"
        " 'signal', null",
        "",
    ),
}


def grow(folder: Path, count: int = COUNT) -> None:
    """Put `count` signals, decisions and fills, as many orders, and half the trades into a store.

    They stand before all events of its engine: the event -n has the signal, the order and its fill.
    """
    path = path_of(folder, "engine")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode=off")  # nothing is lost if this copy is
        connection.execute("pragma synchronous=off")
        with connection:
            _fill(connection, count)
        connection.execute("pragma journal_mode=wal")


def _fill(connection: sqlite3.Connection, count: int) -> None:
    indexes = connection.execute(
        "select name, sql from sqlite_master where type = 'index' and sql is not null"
    ).fetchall()
    connection.execute("insert into config values ('past', '', 0)")
    connection.execute("insert into run values ('past', 0, 'paper', '', 'past', null, 0, '', 0)")
    for name, _ in indexes:
        connection.execute(f'drop index "{name}"')
    numbers = _NUMBERS.format(count=count)
    for table, (columns, where) in _ROWS.items():
        connection.execute(
            f"{numbers} insert into {table}"
            f" select -n, 0, 'past', -n * {MS}, {columns} from number {where}"
        )
    for ordinal, status in enumerate(("placed", "filled")):
        connection.execute(
            f"{numbers} insert into 'order' select -n, {ordinal}, 'past', -n * {MS}, {_BOOK},"
            f" -n, '{status}', {_SIGN} || '0.1', '100.5', 'signal', {_CONFIG} from number"
        )
    connection.execute(
        f"{numbers} insert into trade select -n, 0, 'past', {_BOOK}, -(n + 1) * {MS},"
        f" -n * {MS}, -(n + 1), '0.1', '100.5', '100.6', '0.02', {_PROFIT}, '1000.0',"
        f" 'signal', {_CONFIG}, null from number where n % 2 = 0"
    )
    for _, made in indexes:
        connection.execute(made)
