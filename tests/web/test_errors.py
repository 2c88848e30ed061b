"""Whatever goes wrong, a person reads a sentence; a stack trace is for the log alone."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from engine.store.database import open_panel
from tests.web.conftest import HOST, PASSWORDS, Panel, logged_in, settings_of
from web import accounts
from web.app import create
from web.errors import Errors
from web.pages import PAGES
from web.panel import Panel as Shared
from web.sessions import COOKIE

TABS = [page.path for page in PAGES if page.is_tab]


@contextmanager
def _admin(folder: Path) -> Iterator[httpx.Client]:
    """Yield an admin's client of a panel over a folder."""
    with TestClient(create(settings_of(folder)), base_url=HOST) as client:
        cookies = {COOKIE: logged_in(folder, "admin")}
        yield httpx.Client(transport=client._transport, base_url=HOST, cookies=cookies)


def _is_page(answer: httpx.Response) -> bool:
    is_html = answer.headers["content-type"].startswith("text/html")
    return is_html and "Traceback" not in answer.text and answer.text.startswith("<!doctype html>")


@pytest.fixture
def folder(stores: Path, tmp_path: Path) -> Path:
    """Return a copy of what the engine left, to be broken."""
    return Path(shutil.copytree(stores, tmp_path / "var"))


# ── requests ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path", ["/nowhere", "/orders/../../etc/passwd", "/live/x", "/%00", "/static/x"]
)
def test_what_is_not_there(path: str, panel: Panel) -> None:
    answer = panel("viewer").get(path)
    assert answer.status_code == 404
    assert _is_page(answer)
    assert "There is no such page" in answer.text


def test_another_method(panel: Panel) -> None:
    answer = panel("admin").put("/trades", headers={"Origin": HOST})
    assert answer.status_code == 405
    assert "Not in this way" in answer.text
    assert "GET" in answer.headers["allow"]


def test_too_much_at_once(panel: Panel) -> None:
    sent = {"name": "x" * 70_000, "password": "y"}
    answer = panel("").post("/login", data=sent, headers={"Origin": HOST})
    assert answer.status_code == 413
    assert _is_page(answer)


def test_in_the_language_of_the_reader(panel: Panel) -> None:
    panel("viewer").cookies.set("__Host-reader", "zh|UTC|green|auto")
    answer = panel("viewer").get("/nowhere")
    panel("viewer").cookies.delete("__Host-reader")
    assert '<html lang="zh-CN"' in answer.text


def test_a_defect_is_for_the_log(stores: Path, caplog: pytest.LogCaptureFixture) -> None:
    @get("/fails", sync_to_thread=False)
    def fail() -> str:
        raise ZeroDivisionError("a secret")

    errors = Errors(Shared(settings_of(stores), PAGES))
    app = Litestar([fail], exception_handlers=errors.handlers, logging_config=None)
    with TestClient(app, base_url=HOST) as client:
        answer = client.get("/fails")
    assert answer.status_code == 500
    assert _is_page(answer)
    assert "a secret" not in answer.text
    assert "ZeroDivisionError: a secret" in caplog.text


# ── stores ────────────────────────────────────────────────────────────────────────────────────


def _never(folder: Path) -> None:
    for path in folder.glob("engine*"):
        path.unlink()
    shutil.rmtree(folder / "journal")


def _version(number: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with sqlite3.connect(folder / "engine.db") as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (number,))
        database.close()

    return change


def _garbled(folder: Path) -> None:
    content = (folder / "engine.db").read_bytes()
    (folder / "engine.db").write_bytes(content[:100] + b"garbage" * (len(content) // 7))


def _foreign(folder: Path) -> None:
    (folder / "engine.db").write_bytes(b"a text of somebody's")


def _without_tables(folder: Path) -> None:
    (folder / "engine.db").write_bytes(b"")


@pytest.mark.parametrize("path", TABS)
def test_before_the_first_start_each_page_says_what_would_be_there(
    path: str, tmp_path: Path
) -> None:
    panel = open_panel(tmp_path / "var")
    accounts.add(panel, "admin", "admin", PASSWORDS["admin"], accounts.By("a test", "shell"))
    panel.dispose()
    with _admin(tmp_path / "var") as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert "never started" in answer.text
    assert "None" not in answer.text


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (_version("9999_9.9.9"), "was newer, 9999_9.9.9. Start release 9.9.9 or later"),
        (_version("0000_0.0.1"), "was older, 0000_0.0.1. Stop the engine and type: chanquant db"),
        (_garbled, "must be whole, was garbled"),
        (_foreign, "must be a SQLite database, was something else"),
        (_without_tables, "must be a store of ChanQuant, was a database of something else"),
    ],
    ids=["newer", "older", "garbled", "foreign", "empty"],
)
def test_a_store_that_cannot_be_read(
    break_it: Callable[[Path], None], sentence: str, folder: Path
) -> None:
    break_it(folder)
    with _admin(folder) as client:
        answer = client.get("/trades")
        health = client.get("/healthz")
    assert answer.status_code == 503
    assert sentence in answer.text.replace("&#39;", "'")
    assert _is_page(answer)
    assert answer.headers["retry-after"]
    assert health.status_code == 200


def test_a_locked_store_is_waited_for_a_second(folder: Path) -> None:
    locking = sqlite3.connect(folder / "engine.db", isolation_level=None)
    locking.execute("PRAGMA locking_mode=EXCLUSIVE")
    locking.execute("BEGIN EXCLUSIVE")
    with _admin(folder) as client:
        answer = client.get("/trades")
        locking.close()
        assert client.get("/trades").status_code == 200
    assert answer.status_code == 503
    assert "was locked by another process for 1 s" in answer.text


def test_a_store_that_appears_is_seen_at_once(folder: Path, tmp_path: Path) -> None:
    aside = Path(shutil.copytree(folder, tmp_path / "aside"))
    _never(folder)
    with _admin(folder) as client:
        assert "/chain?seq=" not in client.get("/trades").text
        shutil.copy(aside / "engine.db", folder / "engine.db")
        assert "/chain?seq=" in client.get("/trades").text
