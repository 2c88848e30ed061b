"""A journal whose events are missing or garbled is refused, with a sentence."""

import errno
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from engine.errors import InvariantBroken, JournalBroken
from engine.store.journal import (
    Journal,
    Run,
    begin,
    keep_start,
    repair,
    run_in,
    start,
)
from engine.store.segment import segments
from tests.unit.store.journaled import (
    FRAME,
    HEADER,
    ROW,
    all_of,
    events,
    garble,
    only,
    rotated,
    written,
)

once = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(("missing", "gone"), [(0, "0 to 2"), (1, "3 to 3")])
def test_a_missing_segment_is_refused_unless_it_is_not_needed(
    tmp_path: Path, missing: int, gone: str
) -> None:
    folder = rotated(tmp_path)
    segments(folder)[missing].path.unlink()
    with pytest.raises(JournalBroken, match=f"a: must hold the events {gone}, does not: a file"):
        all_of(tmp_path)
    assert all_of(tmp_path, after=3)["seq"].tolist() == [4, 5, 6, 7]


def test_a_missing_end_is_seen_by_the_run_that_goes_on(tmp_path: Path) -> None:
    folder = rotated(tmp_path)
    written(tmp_path, "b", continues="a", first=8, frames=(1,))
    segments(folder)[2].path.unlink()
    with pytest.raises(JournalBroken, match="a: must hold the events 4 to 7, does not"):
        all_of(tmp_path, "b")


@pytest.mark.parametrize("frames", [(3,), ()])
def test_a_missing_run_is_refused_unless_it_is_not_needed(
    tmp_path: Path, frames: tuple[int, ...]
) -> None:
    written(tmp_path, "b", continues="a", first=8, frames=frames)
    with pytest.raises(JournalBroken, match="b: must hold the events 0 to 7, does not"):
        all_of(tmp_path, "b")
    assert all_of(tmp_path, "b", after=7)["seq"].tolist() == list(range(8, 8 + sum(frames)))


def test_a_run_with_more_events_than_the_next_goes_on_from_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "a", frames=(8,))
    written(tmp_path, "b", continues="a", first=6, frames=(3,))
    with pytest.raises(JournalBroken, match="must end with event 5, before run b, ends with 7"):
        all_of(tmp_path, "b")


@once
@given(at=some.integers(0, 200), cuts=some.booleans())
def test_a_garbled_compressed_segment_gives_no_other_events(
    tmp_path_factory: pytest.TempPathFactory, at: int, cuts: bool
) -> None:
    root = tmp_path_factory.mktemp("compressed")
    path = only(rotated(root, (5,)))
    at %= path.stat().st_size
    if cuts:
        os.truncate(path, at)
    else:
        garble(path, at)
    try:
        content = all_of(root).tobytes().hex()
    except JournalBroken as refused:
        content = str(refused)
    assert content == events(0, 5).tobytes().hex() or content.startswith(f"{path}: must ")


def test_a_segment_that_is_not_the_last_must_be_whole(tmp_path: Path) -> None:
    folder = written(tmp_path, frames=(3,))
    (folder / "0000000000000003.events").write_bytes(only(folder).read_bytes())
    os.truncate(segments(folder)[0].path, 100)
    with pytest.raises(JournalBroken, match=r"must hold whole events from 0 on, .* are garbled"):
        all_of(tmp_path)


@pytest.mark.parametrize("at", range(HEADER))
def test_a_segment_of_another_release_is_refused(tmp_path: Path, at: int) -> None:
    garble(only(written(tmp_path)), at)
    with pytest.raises(JournalBroken, match="must be a journal of this release"):
        all_of(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{", "", "run.json: must describe a run as JSON, does not"),
        ('"run"', '"name"', "run.json: must describe a run as JSON, does not"),
        ("history", "story", "run.json: must be of a release with the same events"),
        ("null", '"a"', "must go on from an earlier run, goes on from a, a later"),
    ],
)
def test_a_garbled_description_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    folder = written(tmp_path)
    path = folder / "run.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(JournalBroken, match=told):
        all_of(tmp_path)


def test_an_unknown_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalBroken, match=r"nobody/run.json: must be readable .* No such file"):
        all_of(tmp_path, "nobody")


def test_a_garbled_start_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path)
    keep_start(folder, bytes(100))
    garble(folder / "state.block", 50)
    with pytest.raises(JournalBroken, match=r"state.block: must match its checksum, does not"):
        start(folder)


def test_a_run_is_described_once(tmp_path: Path) -> None:
    run = Run("a", None, 5, 1_700_000_000_000, ("X/USD", "Y/USD"))
    assert run_in(begin(tmp_path, run)) == run
    assert json.loads((tmp_path / "a" / "run.json").read_text())["continues"] is None
    with pytest.raises(JournalBroken, match=r"a: must be .* is not: File exists"):
        begin(tmp_path, run)


def test_only_one_can_write_a_run(tmp_path: Path) -> None:
    folder = written(tmp_path)
    with pytest.raises(JournalBroken, match="is not: File exists"):
        Journal(folder).append(events(0, 1))


@pytest.mark.parametrize("rows", [events(1, 2), events(0, 4)[::2], events(0, 0)])
def test_events_that_do_not_go_on_are_refused(tmp_path: Path, rows: Any) -> None:
    journal = Journal(begin(tmp_path, Run("a", None, 0, 0, ())))
    with pytest.raises(InvariantBroken, match="events must go on with seq 0, were"):
        journal.append(rows)


def test_a_full_disk_is_told_at_every_call_and_costs_only_the_last_frame(tmp_path: Path) -> None:
    folder = begin(tmp_path, Run("a", None, 0, 0, ()))
    journal = Journal(folder)
    journal.append(events(0, 5))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(JournalBroken, match=r"is not: File too large. Correct the disk"):
            journal.append(events(5, 50))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for refuse in (journal.sync, journal.rotate, lambda: journal.append(events(5, 1))):
        with pytest.raises(JournalBroken, match="File too large"):
            refuse()
    journal.close()
    assert repair(folder) == 1_000 - HEADER - FRAME - 5 * ROW
    assert all_of(tmp_path).tobytes() == events(0, 5).tobytes()


def test_a_failed_sync_is_told_at_every_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(begin(tmp_path, Run("a", None, 0, 0, ())))
    journal.append(events(0, 1))

    def fail(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(JournalBroken, match="is not: Input/output error"):
            journal.sync()
    for refuse in (journal.sync, journal.rotate, lambda: journal.append(events(1, 1))):
        with pytest.raises(JournalBroken, match="is not: Input/output error"):
            refuse()  # a disk that failed once may say yes the next time, without the data
    journal.close()
