"""A folder of one's own to stand in, for the tests of the configuration."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder without secrets."""
    monkeypatch.chdir(tmp_path)
    for name in ("CHANQUANT_SECRETS", "CREDENTIALS_DIRECTORY", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def write(project: Path) -> Callable[[str, str], None]:
    """Return a function that writes a text to a path below the folder."""

    def write(path: str, text: str) -> None:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text, encoding="utf-8")

    return write
