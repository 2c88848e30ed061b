"""Both stores, opened to be read: as long as the panel lives, whatever becomes of the engine.

Before the engine's first start its store is an empty one in memory, so that every page shows what
would stand there.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, QueuePool, StaticPool, create_engine

from engine.store.database import explained, path_of, read_only
from engine.store.tables import METADATA

Connections = tuple[Connection, Connection]  # to the engine's store, to the panel's

PATIENCE_MS = 1_000  # how long a page waits for a lock


class _Open(NamedTuple):
    """A store that is open; `watch` is a connection that is only asked whether others write."""

    inode: int
    engine: Engine
    watch: Connection


class Stores:
    """The stores of a folder. A file that was put in the place of another is opened anew."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened: dict[str, _Open] = {}
        self._alone = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Connections]:
        """Yield connections that see both stores as they are now; raise StoreBroken."""
        with self._reading("engine") as engine, self._reading("panel") as panel:
            yield engine, panel

    def versions(self) -> tuple[int, ...]:
        """Return numbers that are others as soon as somebody has written; raise StoreBroken."""
        found: tuple[int, ...] = ()
        for store in ("engine", "panel"):
            with explained(path_of(self._directory, store), PATIENCE_MS), self._alone:
                opened = self._current(store)
                number = opened.watch.exec_driver_sql("PRAGMA data_version").scalar_one()
                opened.watch.rollback()
                found += opened.inode, number
        return found

    def close(self) -> None:
        """Close all connections."""
        with self._alone:
            while self._opened:
                _close(self._opened.popitem()[1])

    @contextmanager
    def _reading(self, store: str) -> Iterator[Connection]:
        with explained(path_of(self._directory, store), PATIENCE_MS), self._alone:
            connection = self._current(store).engine.connect()
        with connection:
            yield connection

    def _current(self, store: str) -> _Open:
        """Return a store, opened where it is not, or is another file by now."""
        path = path_of(self._directory, store)
        inode = path.stat().st_ino if path.exists() else 0
        opened = self._opened.get(store)
        if opened is None or opened.inode != inode:
            if opened is not None:
                _close(self._opened.pop(store))
            engine = read_only(self._directory, store, PATIENCE_MS) if inode else _empty(store)
            opened = self._opened[store] = _Open(inode, engine, engine.connect())
        return opened


def _close(opened: _Open) -> None:
    opened.watch.close()
    opened.engine.dispose()


def _empty(store: str) -> Engine:
    """Return a store that holds nothing; each connection has its own in memory."""
    memory = create_engine("sqlite://", poolclass=StaticPool)
    METADATA[store].create_all(memory)
    with memory.connect() as connection:
        content = connection.connection.driver_connection.serialize()  # type: ignore[union-attr]
    memory.dispose()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.deserialize(content)
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool)
