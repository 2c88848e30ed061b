"""What a power cut or a bad disk leaves behind: the log and the journal torn and garbled.

A tail that nobody relied on is cut off, and the engine goes on as if it had never been there. One
that is missing below what was committed is refused, and nothing is lost by asking.
"""

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.core.records import Event
from engine.failpoint import NAMES
from engine.store.segment import segments
from tests.system.kills import COMPARED, Kill, Servers, cut_power, serving
from tests.system.left import held, unsound

CUTS = 50
REFUSED = 12
LOG_MIN, LOG_MAX = 100_000, 4_000_000  # above it, a part of it is in the store already
HEADER = 16  # bytes of a segment before its first frame
FRAME = struct.Struct("<IIqQ")  # bytes, checksum, first seq, rows: before the rows of a frame
VICTIMS: list[tuple[str, list[Kill]]] = [
    ("fast", [{"failpoint": "commit.before:9"}]),
    ("fast", [{"failpoint": "journal.append.after:12"}]),
    ("fast", [{"failpoint": "commit.inside:31"}, {"failpoint": "commit.inside:22"}]),  # two runs
    ("paced", [{"failpoint": "journal.append.after:9"}]),
    ("paced", [{"failpoint": "commit.before:4"}]),
]


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Servers]:
    """Yield what starts engines to be killed."""
    with serving(tmp_path_factory.mktemp("torn"), pytestconfig) as servers:
        yield servers


@pytest.fixture(scope="module")
def victims(servers: Servers) -> list[tuple[str, Path]]:
    """Return (mode, folder) of engines that were killed, each with a log."""
    made = []
    for mode, kills in VICTIMS:
        folder = servers.another()
        assert list(servers.outlive(folder, mode, kills)) == []
        assert LOG_MIN < (folder / "engine.db-wal").stat().st_size < LOG_MAX
        made.append((mode, folder))
    return made


def tail(folder: Path) -> tuple[Path, int]:
    """Return the last segment of the last run, and the byte behind what is committed of it.

    One that is compressed, be its original still there or not, has no tail, and is not returned.
    """
    progress = held(folder).progress
    run = max((folder / "journal").iterdir())
    last = next(reversed(segments(run)), None)
    path = run / "none" if last is None or last.is_compressed else last.path
    data, at = path.read_bytes() if path.exists() else b"", 0
    first = int(path.stem) if data else 0
    while progress and data and first <= progress["seq"]:
        at = at or HEADER
        length, _, first, count = FRAME.unpack_from(data, at)
        first += count
        at += FRAME.size + length
    return path, at


def harm(path: Path, behind: int, chance: np.random.Generator, before: int | None = None) -> None:
    """Cut a file somewhere behind a byte, or garble it there; below `before`, if that is given."""
    data = bytearray(path.read_bytes())
    over = len(data) + 1 if before is None else before
    if chance.random() < 0.5:
        del data[int(chance.integers(behind, over)) :]
    else:
        at = int(chance.integers(max(behind, HEADER), max(over, HEADER + 1)))
        end = at + int(chance.integers(1, 3 * Event.dtype.itemsize))
        data[at:end] = bytes(byte ^ 0xA5 for byte in data[at:end])
    path.write_bytes(data)


def test_torn_tails_are_cut_off(servers: Servers, victims: list[tuple[str, Path]]) -> None:
    def restarted(number: int) -> Iterator[str]:
        chance = np.random.default_rng([7, number])
        mode, victim = victims[number % len(victims)]
        folder = servers.another()
        shutil.copytree(victim, folder)
        what = number // len(victims) % 3  # the log, the journal, both
        if what != 1:
            harm(folder / "engine.db-wal", 0, chance)
        path, behind = tail(folder)
        if what != 0 and path.exists():
            harm(path, behind, chance)
        yield from servers.alike(folder, servers.finish(folder, mode))

    assert (problems := servers.each(restarted, range(CUTS))) == [], problems


def test_a_tail_that_was_relied_on_is_refused(
    servers: Servers, victims: list[tuple[str, Path]]
) -> None:
    relied_on = [(mode, victim) for mode, victim in victims if tail(victim)[1] > HEADER]

    def refused(number: int) -> Iterator[str]:
        mode, victim = relied_on[number % len(relied_on)]
        folder = servers.another()
        shutil.copytree(victim, folder)
        path, behind = tail(folder)
        whole = path.read_bytes()
        harm(path, HEADER, np.random.default_rng([8, number]), behind)
        before, harmed = held(folder), path.read_bytes()
        ended = servers.start(folder, mode)
        if ended.code != 1 or ended.told.count("\n") != 1 or str(path.parent) not in ended.told:
            yield f"it was not refused in one sentence: {ended}"
        if held(folder) != before or path.read_bytes() != harmed:
            yield "something changed although it was refused"
        path.write_bytes(whole)
        yield from servers.alike(folder, servers.finish(folder, mode))

    assert (problems := servers.each(refused, range(REFUSED))) == [], problems


def test_a_power_cut_takes_nothing_that_was_committed(servers: Servers) -> None:
    """Of the journal there is then no more than what was synced; of the store, all it committed."""

    def powerless(job: tuple[str, str]) -> Iterator[str]:
        mode, failpoint = job
        folder = servers.another()
        if not servers.start(folder, mode, failpoint=failpoint, is_synced=True).is_killed:
            yield "it was not killed"
        cut_power(folder)
        yield from unsound(held(folder))
        yield from servers.alike(folder, servers.finish(folder, mode))

    names = [name for name in NAMES if name.startswith(("journal.", "commit.", "snapshot."))]
    jobs = [(mode, f"{name}:3") for mode in COMPARED for name in names]
    assert (problems := servers.each(powerless, jobs)) == [], problems
