"""Commits what the engine decided, each batch whole or not at all, from one thread or inline.

A batch's events are in the journal on disk before the batch is committed, so that no decision lacks
its event. A commit waits for a lock; any other failure is final: nothing is written after it.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from sqlalchemy import Engine, Executable, Table, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from engine import clock
from engine.errors import ChanQuantError, InvariantBroken, StoreBroken
from engine.failpoint import hit
from engine.store.database import explain, explained, is_locked
from engine.store.tables import Row, tables

SNAPSHOTS_KEPT = 3
LOCKED_SECONDS_MAX = 30.0

Made = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Batch:
    """What belongs together: the rows that the events up to `seq` caused, and the account after it.

    `rows` are table → rows, or a function that makes them, called by the writer and not before.
    What is there already is replaced in `position` and `snapshot`, and left in `config`,
    `heartbeat`; in all other tables it is an error.
    """

    run: str
    seq: int
    ts: int
    account: bytes
    rows: Made | Callable[[], Made]


class Writer:
    """The one writer of the engine's store; `sync` makes the journal durable.

    `on_failure` is told once, in the thread that met it, why nothing can be written any more; it
    must not call the writer.
    """

    def __init__(
        self,
        engine: Engine,
        sync: Callable[[], None],
        on_failure: Callable[[ChanQuantError], None],
    ) -> None:
        self._path = Path(engine.url.database or "")
        self._sync = sync
        self._on_failure = on_failure
        self._statements = {
            name: _statement(table, engine.dialect.name) for name, table in tables("engine").items()
        }
        self._rank = {name: rank for rank, name in enumerate(self._statements)}
        self._connection = engine.connect()
        self._lock = threading.Lock()  # of the connection and the failure
        self._failure: ChanQuantError | None = None
        self._queue: SimpleQueue[tuple[Batch, Future[None]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def write(self, *batches: Batch) -> None:
        """Commit batches together and return when they are on disk; raise StoreBroken."""
        self._commit(batches)

    def put(self, batch: Batch) -> Future[None]:
        """Have the thread commit a batch, with all others that wait; the future says when."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="store", daemon=True)
            self._thread.start()
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # nobody can take back what was decided
        self._queue.put((batch, future))
        return future

    def close(self, seconds_max: float = 10.0) -> None:
        """Commit what waits; raise StoreBroken where that takes too long."""
        if self._thread:
            self._queue.put(None)
            self._thread.join(seconds_max)
            if self._thread.is_alive():
                raise StoreBroken(
                    f"{self._path}: must take what was decided within {seconds_max:g} s, did not."
                    " Look at the disk; the journal has it, and the next start commits it."
                )
        self._connection.close()

    def _work(self) -> None:
        """Commit all that waits, again and again, until `close`."""
        goes_on = True
        while goes_on:
            taken, goes_on = self._taken()
            try:
                self._commit([batch for batch, _ in taken])
            except ChanQuantError as failure:
                for _, future in taken:
                    future.set_exception(failure)
            else:
                for _, future in taken:
                    future.set_result(None)

    def _taken(self) -> tuple[list[tuple[Batch, Future[None]]], bool]:
        """Return all that waits, once something does, and whether more may come."""
        taken = []
        one = self._queue.get()
        while one:
            taken.append(one)
            try:
                one = self._queue.get_nowait()
            except Empty:
                return taken, True
        return taken, False

    def _commit(self, batches: Sequence[Batch]) -> None:
        if not batches:
            return
        with self._lock:
            if self._failure:
                raise self._failure
            try:
                self._sync()
                self._store(batches)
            except Exception as error:
                self._failure = self._told(error)
                self._on_failure(self._failure)
                if self._failure is error:
                    raise
                raise self._failure from error

    def _told(self, error: Exception) -> ChanQuantError:
        """Return what a person must be told of an error."""
        if isinstance(error, ChanQuantError):
            return error
        if isinstance(error, (SQLAlchemyError, OSError)):
            return explain(error, self._path, round(LOCKED_SECONDS_MAX * 1_000))
        return InvariantBroken(f"{self._path}: a row could not be made, {error!r}. Report this.")

    def _store(self, batches: Sequence[Batch]) -> None:
        """Commit in one transaction; begin again while somebody else holds the lock."""
        made = _merged(batches)
        patience_ends = clock.seconds() + LOCKED_SECONDS_MAX
        while True:
            hit("commit.before")
            try:
                with self._connection.begin():
                    self._insert(made)
            except OperationalError as error:
                if not is_locked(error) or clock.seconds() >= patience_ends:
                    raise
            else:
                hit("commit.after")
                return

    def _insert(self, made: Made) -> None:
        for name in sorted(made, key=self._rank.__getitem__):
            if name == "snapshot":
                hit("snapshot.before")
            self._connection.execute(self._statements[name], made[name])
            if name == "snapshot":
                self._connection.execute(_PRUNE)
                hit("snapshot.after")
            hit("commit.inside")


def ask(panel: Engine, command: Row, answered: int = 0) -> int:
    """Store a command and return its id; the same `key` again is the same command.

    Ids go on behind `answered`, the last that the engine has answered, also where the panel's store
    is new or an older one. Raises StoreBroken where it cannot be stored.
    """
    table = tables("panel")["command"]
    path = Path(panel.url.database or "")
    with explained(path), panel.begin() as connection:
        if (connection.execute(select(func.max(table.c.id))).scalar() or 0) < answered:
            command = command | {"id": answered + 1}
        connection.execute(_statement(table, panel.dialect.name), [command])
        wanted = select(table.c.id).where(table.c.key == command["key"])
        return int(connection.execute(wanted).scalar_one())


def _merged(batches: Sequence[Batch]) -> Made:
    """Return the rows of all batches by table, those of progress for the last alone."""
    merged: dict[str, list[Row]] = {}
    for batch in batches:
        for table, rows in (batch.rows() if callable(batch.rows) else batch.rows).items():
            merged.setdefault(table, []).extend(rows)
    last = batches[-1]
    progress = {"id": 1, "seq": last.seq, "ts": last.ts, "run": last.run, "account": last.account}
    return {table: rows for table, rows in merged.items() if rows} | {"progress": [progress]}


def _statement(table: Table, dialect: str) -> Executable:
    """Return how rows are inserted, with what `again` of the table says of a key that is there."""
    again = table.info.get("again")
    if again is None:
        return insert(table)
    into: sqlite.Insert | postgresql.Insert
    into = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    if again == "keep":
        return into.on_conflict_do_nothing()
    others = {c.name: into.excluded[c.name] for c in table.columns if not c.primary_key}
    return into.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)


_SEQ = tables("engine")["snapshot"].c.seq
_PRUNE = delete(_SEQ.table).where(
    _SEQ.not_in(select(_SEQ).order_by(_SEQ.desc()).limit(SNAPSHOTS_KEPT))
)
