"""New stores, in a folder of their own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from engine.store import database


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with both stores, which Alembic has made once."""
    folder = tmp_path_factory.mktemp("stores")
    database.open_engine(folder).dispose()
    database.open_panel(folder).dispose()
    return folder


@pytest.fixture
def engine(made: Path, tmp_path: Path) -> Iterator[Engine]:
    """Return the engine's store, new and empty."""
    shutil.copy(made / "engine.db", tmp_path)
    opened = database.open_engine(tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture
def panel(made: Path, tmp_path: Path) -> Iterator[Engine]:
    """Return the store of commands, new and empty."""
    shutil.copy(made / "panel.db", tmp_path)
    opened = database.open_panel(tmp_path)
    yield opened
    opened.dispose()
