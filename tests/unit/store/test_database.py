"""Opening a store: how fast, how safe, and what is said of each one that cannot be used."""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from engine import clock
from engine.errors import StoreBroken
from engine.store import database
from tests.unit.store.committed import RUN, batch, count, writing

PAGE = 4096
NOBODY = 65_534


@contextlib.contextmanager
def folder_with(store: Path | None, folder_mode: int) -> Iterator[Path]:
    """Yield a folder with a store that may not be written, as a user who is not its owner."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if store:
            Path(shutil.copy(store, folder)).chmod(0o444)
        folder.chmod(folder_mode)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            folder.chmod(0o755)


def pragma(engine: Engine, name: str) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


# ── what is promised ──────────────────────────────────────────────────────────────────────────


def test_a_commit_survives_a_power_cut_and_waits_for_a_lock(engine: Engine) -> None:
    names = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
    assert [pragma(engine, name) for name in names] == ["wal", 2, 5_000, 1]


def test_an_up_to_date_store_opens_fast_and_without_alembic(made: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from engine import clock
from engine.store import database
folder = Path({str(made)!r})
begun = clock.seconds()
engine = database.open_engine(folder)
assert clock.seconds() - begun < 0.1, clock.seconds() - begun
engine.dispose()
database.read_only(folder).dispose()
assert "alembic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_reader_sees_what_is_committed_while_the_writer_works(
    engine: Engine, tmp_path: Path
) -> None:
    with writing(engine) as (writer, _):
        writer.write(batch(0))
        reader = database.read_only(tmp_path)
        with engine.begin():  # the lock is held
            assert count(reader, "signal") == 1
        writer.write(batch(1))
        assert count(reader, "signal") == 2
        reader.dispose()


def test_a_reader_sees_what_a_killed_writer_left(engine: Engine, tmp_path: Path) -> None:
    with writing(engine) as (writer, _):
        writer.write(batch(0))
        left = tmp_path / "left"
        left.mkdir()
        for name in ("engine.db", "engine.db-wal"):
            shutil.copy(tmp_path / name, left)
    reader = database.read_only(left)
    assert count(reader, "signal") == 1
    reader.dispose()


def test_a_reader_cannot_write(engine: Engine, tmp_path: Path) -> None:
    reader = database.read_only(tmp_path)
    with pytest.raises(OperationalError, match="readonly"), reader.begin() as connection:
        connection.exec_driver_sql("DELETE FROM run")
    reader.dispose()


def test_a_file_without_content_becomes_a_new_store(tmp_path: Path) -> None:
    (tmp_path / "panel.db").touch()
    database.open_panel(tmp_path).dispose()
    assert (tmp_path / "panel.db").stat().st_size > 0


# ── bad stores ────────────────────────────────────────────────────────────────────────────────


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match=r"must be there, was not. Start the engine once"):
        database.open_engine(tmp_path, create=False)
    with pytest.raises(StoreBroken, match=r"must be there, was not. Start the engine once"):
        database.read_only(tmp_path, "panel")
    assert not list(tmp_path.iterdir())


def test_locked(engine: Engine, tmp_path: Path) -> None:
    begun = clock.seconds()
    with engine.begin(), pytest.raises(StoreBroken, match=r"locked by another process for 0.2 s"):
        database.open_engine(tmp_path, patience_ms=200)
    assert 0.2 <= clock.seconds() - begun < 2.0


def test_a_folder_that_may_not_be_written(made: Path) -> None:
    with (
        folder_with(made / "engine.db", 0o555) as folder,
        pytest.raises(StoreBroken, match=r"Let this user .*write the file and its folder"),
    ):
        database.open_engine(folder)


def test_a_file_that_may_not_be_written(made: Path) -> None:
    with (
        folder_with(made / "engine.db", 0o777) as folder,
        pytest.raises(StoreBroken, match="must be writable, was read-only"),
    ):
        database.open_engine(folder)


def test_a_folder_that_cannot_be_made() -> None:
    with (
        folder_with(None, 0o555) as folder,
        pytest.raises(StoreBroken, match="Let this user read and write"),
    ):
        database.open_engine(folder / "var")


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(StoreBroken, match=r"var/engine\.db: must .* File exists"):
        database.open_engine(tmp_path / "var")


@pytest.mark.parametrize("content", [b"ts,open,high\n", b"SQLite", b"\0" * 8192])
def test_not_a_database(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "engine.db").write_bytes(content)
    for opened in (database.open_engine, database.read_only):
        with pytest.raises(StoreBroken, match="must be a SQLite database, was something else"):
            opened(tmp_path)
    assert (tmp_path / "engine.db").read_bytes() == content


def test_a_database_of_something_else(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "engine.db")
    connection.execute("CREATE TABLE run (id TEXT)")
    connection.close()
    for opened in (database.open_engine, database.read_only):
        with pytest.raises(StoreBroken, match="was a database of something else"):
            opened(tmp_path)


def garble(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(bytes(range(256)) * (PAGE // 256))


@pytest.mark.parametrize("page", [1, 5, -1])
def test_a_garbled_page(page: int, made: Path, tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    shutil.copy(made / "engine.db", path)
    garble(path, page % (path.stat().st_size // PAGE))
    with pytest.raises(StoreBroken, match=r"must be whole, was garbled .* restore a backup"):
        database.open_engine(tmp_path)


def test_a_garbled_header(made: Path, tmp_path: Path) -> None:
    content = (made / "engine.db").read_bytes()
    (tmp_path / "engine.db").write_bytes(content[:16] + b"\xff" * 84 + content[100:])
    with pytest.raises(StoreBroken, match=r"must be (whole|a SQLite database), was"):
        database.open_engine(tmp_path)


def test_a_file_cut_short(made: Path, tmp_path: Path) -> None:
    content = (made / "engine.db").read_bytes()
    (tmp_path / "engine.db").write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreBroken, match="must be whole, was garbled"):
        database.open_engine(tmp_path)


def test_a_full_disk(engine: Engine) -> None:
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with (
            pytest.raises(StoreBroken, match=r"the disk was full. Free some space"),
            database.explained(Path("engine.db")),
        ):
            connection.exec_driver_sql(
                "INSERT INTO config VALUES ('x', zeroblob(1000000), 0)",
            )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk was full"),
        (errno.EROFS, "was read-only"),
        (errno.EACCES, "must be open to this user"),
        (errno.EIO, "the disk failed"),
        (errno.EMFILE, "said: .*Too many open files"),
    ],
)
def test_what_the_system_says_is_told(code: int, words: str, tmp_path: Path) -> None:
    told = database.explain(OSError(code, os.strerror(code)), tmp_path)
    assert len(told.problems) == 1
    with pytest.raises(StoreBroken, match=words):
        raise told


# ── check ─────────────────────────────────────────────────────────────────────────────────────


def test_check_finds_nothing_in_a_store_that_is_whole(made: Path) -> None:
    assert database.check(made, "engine") == []
    assert database.check(made, "panel") == []


def test_check_finds_what_refers_to_nothing(engine: Engine, tmp_path: Path) -> None:
    with writing(engine) as (writer, _):
        writer.write(batch(0))
    connection = sqlite3.connect(tmp_path / "engine.db")
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("UPDATE progress SET run = ?", [f"not {RUN['id']}"])
    connection.commit()
    connection.close()
    (problem,) = database.check(tmp_path, "engine")
    assert "each row of progress must refer to a row that is there, 1 did not" in problem


def test_check_finds_damage(made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "engine.db", tmp_path)
    garble(tmp_path / "engine.db", 5)
    problems = database.check(tmp_path, "engine")
    assert problems
    assert all("was garbled" in problem for problem in problems)


def test_check_finds_no_store(tmp_path: Path) -> None:
    (problem,) = database.check(tmp_path, "engine")
    assert "must be there, was not" in problem


_COMES_AND_GOES = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM command").fetchall()
connection.close()
"""


def test_opening_a_store_again_keeps_the_locks_of_this_process(tmp_path: Path) -> None:
    # POSIX drops all locks that a process has on a file when it closes any of its descriptors:
    # another process would then be the last to leave, and take the WAL away from under this one.
    database.open_panel(tmp_path).dispose()
    held = database.open_panel(tmp_path)
    with held.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM command").scalar()
        connection.rollback()
        database.read_only(tmp_path, "panel").dispose()
        path = database.path_of(tmp_path, "panel")
        subprocess.run([sys.executable, "-c", _COMES_AND_GOES, path], check=True)
        assert Path(f"{path}-wal").exists()
    held.dispose()
