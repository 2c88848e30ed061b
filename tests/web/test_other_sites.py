"""What other sites may do: link here, and nothing else. And streams end with their session."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.store.database import path_of
from tests.web.asking import ORIGIN, asked, cookie, csrf_of, filled, routes, scope_of
from tests.web.conftest import HOST, PASSWORDS, Panel, logged_in, settings_of
from tests.web.test_sessions import MINUTE, Hands
from web import guard
from web.accounts import By
from web.app import Application, create
from web.sessions import COOKIE, Sessions
from web.view import ROLES


@pytest.fixture(scope="module")
def tokens(stores: Path) -> dict[str, str]:
    """Return role → the cookie's value of somebody who is logged in."""
    return {role: logged_in(stores, role) for role in ROLES}


@pytest.fixture(scope="module")
def app(stores: Path) -> Application:
    """Return an application over `stores`; its routes are those of every other."""
    return create(settings_of(stores))


# ── other sites (S3, S4, S14) ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1:8001"},
        {"Origin": "https://127.0.0.1.evil.example"},
        {"Origin": "https://evil.example https://127.0.0.1"},
        {"Origin": HOST, "Sec-Fetch-Site": "same-site"},
        {"Origin": HOST, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Referer": f"{HOST}/"},
    ],
)
@pytest.mark.parametrize("path", ["/reader", "/do/pause", "/login", "/nowhere"])
async def test_what_another_site_sends_is_refused(
    app: Application, tokens: dict[str, str], stores: Path, headers: dict[str, str], path: str
) -> None:
    token = tokens["admin"]
    sent = headers | cookie(token) | {"X-CSRF-Token": csrf_of(stores, token)}
    assert (await asked(app, "POST", path, sent))[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "BREW"])
async def test_every_method_that_may_change_something_needs_an_origin(
    app: Application, method: str
) -> None:
    assert (await asked(app, method, "/trades", {}))[0] == 403


def test_a_form_needs_the_token_of_its_own_session(panel: Panel, stores: Path) -> None:
    viewer, admin = panel("viewer"), panel("admin")
    ours = csrf_of(stores, viewer.cookies[COOKIE])
    anothers = csrf_of(stores, admin.cookies[COOKIE])
    fields = {"language": "zh"}
    forms: list[dict[str, str]] = [{}, *({"csrf": c} for c in ("", anothers, ours.upper(), "é"))]
    for form in forms:
        answer = viewer.post("/reader", data=fields | form, headers=ORIGIN)
        assert answer.status_code == 403, form
        assert "set-cookie" not in answer.headers
    for token in ("", anothers, ours[:-1], f"{ours},{ours}"):
        headers = ORIGIN | {"X-CSRF-Token": token}
        answer = viewer.post("/reader", data=fields | {"csrf": ours}, headers=headers)
        assert answer.status_code == 403, token
    for kind in ("text/plain", "application/json", "multipart/form-data; boundary=x"):
        headers = ORIGIN | {"Content-Type": kind}
        answer = viewer.post("/reader", content=f"csrf={ours}", headers=headers)
        assert answer.status_code == 403, kind
    answer = viewer.post("/reader", data=fields | {"csrf": ours}, headers=ORIGIN)
    assert answer.status_code == 303
    answer = viewer.post("/reader", data=fields, headers=ORIGIN | {"X-CSRF-Token": ours})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Origin": HOST}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/trades", "/live/overview"])
async def test_another_site_may_only_link_here(
    app: Application, tokens: dict[str, str], headers: dict[str, str], status: int, path: str
) -> None:
    """S14: a stream is refused before it begins, also with the cookie."""
    sent = headers | cookie(tokens["viewer"])
    assert (await asked(app, "GET", path, sent))[0] == status


async def test_to_look_at_everything_changes_nothing(
    traded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(traded, tmp_path / "var"))
    token = logged_in(folder, "admin")
    app = create(settings_of(folder))
    before = content(folder)
    for method, path in routes(app):
        if method == "GET":
            status, _ = await asked(app, method, filled(path), cookie(token))
            assert status in (200, 204, 303, 404), f"{path}: {status}"
    assert content(folder) == before


def content(folder: Path) -> list[str]:
    """Return all that both stores hold."""
    lines: list[str] = []
    for store in ("engine", "panel"):
        with closing(sqlite3.connect(path_of(folder, store))) as connection:
            lines += connection.iterdump()
    return lines


# ── streams end with their session (S14) ──────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["logout", "idle"])
async def test_a_stream_ends_with_its_session(
    traded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(guard, "CHECK_SECONDS", 0.05)
    folder = Path(shutil.copytree(traded, tmp_path / "var"))
    hands = Hands()
    sessions = Sessions(folder, now=hands)
    token = sessions.enter("viewer", PASSWORDS["viewer"], "127.0.0.1")
    app = create(settings_of(folder))
    app.app.state.sessions = app._sessions = sessions  # with the clock of this test
    sent: list[Any] = []
    begun = asyncio.Event()

    async def receive() -> Any:
        await asyncio.Event().wait()  # the reader stays

    async def send(message: Any) -> None:
        sent.append(message)
        begun.set()

    scope = scope_of("GET", "/live/trades", cookie(token))
    stream = asyncio.create_task(app(scope, receive, send))
    await asyncio.wait_for(begun.wait(), 10)
    done, _ = await asyncio.wait({stream}, timeout=0.5)
    assert not done, "it goes on as long as the session"
    if end == "idle":
        hands.ms += 30 * MINUTE
    else:
        session = sessions.find(token)
        assert session is not None
        sessions.end(session.id, By("viewer", "127.0.0.1"))
    await asyncio.wait_for(stream, 10)
    assert sent[0]["status"] == 200
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    sessions.close()
