"""A disk that fills up while the engine trades: one sentence, and later it goes on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.left import different, unsound
from tests.unit.live.engines import END, holds, refusal, trade


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("free", range(0, 900_000, 100_000))
def test_a_full_disk(free: int, disk: Path, tmp_path: Path) -> None:
    trade(tmp_path / "undisturbed", END)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(2 * (1 << 20) - free))
    told = refusal(disk / "var")
    assert told.startswith("exit 1\n")
    assert len(told.splitlines()) == 2
    assert "must " in told
    ballast.unlink()
    trade(disk / "var", END)
    found = holds(disk / "var")
    assert list(different(found, holds(tmp_path / "undisturbed"))) == []
    assert list(unsound(found)) == []
