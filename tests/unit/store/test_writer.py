"""The writer: all of a batch or nothing, after the journal, and nothing after a failure."""

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from engine import failpoint
from engine.errors import ChanQuantError, InvariantBroken, StoreBroken
from engine.store import database, queries, writer
from engine.store.rows import exact
from engine.store.writer import Batch, Writer, ask
from tests.unit.store.committed import BEGUN, CONFIG, batch, count, rows, writing


def committed(engine: Engine) -> int:
    """Return the sequence number up to which everything is committed."""
    with engine.connect() as connection:
        row = queries.progress(connection)
    return int(row["seq"]) if row else -2


def snapshot(seq: int, cash: float = 1.0) -> dict[str, Any]:
    texts = {"identity": "i", "sections": "{}", "sha256": "s", "positions": "{}"}
    return texts | {"seq": seq, "ts": 0, "run": "r1", "block": b"block", "cash": exact(cash)}


def position(quantity: float) -> dict[str, Any]:
    numbers = {"quantity": exact(quantity), "entry": exact(9.5), "stop": None, "take": None}
    key = {"instance": "a", "symbol": "X/USD", "ts": 0, "seq": 0, "opened_at": 0, "words": b"w"}
    return key | numbers


# ── what is committed ─────────────────────────────────────────────────────────────────────────


def test_a_batch_is_committed_with_the_number_of_its_event(engine: Engine) -> None:
    with writing(engine) as (writer, _):
        writer.write(batch(7))
        with engine.connect() as connection:
            row = queries.progress(connection)
    assert row == {"id": 1, "seq": 7, "ts": 7, "run": "r1", "account": b"account"}
    assert [count(engine, table) for table in ("signal", "decision", "order")] == [1, 1, 1]


def test_the_journal_is_on_disk_before_the_commit(engine: Engine) -> None:
    seen: list[int] = []
    with writing(engine, lambda: seen.append(committed(engine))) as (writer, _):
        writer.write(batch(0))
        writer.put(batch(1)).result(10)
    assert seen == [-2, -1, 0]


def test_a_batch_whose_journal_failed_is_not_committed(engine: Engine) -> None:
    def sync() -> None:
        if committed(engine) == 0:
            raise OSError(28, "No space left on device")

    with writing(engine, sync) as (writer, failures):
        writer.write(batch(0))
        with pytest.raises(StoreBroken, match="the disk was full"):
            writer.write(batch(1))
    assert committed(engine) == 0
    assert len(failures) == 1


def test_what_waits_is_committed_in_one_transaction_in_order(engine: Engine) -> None:
    begun, released = threading.Event(), threading.Event()
    synced: list[str] = []

    def sync() -> None:
        synced.append(threading.current_thread().name)
        if synced.count("store") == 1:
            begun.set()
            released.wait(10)

    with writing(engine, sync) as (writer, _):
        futures = [writer.put(batch(0))]
        begun.wait(10)
        futures += [writer.put(batch(seq)) for seq in range(1, 50)]
        released.set()
        for future in futures:
            future.result(10)
    assert synced.count("store") == 2
    assert committed(engine) == 49
    assert count(engine, "order") == 50


def test_rows_are_made_by_the_thread(engine: Engine) -> None:
    threads: list[str] = []

    def make() -> dict[str, Any]:
        threads.append(threading.current_thread().name)
        return rows(0)

    with writing(engine) as (writer, _):
        writer.put(Batch("r1", 0, 0, b"", make)).result(10)
    assert threads == ["store"]


def test_what_was_put_cannot_be_taken_back(engine: Engine) -> None:
    with writing(engine) as (writer, _):
        future = writer.put(batch(0))
        assert not future.cancel()
        future.result(10)
    assert committed(engine) == 0


def test_closing_commits_what_waits(engine: Engine) -> None:
    with writing(engine) as (writer, _):
        for seq in range(200):
            writer.put(batch(seq))
    assert count(engine, "order") == 200


def test_closing_does_not_wait_for_ever(engine: Engine) -> None:
    released = threading.Event()

    def sync() -> None:
        if threading.current_thread().name == "store":
            released.wait(10)

    stuck = Writer(engine, sync, lambda _: None)
    stuck.write(BEGUN)
    future = stuck.put(batch(0))
    with pytest.raises(StoreBroken, match=r"within 0\.05 s, did not.*the next start commits it"):
        stuck.close(0.05)
    released.set()
    future.result(10)
    stuck.close()


# ── the same key again ────────────────────────────────────────────────────────────────────────


def test_the_newest_snapshots_are_kept(engine: Engine) -> None:
    with writing(engine) as (writer, _):
        for seq in (1, 2, 3, 4, 5, 5):
            writer.write(Batch("r1", seq, 0, b"", {"snapshot": [snapshot(seq, cash=seq + 0.5)]}))
    with engine.connect() as connection:
        kept = queries.snapshots(connection)
    assert [row["seq"] for row in kept] == [5, 4, 3]
    assert kept[0]["cash"] == exact(5.5)


def test_a_position_is_as_it_is_now(engine: Engine) -> None:
    with writing(engine) as (writer, _):
        for seq, quantity in enumerate((0.25, 0.5, 0.0)):
            writer.write(batch(seq, position=[position(quantity)]))
        with engine.connect() as connection:
            (row,) = queries.positions(connection)
    assert row == position(0.0)


def test_a_configuration_that_is_known_stays(engine: Engine) -> None:
    with writing(engine) as (writer, _):
        writer.write(batch(0, config=[CONFIG | {"first_used_at": 9}]))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT first_used_at FROM config").scalar() == 0


# ── failures ──────────────────────────────────────────────────────────────────────────────────


def test_a_failure_is_final_and_told_once(engine: Engine) -> None:
    with writing(engine) as (writer, failures):
        writer.write(batch(0))
        twice = Batch("r1", 1, 1, b"", rows(1) | {"order": rows(0)["order"]})
        with pytest.raises(StoreBroken, match="UNIQUE constraint failed: order"):
            writer.write(twice)
        with pytest.raises(StoreBroken, match="UNIQUE constraint failed: order"):
            writer.write(batch(2))
        with pytest.raises(StoreBroken, match="UNIQUE constraint failed: order"):
            writer.put(batch(3)).result(10)
    assert len(failures) == 1
    assert committed(engine) == 0
    assert count(engine, "signal") == 1


def broken() -> dict[str, Any]:
    return {"no such table": [{}]}


def unmade() -> dict[str, Any]:
    raise KeyError("book")


@pytest.mark.parametrize("make", [broken, unmade])
def test_rows_that_cannot_be_made_stop_everything(
    make: Callable[[], dict[str, Any]], engine: Engine
) -> None:
    with writing(engine) as (writer, failures):
        futures = [writer.put(Batch("r1", 0, 0, b"", make)), writer.put(batch(1))]
        for future in futures:
            with pytest.raises(InvariantBroken, match="a row could not be made"):
                future.result(10)
    assert len(failures) == 1
    assert committed(engine) == -1


def test_a_lock_is_waited_for(tmp_path: Path, engine: Engine) -> None:
    impatient = database.open_engine(tmp_path, patience_ms=20)
    with writing(impatient) as (writer, failures):
        with engine.begin():
            future = writer.put(batch(0))
            with pytest.raises(TimeoutError):
                future.result(0.2)
        future.result(10)
    impatient.dispose()
    assert not failures
    assert committed(engine) == 0


def test_a_lock_is_not_waited_for_for_ever(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOCKED_SECONDS_MAX", 0.1)
    impatient = database.open_engine(tmp_path, patience_ms=20)
    with (
        writing(impatient) as (one, _),
        engine.begin(),
        pytest.raises(StoreBroken, match=r"locked by another process for 0\.1 s"),
    ):
        one.write(batch(0))
    impatient.dispose()


def test_a_full_disk(engine: Engine) -> None:
    pages = 60  # little more than an empty store has

    @event.listens_for(engine, "connect")
    def _limit(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    engine.dispose()
    with writing(engine) as (writer, failures):
        futures = [writer.put(batch(seq)) for seq in range(1_000)]
        with pytest.raises(StoreBroken, match="the disk was full"):
            futures[-1].result(10)
    assert len(failures) == 1
    assert count(engine, "order") == committed(engine) + 1


# ── kill -9 ───────────────────────────────────────────────────────────────────────────────────


def write_and_die(folder: Path, name: str, hits: int) -> None:
    """Write ten batches in a child process that is killed at a failpoint."""
    child = os.fork()
    if child == 0:
        try:
            opened = database.open_engine(folder)
            one = Writer(opened, lambda: None, lambda _: None)
            one.write(BEGUN)
            failpoint.arm(name, hits)
            for seq in range(10):
                one.put(batch(seq, snapshot=[snapshot(seq)])).result(10)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("hits", [1, 2, 5])
@pytest.mark.parametrize(
    "name", ["commit.before", "commit.inside", "commit.after", "snapshot.before", "snapshot.after"]
)
def test_a_kill_leaves_whole_batches(name: str, hits: int, made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "engine.db", tmp_path)
    write_and_die(tmp_path, name, hits)
    opened = database.open_engine(tmp_path)
    last = committed(opened)
    assert 0 <= last + 1 <= hits
    for table in ("signal", "decision", "order"):
        assert count(opened, table) == last + 1
    assert count(opened, "snapshot") == min(last + 1, 3)
    opened.dispose()


# ── commands ──────────────────────────────────────────────────────────────────────────────────


def test_the_same_key_twice_is_one_command(panel: Engine) -> None:
    pause = {"ts": 0, "who": "me", "action": "pause", "reason": "news", "key": "k1"}
    given = pause | {"instance": None, "symbol": None}
    assert [ask(panel, given), ask(panel, given), ask(panel, given | {"key": "k2"})] == [1, 1, 2]


def test_a_command_that_cannot_be_stored_says_so(panel: Engine) -> None:
    panel.dispose()
    Path(panel.url.database or "").write_bytes(b"not a database, and long enough" * 200)
    with pytest.raises(ChanQuantError, match="must be a SQLite database"):
        ask(panel, {"ts": 0, "who": "me", "action": "pause", "reason": "news", "key": "k1"})
