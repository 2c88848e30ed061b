"""One engine alone uses a store."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import StoreBroken
from engine.store.lock import NAME, alone, holder
from tests.golden import golden
from tests.unit.live.engines import ROOT, refusal

HOLDER = """
import sys
from pathlib import Path
from engine.store.lock import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
LOOKER = """
import sys
from pathlib import Path
from engine.store.lock import holder
print("looks", flush=True)
while True:
    holder(Path(sys.argv[1]))
"""


def test_a_second_engine_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert holder(tmp_path) == other.pid
        golden("live/second.txt", refusal(tmp_path).replace(str(other.pid), "PID"))
        assert not (tmp_path / "engine.db").exists()
        other.kill()
        other.wait()
        assert holder(tmp_path) is None
        with alone(tmp_path):
            assert holder(tmp_path) == os.getpid()
    assert holder(tmp_path) is None


def test_who_only_looks_stops_nobody(tmp_path: Path) -> None:
    looking = [sys.executable, "-c", LOOKER, str(tmp_path)]
    with alone(tmp_path):
        pass
    with subprocess.Popen(looking, cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            for _ in range(1_000):
                with alone(tmp_path):
                    pass
        finally:
            other.kill()


def test_nobody_holds_what_was_never_used(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert not (tmp_path / NAME).exists()


def test_a_lock_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    told = "must be writable, is not: No space left on device"
    with pytest.raises(StoreBroken, match=told), alone(tmp_path):
        pass
    monkeypatch.undo()
    with alone(tmp_path):
        pass


def test_what_fails_inside_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), alone(tmp_path):
        (tmp_path / "nothing").read_text()
