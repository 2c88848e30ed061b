"""Opens the two stores, makes new ones, and says in one sentence what is wrong with a bad one.

All that is particular to SQLite stands here and in the migrations. An up-to-date store is opened
without Alembic: its version is one row, compared with `HEADS`. A store that is one step newer
is opened too: steps only add, so that the release before can be gone back to.
"""

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreBroken
from engine.store.access import make_file, make_folder

HEADS = {"engine": "0003_0.2.0", "panel": "0002_0.2.0"}  # number and release of the newest schema
CHECKED_BYTES_MAX = 64 << 20  # a larger file is not read through before it is used
PATIENCE_MS = 5_000  # how long a lock is waited for

_STEP = re.compile(r"\d{4}_")
_NO_CHANGE = text("DELETE FROM alembic_version WHERE version_num IS NULL")


def path_of(directory: Path, store: str) -> Path:
    """Return the file of the store `engine` or `panel`."""
    return directory / f"{store}.db"


def open_engine(directory: Path, *, create: bool = True, patience_ms: int = PATIENCE_MS) -> Engine:
    """Return the engine's store, ready to be written; make it where there is none.

    Raises StoreBroken where it is locked, not writable, full, garbled, or of another release.
    """
    return _open(directory, "engine", create, patience_ms)


def open_panel(directory: Path, *, create: bool = True, patience_ms: int = PATIENCE_MS) -> Engine:
    """Return the store of commands; else as `open_engine`."""
    return _open(directory, "panel", create, patience_ms)


def read_only(directory: Path, store: str = "engine", patience_ms: int = PATIENCE_MS) -> Engine:
    """Return a store that can be read while its writer works, stands still, or is dead.

    Raises StoreBroken where there is none, or where it is garbled or of another release.
    """
    path = path_of(directory, store)
    with explained(path, patience_ms):
        _must_be_there(path)
        with _disposed_on_error(_connector(path, "ro", patience_ms)) as engine:
            with engine.connect() as connection:
                _judge(path, store, version(connection))
            return engine


def version(connection: Connection) -> str | None:
    """Return the version of a store's schema, None where it has none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


# ── opening ───────────────────────────────────────────────────────────────────────────────────


def _open(directory: Path, store: str, create: bool, patience_ms: int) -> Engine:
    path = path_of(directory, store)
    with explained(path, patience_ms):
        if create:
            make_folder(directory)
            make_file(path)
        else:
            _must_be_there(path)
        with _disposed_on_error(_connector(path, "rwc", patience_ms)) as engine:
            with engine.begin() as connection:
                _make_or_judge(connection, path, store)
            return engine


def _make_or_judge(connection: Connection, path: Path, store: str) -> None:
    found = version(connection)
    if found is None and not inspect(connection).get_table_names():
        from engine.store import migrations  # only a new store needs Alembic

        migrations.upgrade(connection, store)
        return
    _judge(path, store, found)
    connection.execute(_NO_CHANGE)  # to begin alone is no proof that the file is writable
    if path.stat().st_size < CHECKED_BYTES_MAX:
        for problem in damages(connection, "quick_check"):
            raise StoreBroken(_garbled(path, problem))


def _judge(path: Path, store: str, found: str | None) -> str:
    """Return the version of a schema; raise StoreBroken where this release cannot work with it."""
    head = HEADS[store]
    if found is None or not _STEP.match(found):
        raise StoreBroken(
            f"{path}: must be a store of ChanQuant, was a database of something else. Choose"
            " another store.directory."
        )
    if found < head:
        raise StoreBroken(
            f"{path}: must have schema {head}, was older, {found}. Stop the engine and type:"
            " chanquant db upgrade."
        )
    if int(found[:4]) - int(head[:4]) <= 1:
        return found
    release = found.partition("_")[2]
    raise StoreBroken(
        f"{path}: must have schema {head}, was newer, {found}. Start release {release} or later,"
        " or restore a backup from before it."
    )


def _connector(path: Path, mode: str, patience_ms: int) -> Engine:
    """Return an engine over a file whose every connection has the same settings."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            uri,
            uri=True,
            timeout=patience_ms / 1_000,
            isolation_level=None,  # transactions begin where we say, below
            check_same_thread=False,  # the pool hands a connection to one thread at a time
        )

    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, creator=connect, poolclass=QueuePool)
    is_writer = mode != "ro"
    begin = "BEGIN IMMEDIATE" if is_writer else "BEGIN"  # a writer waits for the lock at once

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        if is_writer:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # NORMAL may lose the last commits
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def _disposed_on_error(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    except BaseException:
        engine.dispose()
        raise


def _must_be_there(path: Path) -> None:
    if not path.exists():
        raise StoreBroken(f"{path}: must be there, was not. Start the engine once: chanquant up.")


# ── care ──────────────────────────────────────────────────────────────────────────────────────


def damages(connection: Connection, pragma: str = "integrity_check") -> list[str]:
    """Return what is wrong inside a file, one line each; `quick_check` leaves out the indexes."""
    lines = connection.exec_driver_sql(f"PRAGMA {pragma}(10)").scalars().all()
    return [line.replace("\n", " ") for line in lines if line != "ok"]


def check(directory: Path, store: str) -> list[str]:
    """Return a sentence for each problem of a store: damage, and rows that refer to nothing."""
    path = path_of(directory, store)
    try:
        engine = read_only(directory, store)
        with explained(path), engine.connect() as connection:
            problems = [_garbled(path, line) for line in damages(connection)]
            lost = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        engine.dispose()
    except StoreBroken as wrong:
        return list(wrong.problems)
    for table in sorted({row[0] for row in lost}):
        count = sum(row[0] == table for row in lost)
        problems.append(
            f"{path}: each row of {table} must refer to a row that is there, {count} did not."
            " Restore a backup."
        )
    return problems


def upgrade(directory: Path, store: str) -> tuple[str, str, Path | None]:
    """Bring a store to the schema of this release; return both versions and the backup made.

    Raises StoreBroken where it cannot be used, or is of a newer release.
    """
    path = path_of(directory, store)
    with explained(path):
        _must_be_there(path)
        engine = _connector(path, "rw", PATIENCE_MS)
        try:
            with engine.begin() as connection:
                found, head = version(connection), HEADS[store]
                if found is None or found >= head:
                    judged = _judge(path, store, found)
                    return judged, judged, None
                copy = _backup(path, directory / "backup", found)

                from engine.store import migrations

                migrations.upgrade(connection, store)
                return found, head, copy
        finally:
            engine.dispose()


def _backup(path: Path, folder: Path, found: str) -> Path:
    """Copy a store to a file that appears only when it is whole, and return its path."""
    make_folder(folder)
    copy = folder / f"{path.stem}-{found}.db"
    part = copy.with_suffix(".part")
    make_file(part)
    source, target = sqlite3.connect(path), sqlite3.connect(part)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    part.replace(copy)
    return copy


# ── what went wrong ───────────────────────────────────────────────────────────────────────────


@contextmanager
def explained(path: Path, patience_ms: int = PATIENCE_MS) -> Iterator[None]:
    """Raise StoreBroken, with a sentence, for what the database or the disk raises inside."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise explain(error, path, patience_ms) from error


def explain(error: Exception, path: Path, patience_ms: int = PATIENCE_MS) -> StoreBroken:
    """Return what an error of the database or the disk means, and what to do."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF or _CODES.get(
        getattr(cause, "errno", None) or 0, 0
    )
    if is_locked(error):
        waited = f"{patience_ms / 1_000:g} s"
        return StoreBroken(
            f"{path}: must be free to write to, was locked by another process for {waited}. Stop"
            " what holds it, then start again."
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT):
        return StoreBroken(_garbled(path, str(cause)))
    if code == sqlite3.SQLITE_NOTADB:
        return StoreBroken(_stranger(path))
    if code in _SENTENCES:
        return StoreBroken(f"{path}: {_SENTENCES[code]}")
    said = " ".join(str(cause).split())
    return StoreBroken(f"{path}: must do what it is asked, said: {said}. Report this.")


def is_locked(error: Exception) -> bool:
    """Tell whether somebody else holds the lock, so that trying again makes sense."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _garbled(path: Path, detail: str) -> str:
    return (
        f"{path}: must be whole, was garbled ({detail}). Keep the file as evidence and restore a"
        " backup."
    )


def _stranger(path: Path) -> str:
    return f"{path}: must be a SQLite database, was something else. Move it away, or restore it."


_SENTENCES = {
    sqlite3.SQLITE_READONLY: (
        "must be writable, was read-only. Let this user write the file and its folder."
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "must be open to this user, was not. Let this user read and write the file and its folder."
    ),
    sqlite3.SQLITE_FULL: (
        "must have room to grow, the disk was full. Free some space and start again: all that was"
        " committed is there."
    ),
    sqlite3.SQLITE_IOERR: (
        "must be readable and writable, the disk failed. Look at the disk before anything else."
    ),
}
_CODES = {
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EDQUOT: sqlite3.SQLITE_FULL,
    errno.EROFS: sqlite3.SQLITE_READONLY,
    errno.EACCES: sqlite3.SQLITE_CANTOPEN,
    errno.EPERM: sqlite3.SQLITE_CANTOPEN,
    errno.EIO: sqlite3.SQLITE_IOERR,
}
