"""A start on a store, a journal or a clock that is not as it was left: one sentence, nothing is
traded, and once it is repaired everything goes on as if nothing had happened.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from engine.live import run as live
from tests.golden import golden
from tests.system.left import different, held, unsound
from tests.unit.live.conftest import Seen
from tests.unit.live.engines import (
    END,
    copied,
    events,
    holds,
    kill,
    refusal,
    settings,
    trade,
)

NOBODY = 65_534
Sabotage = Callable[[Path], None]


@pytest.fixture
def folder(left: dict[str, Path], tmp_path: Path) -> Path:
    """Return a copy of what a killed engine left."""
    return copied(left["killed"], tmp_path / "var")


def typed_in(folder: Path, store: str, *statements: str) -> None:
    """Change a store behind the engine's back."""
    with closing(sqlite3.connect(folder / f"{store}.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def garble(path: Path, at: float) -> None:
    """Overwrite a stretch of a file, `at` being the fraction of it where that begins."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(int(size * at))
        file.write(b"\x5a" * min(64, size // 4))


def scramble(folder: Path, store: str) -> None:
    """Garble each page of a store but the first."""
    typed_in(folder, store, "PRAGMA wal_checkpoint(TRUNCATE)")
    path = folder / f"{store}.db"
    content = bytearray(path.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 64] = b"\x5a" * 64
    path.write_bytes(content)


def not_a_database(folder: Path, store: str) -> None:
    for path in folder.glob(f"{store}.db*"):
        path.unlink()
    (folder / f"{store}.db").write_text("ts,open,high,low,close\n")


def run_folder(folder: Path) -> Path:
    (found,) = (folder / "journal").iterdir()
    return found


def segment(folder: Path, which: int) -> Path:
    return sorted(run_folder(folder).glob("*.events*"))[which]


def version(store: str, number: str) -> Sabotage:
    statement = f"UPDATE alembic_version SET version_num = '{number}'"
    return lambda folder: typed_in(folder, store, statement)


def fill_changed(folder: Path) -> None:
    change = "UPDATE fill SET price = '1.0' WHERE seq = (SELECT max(seq) FROM fill)"
    typed_in(folder, "engine", *without_triggers(folder, "fill"), change)


def without_triggers(folder: Path, table: str) -> list[str]:
    """Return the statements that make the history of a table changeable."""
    wanted = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
    with closing(sqlite3.connect(folder / "engine.db")) as connection:
        return [f'DROP TRIGGER "{name}"' for (name,) in connection.execute(wanted, [table])]


def no_snapshot_whole(folder: Path) -> None:
    typed_in(folder, "engine", "UPDATE snapshot SET block = x'00'")


def no_last_segments(folder: Path) -> None:
    for _ in range(2):
        segment(folder, -1).unlink()


SABOTAGES: dict[str, Sabotage] = {
    "engine.db is not a database": lambda f: not_a_database(f, "engine"),
    "engine.db is garbled": lambda f: scramble(f, "engine"),
    "engine.db is older": version("engine", "0000_0.0.9"),
    "engine.db is newer": version("engine", "0099_9.9.0"),
    "panel.db is not a database": lambda f: not_a_database(f, "panel"),
    "panel.db is garbled": lambda f: scramble(f, "panel"),
    "panel.db is older": version("panel", "0000_0.0.9"),
    "panel.db is newer": version("panel", "0099_9.9.0"),
    "the folder of the run is gone": lambda f: shutil.rmtree(run_folder(f)),
    "run.json is gone": lambda f: (run_folder(f) / "run.json").unlink(),
    "run.json is garbled": lambda f: garble(run_folder(f) / "run.json", 0.1),
    "a segment is gone": lambda f: segment(f, -2).unlink(),
    "the last segments are gone": no_last_segments,
    "a segment is garbled": lambda f: garble(segment(f, -2), 0.5),
    "all snapshots are garbled": no_snapshot_whole,
    "a fill says another price": fill_changed,
}


def test_is_refused_with_a_sentence(left: dict[str, Path], tmp_path: Path) -> None:
    told = ""
    for number, (name, sabotage) in enumerate(SABOTAGES.items()):
        folder = copied(left["killed"], tmp_path / str(number))
        sabotage(folder)
        told += f"== {name}\n{refusal(folder)}\n\n"
        assert len(list((folder / "journal").iterdir())) <= 1
    golden("live/refused.txt", told)


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("engine.db is garbled", "engine.db*"),
        ("panel.db is not a database", "panel.db*"),
        ("a segment is gone", "journal"),
        ("a segment is garbled", "journal"),
    ],
)
def test_goes_on_once_it_is_repaired(
    name: str, damaged: str, folder: Path, left: dict[str, Path], undisturbed: Seen
) -> None:
    SABOTAGES[name](folder)
    refusal(folder)
    for path in folder.glob(damaged):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in left["killed"].glob(damaged):
        shutil.copytree(path, folder / path.name) if path.is_dir() else shutil.copy(path, folder)
    goes_on(folder, undisturbed)


def goes_on(folder: Path, undisturbed: Seen) -> None:
    """Start again, and see that nothing was lost and nothing was doubled."""
    trade(folder)
    found = holds(folder)
    assert list(different(found, undisturbed())) == []
    assert list(unsound(found)) == []


# ── what is not needed ────────────────────────────────────────────────────────────────────────


def test_a_segment_before_the_newest_snapshot_is_not_needed(
    folder: Path, undisturbed: Seen
) -> None:
    first = segment(folder, 0)
    away = first.rename(folder / first.name)
    trade(folder)
    away.rename(first)  # for the test to read
    assert list(different(holds(folder), undisturbed())) == []


def test_events_that_were_not_committed_are_not_needed(folder: Path, undisturbed: Seen) -> None:
    garble(segment(folder, -1), 0.1)
    goes_on(folder, undisturbed)
    assert "bytes behind the last whole event were cut off." in events(holds(folder), "recovery")[0]


def test_a_garbled_snapshot_is_passed_over(folder: Path, undisturbed: Seen) -> None:
    garbled = holds(folder).tables["snapshot"][-1]["seq"]
    typed_in(folder, "engine", f"UPDATE snapshot SET block = x'00' WHERE seq = {garbled}")
    goes_on(folder, undisturbed)
    told = " ".join(events(holds(folder), "recovery"))
    assert f"the snapshot at event {garbled} is garbled and was passed over." in told


def test_a_garbled_snapshot_of_a_run_that_began_after_an_edit(
    folder: Path, tmp_path: Path, undisturbed: Seen
) -> None:
    more = ["strategy.rsi_reversion.length=9"]
    trade(copied(folder, tmp_path / "whole"), END, *more)
    kill(folder, "journal.append.after:1", END, *more)
    begun = "(SELECT max(first_seq) - 1 FROM run)"
    typed_in(folder, "engine", f"UPDATE snapshot SET block = x'00' WHERE seq = {begun}")
    beside = copied(folder, tmp_path / "beside")
    trade(folder, END, *more)
    assert list(different(holds(folder), holds(tmp_path / "whole"))) == []
    (kept,) = (beside / "journal").glob("*/state.block")
    garble(kept, 0.5)
    golden("live/garbled_start.txt", refusal(beside, *more))


# ── locks, permissions, clocks ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("store", ["engine", "panel"])
def test_a_store_that_somebody_has_locked(
    store: str, folder: Path, undisturbed: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = getattr(live, f"open_{store}")
    monkeypatch.setattr(live, f"open_{store}", partial(opened, patience_ms=100))
    with closing(sqlite3.connect(folder / f"{store}.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        golden(f"live/locked_{store}.txt", refusal(folder))
    goes_on(folder, undisturbed)


@contextmanager
def as_nobody(folder: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a copy of a folder that may only be read, as a user who is not its owner."""
    with tempfile.TemporaryDirectory() as name:
        copy = copied(folder, Path(name) / "var")
        Path(name).chmod(0o755)
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o777 if path.is_dir() or path.name == "engine.lock" else 0o666)
        (copy / "engine.db").chmod(0o444)
        copy.chmod(mode)
        plan = live.compiled_layout(settings(copy))  # what is compiled is this user's alone
        monkeypatch.setattr(live, "compiled_layout", lambda _: plan)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(NOBODY)
        try:
            yield copy
        finally:
            if is_root:
                os.seteuid(0)
            copy.chmod(0o755)


@pytest.mark.parametrize(("name", "mode"), [("file", 0o777), ("folder", 0o555)])
def test_what_may_only_be_read(
    name: str, mode: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "folder":
        (folder / "engine.lock").unlink()
    with as_nobody(folder, mode, monkeypatch) as copy:
        told = refusal(copy)
    golden(f"live/read_only_{name}.txt", told)


def test_a_clock_before_the_last_event(folder: Path) -> None:
    before = held(folder)
    last = before.tables["snapshot"][-1]["ts"]
    golden("live/clock.txt", refusal(folder, "feed.speed=1.0", wall=lambda: last - 3_600_000))
    assert held(folder).tables == before.tables
