"""How the engine is as its store says: right up to the last commit, prices as of the last snapshot.

The rows of the core's block are read with the shapes that the newest snapshot was written with,
whatever release wrote it.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import zstandard
from sqlalchemy import Connection

from engine.store import queries
from engine.store.latches import in_force, is_paused
from engine.store.tables import Row
from web.view import Health, Held, Mark, State

Shapes = Mapping[str, Any]


def recorded(engine: Connection, is_held: bool, now: int, beat_ms_max: int) -> State:
    """Return the state; `is_held`: an engine has the lock of this store."""
    progress = queries.progress(engine)
    if progress is None:
        return State("silent" if is_held else "never", "store")
    run = queries.run(engine, progress["run"]) or {}
    beat = next(iter(queries.newest(engine, "heartbeat")), None)
    heard = max(run.get("started_at", 0), beat["ts"] if beat else 0)
    health: Health = "running" if now - heard <= beat_ms_max else "silent"
    latches = list(queries.latches(engine).values())
    shapes, marks = _last_snapshot(engine)
    account = _row(shapes, "account", progress["account"])
    return State(
        health=health if is_held else "stopped",
        source="store",
        heard_at=heard,
        run=progress["run"],
        mode=run.get("mode"),
        code_version=run.get("code_version"),
        seq=progress["seq"],
        ts=progress["ts"],
        lag_ms=beat["lag_ms"] if beat else 0.0,
        killed=any(latch["name"] == "kill" for latch in in_force(latches)),
        equity=None if account is None else float(account["equity"]),
        cash=None if account is None else float(account["cash"]),
        marks=marks,
        held=tuple(_held(queries.positions(engine), latches, shapes)),
    )


def _held(rows: Iterable[Row], latches: list[Row], shapes: Shapes) -> Iterable[Held]:
    for row in rows:
        book = _row(shapes, "books", row["words"])
        orders = 0 if book is None else _working(book)
        if row["quantity"] or orders:
            yield Held(
                instance=row["instance"],
                symbol=row["symbol"],
                quantity=float(row["quantity"]),
                entry=float(row["entry"]),
                stop=_price(row["stop"]),
                take=_price(row["take"]),
                opened_at=row["opened_at"],
                orders=orders,
                paused=is_paused(latches, row["instance"], row["symbol"]),
            )


def _working(book: Any) -> int:
    """Return how many orders of a book wait, those at its levels included."""
    names = ("orders", "resting")  # an older release had no levels
    return sum(int(book[name]) for name in names if name in book.dtype.names)


def _price(value: Any) -> float | None:
    return float(value) if value else None


# ── the block of the newest snapshot ──────────────────────────────────────────────────────────


def _last_snapshot(engine: Connection) -> tuple[Shapes, Mapping[str, Mark]]:
    """Return the shapes of its tables, and the prices that were the last then."""
    for row in queries.newest(engine, "snapshot"):
        return _read(row["sections"], row["block"])
    return {}, {}


@lru_cache(maxsize=1)
def _read(sections: str, block: bytes) -> tuple[Shapes, Mapping[str, Mark]]:
    known = json.loads(sections)
    shapes: Shapes = {name: _dtype(table[2]) for name, table in known["tables"].items()}
    words = np.frombuffer(zstandard.ZstdDecompressor().decompress(block), np.int64)
    offset, count, _ = known["tables"]["symbols"]
    size = shapes["symbols"].itemsize // words.itemsize
    rows = words[offset : offset + count * size].view(shapes["symbols"])
    priced = zip(known["symbols"], rows, strict=True)
    marks = {
        name: Mark(float(row["price"]), int(row["price_ts"]))
        for name, row in priced
        if row["price"]
    }
    return shapes, marks


def _dtype(shape: list[list[Any]]) -> np.dtype[Any]:
    return np.dtype([(name, _dtype(k) if isinstance(k, list) else k) for name, k in shape])


def _row(shapes: Shapes, table: str, content: bytes) -> Any:
    """Return a row of the block from its bytes, None where it was not written with these shapes."""
    shape = shapes.get(table)
    if shape is None or shape.itemsize != len(content):
        return None
    return np.frombuffer(content, shape)[0]
