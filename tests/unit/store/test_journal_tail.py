"""What a crash leaves of a journal: every whole frame, and a tail that is cut off."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from engine.errors import JournalBroken
from engine.store.journal import (
    Run,
    begin,
    last_seq,
    repair,
)
from tests.unit.store.journaled import (
    FRAME,
    HEADER,
    ROW,
    all_of,
    events,
    garble,
    only,
    written,
)

once = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@once
@given(cut=some.integers(0, HEADER + 3 * FRAME + 8 * ROW))
def test_a_cut_tail_gives_back_the_whole_frames(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    root = tmp_path_factory.mktemp("cut")
    folder = written(root, frames=(3, 1, 4))
    os.truncate(only(folder), cut)
    ends = {HEADER + FRAME + 3 * ROW: 3, HEADER + 2 * FRAME + 4 * ROW: 4}
    ends |= {HEADER + 3 * FRAME + 8 * ROW: 8, HEADER: 0, 0: 0}
    whole = max(end for end in ends if end <= cut)
    left = events(0, ends[whole]).tobytes()
    assert all_of(root).tobytes() == left
    assert last_seq(root, "a") == ends[whole] - 1
    assert repair(folder) == cut - whole
    assert only(folder).stat().st_size == whole
    assert repair(folder) == 0
    assert all_of(root).tobytes() == left


@once
@given(at=some.integers(0, FRAME + 4 * ROW - 1), to=some.integers(0, 255))
def test_a_garbled_last_frame_gives_back_those_before_it(
    tmp_path_factory: pytest.TempPathFactory, at: int, to: int
) -> None:
    root = tmp_path_factory.mktemp("garbled")
    folder = written(root, frames=(3, 1, 4))
    path = only(folder)
    before = path.read_bytes()
    garble(path, HEADER + 2 * FRAME + 4 * ROW + at, to)
    left = 8 if path.read_bytes() == before else 4
    assert all_of(root).tobytes() == events(0, left).tobytes()
    assert repair(folder) == (0 if left == 8 else FRAME + 4 * ROW)
    assert all_of(root).tobytes() == events(0, left).tobytes()


@once
@given(at=some.integers(HEADER, HEADER + 2 * FRAME + 4 * ROW - 1))
def test_a_garbled_frame_in_the_middle_is_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int
) -> None:
    root = tmp_path_factory.mktemp("middle")
    path = only(folder := written(root, frames=(3, 1, 4)))
    garble(path, at)
    seq, later = (0, 3) if at < HEADER + FRAME + 3 * ROW else (3, 4)
    told = f"{path}: must hold whole events from {seq} on, does not: they are garbled up to"
    told += f" {later - 1}, and {later} is not. Restore the file"
    for refuse in (lambda: all_of(root), lambda: last_seq(root, "a"), lambda: repair(folder)):
        with pytest.raises(JournalBroken) as refused:
            refuse()
        assert str(refused.value).startswith(told)


def test_a_hole_behind_what_was_committed_is_cut(tmp_path: Path) -> None:
    folder = written(tmp_path, frames=(3, 1, 4))
    garble(only(folder), HEADER + FRAME + 3 * ROW + 5)
    with pytest.raises(JournalBroken):
        repair(folder, committed=3)
    assert repair(folder, committed=2) == 2 * FRAME + 5 * ROW
    assert last_seq(tmp_path, "a") == 2


@pytest.mark.parametrize("zeros", [HEADER, 5_000])
def test_a_segment_of_zeros_holds_nothing(tmp_path: Path, zeros: int) -> None:
    folder = written(tmp_path)
    only(folder).write_bytes(bytes(zeros))
    assert len(all_of(tmp_path)) == 0
    assert repair(folder) == zeros
    assert last_seq(tmp_path, "a") == -1


def test_a_repaired_run_is_gone_on_from(tmp_path: Path) -> None:
    folder = written(tmp_path, frames=(3, 1, 4))
    os.truncate(only(folder), only(folder).stat().st_size - 1)
    repair(folder)
    written(tmp_path, "b", continues="a", first=last_seq(tmp_path, "a") + 1, frames=(2,))
    assert all_of(tmp_path, "b").tobytes() == events(0, 6).tobytes()


def crash(folder: Path, failpoint: str) -> None:
    """Append and sync one event after another, in a process that is killed at the failpoint."""
    script = (
        "import sys; from pathlib import Path; from engine.failpoint import arm_from_environment\n"
        "from engine.store.journal import Journal\n"
        "from tests.unit.store.journaled import events\n"
        "arm_from_environment()\n"
        "journal = Journal(Path(sys.argv[1]), 200)\n"
        "for seq in range(9): journal.append(events(seq, 1)); journal.sync()\n"
        "journal.close()"
    )
    environment = {**os.environ, "CHANQUANT_FAILPOINT": failpoint, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", script, str(folder)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("failpoint", "left"),
    [
        ("journal.append.before:3", {2}),
        ("journal.append.after:3", {3}),
        ("journal.sync.before:3", {3}),
        ("journal.sync.after:3", {3}),
        ("journal.rotate.before:2", {4}),
        ("journal.rotate.inside:2", {4, 5, 6, 7, 8, 9}),  # while events go on being appended
        ("journal.rotate.after:2", {4, 5, 6, 7, 8, 9}),
    ],
)
def test_a_kill_loses_nothing_and_doubles_nothing(
    tmp_path: Path, failpoint: str, left: set[int]
) -> None:
    folder = begin(tmp_path, Run("a", None, 0, 0, ()))
    crash(folder, failpoint)
    repair(folder)
    rows = all_of(tmp_path)
    assert len(rows) in left
    assert rows.tobytes() == events(0, len(rows)).tobytes()
    names = [path.name.partition(".")[0] for path in folder.glob("0*")]
    assert len(names) == len(set(names))
