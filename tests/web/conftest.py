"""A panel over what a real engine has left, and people of each role who look at it."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import httpx
import pytest
from litestar.testing import TestClient

from engine.settings import Settings
from engine.store.database import open_panel
from tests.unit.live.engines import settings, trade
from web import accounts
from web.app import create
from web.sessions import COOKIE, Sessions

HOST = "https://127.0.0.1"  # so that the Secure cookie travels
END = "2024-01-01T06:00"
PASSWORDS = {
    "viewer": "correct horse 1",
    "operator": "correct horse 2",
    "admin": "correct horse 3",
}  # of the people who are named after their roles

Panel = Callable[[str], httpx.Client]


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that nobody changes: an engine has traded there, and stopped."""
    folder = tmp_path_factory.mktemp("traded")
    trade(folder, END)
    panel = open_panel(folder)
    for role, password in PASSWORDS.items():
        accounts.add(panel, role, role, password, accounts.By("a test", "shell"))
    panel.dispose()
    return folder


@pytest.fixture(scope="module")
def stores(traded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the module's own with both stores, and the people of `PASSWORDS`."""
    folder = tmp_path_factory.mktemp("stores") / "var"
    shutil.copytree(traded, folder)
    return folder


def settings_of(folder: Path, *more: str) -> Settings:
    """Return the settings of a panel over a folder, without an engine's stream."""
    return settings(folder, END, "telemetry.port=null", *more)


def logged_in(folder: Path, role: str) -> str:
    """Log the person of a role in, and return the value of the cookie."""
    sessions = Sessions(folder)
    try:
        return sessions.enter(role, PASSWORDS[role], "127.0.0.1")
    finally:
        sessions.close()


@pytest.fixture(scope="module")
def panel(stores: Path) -> Iterator[Panel]:
    """Return a function role → client of somebody who is logged in; of nobody for no role."""
    with TestClient(create(settings_of(stores)), base_url=HOST) as client:

        @cache
        def panel(role: str) -> httpx.Client:
            cookies = {COOKIE: logged_in(stores, role)} if role else {}
            return httpx.Client(transport=client._transport, base_url=HOST, cookies=cookies)

        yield panel
