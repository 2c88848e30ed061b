"""Small batches for tests of the store: one signal, decision and order each."""

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, func, select

from engine.errors import ChanQuantError
from engine.store.rows import exact
from engine.store.tables import tables
from engine.store.writer import Batch, Writer

RUN = {
    "id": "r1",
    "started_at": 0,
    "mode": "paper",
    "code_version": "0.1.0",
    "config_hash": "c0ffee",
    "continues": None,
    "first_seq": 0,
    "host": "here",
    "pid": 1,
}
CONFIG = {"hash": "c0ffee", "yaml": "mode: {}", "first_used_at": 0}
BEGUN = Batch("r1", -1, 0, b"", {"config": [CONFIG], "run": [RUN]})
ORIGIN = {"config_hash": "c0ffee", "code_version": "0.1.0"}


def rows(seq: int) -> dict[str, Any]:
    """Return what an event caused that made an order."""
    booked = {"seq": seq, "ordinal": 0, "run": "r1", "ts": seq, "instance": "a", "symbol": "X/USD"}
    signal = {"target": exact(1.0), "stop": None, "take": None, "price": exact(9.5), "tag": "up"}
    signal["limit"] = None
    decision = {"approved": True, "quantity": exact(0.25), "denials": 0}
    order = {"order_id": seq + 1, "status": "placed", "price": exact(9.5), "reason": "signal"}
    order["quantity"] = exact(0.25)
    return {
        "signal": [booked | signal | ORIGIN],
        "decision": [booked | decision],
        "order": [booked | order | ORIGIN],
    }


def fill(seq: int, quantity: float, price: float, position: float) -> dict[str, Any]:
    """Return a row of `fill` with a fee of 0.1."""
    booked = {"seq": seq, "ordinal": 0, "run": "r1", "ts": seq, "instance": "a", "symbol": "X/USD"}
    numbers = {"quantity": quantity, "price": price, "fee": 0.1, "position": position, "cash": 1.0}
    exactly = {name: exact(value) for name, value in numbers.items()}
    return booked | {"order_id": seq + 1, "reason": "signal"} | exactly


def batch(seq: int, **more: Any) -> Batch:
    """Return a batch of one event that made an order, and more rows by table."""
    return Batch("r1", seq, seq, b"account", rows(seq) | more)


@contextlib.contextmanager
def writing(engine: Engine, sync: Any = lambda: None) -> Iterator[tuple[Writer, list[Any]]]:
    """Yield a writer of a store that has a run, and the failures that it tells of."""
    failures: list[ChanQuantError] = []
    writer = Writer(engine, sync, failures.append)
    writer.write(BEGUN)
    yield writer, failures
    writer.close()


def count(engine: Engine, table: str) -> int:
    """Return how many rows a table has."""
    with engine.connect() as connection:
        wanted = select(func.count()).select_from(tables("engine")[table])
        return int(connection.execute(wanted).scalar_one())
