"""What engines left."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.store.segment import compress
from tests.system.left import Held
from tests.unit.live.engines import END, STOP, holds, kill, trade

SMALL = ("store.snapshot_events=1000", "store.segment_mb=0.03")
Seen = Callable[..., Held]


@pytest.fixture(scope="session")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return what engines left that stopped, or were killed early and late.

    Both killed ones had events that were not committed, the late one such as close what it holds,
    and also a snapshot that those before them came after.
    """
    folder = tmp_path_factory.mktemp("left")
    trade(folder / "stopped", STOP)
    kill(folder / "killed early", "journal.append.after:2")
    kill(folder / "killed", "journal.append.after:5", END, *SMALL)
    (journaled,) = (folder / "killed" / "journal").iterdir()
    for plain in sorted(journaled.glob("*.events"))[:-1]:
        compress(plain)  # which the killed one was about to do
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Return a function that says what an engine holds which always had its configuration."""
    folder = tmp_path_factory.mktemp("undisturbed")

    def undisturbed(edit: str = "none", *more: str) -> Held:
        if not (folder / edit).exists():
            trade(folder / edit, END, *more)
        return holds(folder / edit)

    return undisturbed
