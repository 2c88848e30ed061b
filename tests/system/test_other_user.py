"""A panel that is another user than the engine: it reads and asks, whatever the engine does."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.core.compile.cache import folder as cache_folder
from engine.store.lock import holder
from tests.system.as_user import ENGINE, GROUP, PANEL, STRANGER
from tests.unit.live.engines import ROOT, trade

UMASKS = ("022", "077")  # of the engine and the panel: a strict one must not shut out the other


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the compiled code where the engine's user may read it."""
    trade(tmp_path_factory.mktemp("compiled"))
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(cache_folder(), Path(name) / "cache")
        _give(Path(name))
        os.chown(Path(name) / "cache", 0, 0)  # nobody trusts code in another user's folder …
        (Path(name) / "cache").chmod(0o755)  # … and root's own is for root alone
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHANQUANT_CACHE", str(Path(name) / "cache"))
            yield


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a store's folder that nobody has made yet, where the engine's user may make it."""
    with tempfile.TemporaryDirectory() as name:
        _give(Path(name))
        yield Path(name) / "var"


@pytest.fixture(params=UMASKS)
def umask(request: pytest.FixtureRequest) -> str:
    """Return the umask of both."""
    return str(request.param)


def _give(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, ENGINE, GROUP)
    folder.chmod(0o755)


class User:
    """Somebody who uses a store, in a process of its own."""

    def __init__(self, number: int, umask: str, folder: Path) -> None:
        typed = [sys.executable, "-m", "tests.system.as_user", str(number), umask, str(folder)]
        self.process = subprocess.Popen(
            typed, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "User":
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            self.process.kill()

    def begin(self, word: str) -> None:
        """Have something done."""
        assert self.process.stdin
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def does(self, word: str) -> Any:
        """Return what comes of it."""
        assert self.process.stdout
        self.begin(word)
        return json.loads(self.process.stdout.readline())

    def answers(self, count: int) -> dict[str, Any]:
        """Return what is read once so many commands are answered."""
        while True:
            found = self.does("read")
            if len(found.get("answers", [])) == count:
                return dict(found)
            time.sleep(0.1)


@contextmanager
def standing(umask: str, folder: Path, end: signal.Signals = signal.SIGTERM) -> Iterator[int]:
    """Have an engine whose market stands nearly still, and end it."""
    with User(ENGINE, umask, folder) as engine:
        engine.begin("stand")
        while holder(folder) != engine.process.pid:
            assert engine.process.poll() is None
            time.sleep(0.05)
        yield engine.process.pid
        engine.process.send_signal(end)
        while holder(folder) is not None:
            time.sleep(0.05)


def modes(folder: Path) -> dict[str, str]:
    """Return path → mode of everything, and check that it is the group's."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        status = path.stat()
        assert status.st_gid == GROUP, path
        found[path.name] = oct(status.st_mode & 0o7777)
    return found


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_while_it_runs_and_after(folder: Path, umask: str, end: signal.Signals) -> None:
    with User(ENGINE, umask, folder) as engine:
        assert engine.does("trade") is None
    with User(PANEL, umask, folder) as panel:
        with standing(umask, folder, end) as process:
            assert panel.does("write") == 1
            running = panel.answers(1)
            assert running["holder"] == process
            assert running["signals"] > 0
            assert running["events"] == running["seq"] + 1
        assert panel.does("read") == running | {"holder": None}
        assert panel.does("write") == 2
        with standing(umask, folder):
            assert panel.answers(2)["seq"] == running["seq"] + 1
    found = modes(folder)
    assert found["var"] == "0o2770"
    assert {found[name] for name in ("engine.db", "panel.db", "engine.lock")} == {"0o660"}
    assert [name for name, mode in found.items() if int(mode, 8) & 0o007] == []


def test_before_it_was_ever_started(folder: Path, umask: str) -> None:
    folder.mkdir()
    os.chown(folder, ENGINE, GROUP)
    folder.chmod(0o2770)  # as a deployment makes it
    with User(PANEL, umask, folder) as panel:
        assert "must be there, was not. Start the engine once" in panel.does("read")["refused"]
        assert panel.does("write") == 1
        with standing(umask, folder):
            assert panel.answers(1)["answers"] == ["done"]
            assert panel.does("write") == 2
            panel.answers(2)
    modes(folder)


def test_a_stranger_reads_and_writes_nothing(folder: Path) -> None:
    with User(STRANGER, "022", folder) as stranger, standing("022", folder):
        for word in ("read", "write"):
            assert "must be open to this user, was not" in stranger.does(word)["refused"]
