"""What the tests of the panel share: Chromium, and a panel that runs beside its engine."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.system.as_user import GROUP, PANEL
from tests.system.panel.seen import MARKET
from tests.system.panel.started import PASSWORD, Started, chromium, started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Chromium."""
    with sync_playwright() as playwright, chromium(playwright) as opened:
        yield opened


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Return engine and panel, started as `make run` does."""
    with started("up", tmp_path_factory.mktemp("up") / "var", *MARKET) as one:
        one.said(PASSWORD)
        yield one


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder where the panel's own user may make the store."""
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, PANEL, GROUP)
        Path(name).chmod(0o755)
        yield Path(name)
