"""The journal gives back every event as it was appended, until it expires."""

import os
import stat
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.store.journal import (
    Journal,
    Run,
    begin,
    expire,
    keep_start,
    last_seq,
    lineage,
    read,
    start,
)
from engine.store.segment import compress, segments
from tests.unit.store.journaled import (
    FRAME,
    HEADER,
    ROW,
    all_of,
    events,
    only,
    rotated,
    written,
)

# ── what was written is read ──────────────────────────────────────────────────────────────────


def test_events_are_read_as_they_were_appended(tmp_path: Path) -> None:
    written(tmp_path, frames=(3, 1, 4))
    assert all_of(tmp_path).tobytes() == events(0, 8).tobytes()
    assert last_seq(tmp_path, "a") == 7


def test_events_can_be_read_and_changed_before_they_are_synced(tmp_path: Path) -> None:
    journal = Journal(begin(tmp_path, Run("a", None, 0, 0, ())))
    journal.append(events(0, 2))
    rows = all_of(tmp_path)
    rows["history"] = 1  # machines want arrays that can be written
    assert len(rows) == 2


@pytest.mark.parametrize("after", range(-1, 9))
def test_reading_begins_behind_a_seq(tmp_path: Path, after: int) -> None:
    rotated(tmp_path)
    written(tmp_path, "b", continues="a", first=8, frames=(1,))
    assert all_of(tmp_path, "b", after)["seq"].tolist() == list(range(after + 1, 9))


def test_full_segments_are_compressed(tmp_path: Path) -> None:
    folder = rotated(tmp_path, (1_000, 1, 1_000))
    assert sorted(path.name for path in folder.iterdir()) == [
        "0000000000000000.events.zst",
        "0000000000001000.events.zst",
        "0000000000001001.events.zst",
        "run.json",
    ]
    assert segments(folder)[0].path.stat().st_size < 1_000 * ROW / 3
    assert all_of(tmp_path).tobytes() == events(0, 2_001).tobytes()


def test_frames_larger_and_smaller_than_what_is_read_at_once(tmp_path: Path) -> None:
    counts = (100_000, *(1,) * 100, 100_000)
    written(tmp_path, frames=counts)
    chunks = list(read(tmp_path, "a"))
    assert len(chunks) == 2
    assert np.concatenate(chunks).tobytes() == events(0, sum(counts)).tobytes()


def test_a_lineage_is_one_sequence(tmp_path: Path) -> None:
    first = written(tmp_path, "a", frames=(3,))
    empty = written(tmp_path, "b", continues="a", first=3, frames=())
    last = rotated(tmp_path, (2, 2), run="c", continues="b", first=3)
    assert lineage(tmp_path, "c") == [first, empty, last]
    assert all_of(tmp_path, "c").tobytes() == events(0, 7).tobytes()
    assert [last_seq(tmp_path, run) for run in "abc"] == [2, 2, 6]


def test_a_run_that_began_anew_is_read_from_its_own_first_event(tmp_path: Path) -> None:
    written(tmp_path, "a", frames=(3,))
    folder = written(tmp_path, "b", continues=None, first=3, frames=(2,))
    keep_start(folder, b"the block")
    assert all_of(tmp_path, "b")["seq"].tolist() == [3, 4]
    assert start(folder) == b"the block"
    assert start(tmp_path / "a") is None


def test_appending_goes_on_while_another_thread_syncs(tmp_path: Path) -> None:
    journal = Journal(begin(tmp_path, Run("a", None, 0, 0, ())), segment_bytes=50_000)
    done = threading.Event()

    def keep_syncing() -> None:
        while not done.is_set():
            journal.sync()

    thread = threading.Thread(target=keep_syncing)
    thread.start()
    for seq in range(3_000):
        journal.append(events(seq, 1))
    done.set()
    thread.join()
    journal.close()
    assert len(segments(journal.folder)) > 1
    assert all_of(tmp_path).tobytes() == events(0, 3_000).tobytes()


def test_a_sync_reaches_the_file_and_a_new_segments_folder_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(begin(tmp_path, Run("a", None, 0, 0, ())))
    synced: list[tuple[bool, int]] = []

    def fsync(file: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(file).st_mode), os.fstat(file).st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    journal.append(events(0, 1))
    journal.sync()
    first = HEADER + FRAME + ROW
    assert [is_folder or size for is_folder, size in synced] == [first, True]
    journal.sync()
    assert len(synced) == 2
    journal.append(events(1, 1))
    journal.sync()
    assert synced[2:] == [(False, first + FRAME + ROW)]
    journal.append(events(2, 1))
    journal.rotate()
    assert synced[3] == (False, first + 2 * (FRAME + ROW))
    journal.close()


# ── what expires ──────────────────────────────────────────────────────────────────────────────

OLD, NOW = 1_000_000, 2_000_000  # ms


@pytest.fixture
def aged(tmp_path: Path) -> Path:
    """Return a journal of runs a (0-7), b (none), c (8-15), all written at OLD, and d (16-18)."""
    rotated(tmp_path, run="a")
    written(tmp_path, "b", continues="a", first=8, frames=())
    rotated(tmp_path, run="c", continues="b", first=8)
    for path in tmp_path.rglob("*.*"):
        os.utime(path, ns=(OLD * 10**6, OLD * 10**6))
    written(tmp_path, "d", continues="c", first=16, frames=(3,))
    return tmp_path


@pytest.mark.parametrize(
    ("before_ms", "keep_after_seq", "removed", "left"),
    [
        (OLD, 100, 0, "abcd"),
        (NOW, -1, 0, "abcd"),
        (NOW, 1, 0, "abcd"),
        (NOW, 2, 1, "abcd"),
        (NOW, 6, 2, "abcd"),
        (NOW, 7, 3, "cd"),
        (NOW, 14, 5, "cd"),
        (NOW, 15, 6, "d"),
        (2**62, 2**62, 6, "d"),
    ],
)
def test_what_is_old_and_no_longer_needed_expires(
    aged: Path, before_ms: int, keep_after_seq: int, removed: int, left: str
) -> None:
    assert expire(aged, before_ms, keep_after_seq) == removed
    assert "".join(sorted(path.name for path in aged.iterdir())) == left
    needed = max(-1, min(keep_after_seq, 15))
    assert all_of(aged, "d", needed)["seq"].tolist() == list(range(needed + 1, 19))


def test_a_compressed_segment_is_as_old_as_its_events(tmp_path: Path) -> None:
    path = only(written(tmp_path))
    os.utime(path, ns=(OLD * 10**6, OLD * 10**6))
    compress(path)
    assert only(tmp_path / "a").stat().st_mtime_ns == OLD * 10**6


def test_the_description_of_an_empty_run_expires_by_its_own_age(aged: Path) -> None:
    os.utime(aged / "b" / "run.json", ns=(NOW * 10**6, NOW * 10**6))
    assert expire(aged, NOW, 15) == 3
    assert sorted(path.name for path in aged.iterdir()) == ["b", "c", "d"]


class LetsIn:
    """A lock that lets one more append in, as another thread would, right after `sync` let go."""

    def __init__(self, journal: Journal, lock: Any) -> None:
        self._journal, self._lock = journal, lock
        self.is_open = False

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if self.is_open:
            self.is_open = False
            self._journal.append(events(self._journal.next, 2))


def test_an_append_right_after_a_segment_ended_begins_another(tmp_path: Path) -> None:
    journal = Journal(begin(tmp_path, Run("a", None, 0, 0, ("X/USD",))))
    journal.append(events(0, 5))
    journal._lock = lock = LetsIn(journal, journal._lock)  # type: ignore[assignment]
    lock.is_open = True
    journal.rotate()
    journal._compressor.submit(int).result()  # whatever rotate gave it is compressed
    journal.append(events(7, 3))
    journal.close()
    assert all_of(tmp_path, "a")["seq"].tolist() == list(range(10))
