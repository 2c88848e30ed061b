"""Every route and every role, the panel's names, and the headers of every answer."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.datastructures import CacheControlHeader

from engine.store.database import path_of
from tests.web.asking import ORIGIN, asked, cookie, csrf_of, filled, routes
from tests.web.conftest import PASSWORDS, logged_in, settings_of
from tests.web.test_sessions import Hands
from web.app import Application, create
from web.guard import HEADERS, HSTS, Guard
from web.sessions import Sessions
from web.view import ROLES

# Whoever adds a route that changes something, or one that not every viewer may see, says so here.
PUBLIC = {"/login", "/healthz", "/static/{name:path}"}
LEAST = {
    "POST /logout": "viewer",
    "POST /reader": "viewer",
    "POST /system/session": "admin",
    "GET /do/{action:str}": "operator",
    "POST /do/{action:str}": "operator",
    "GET /do/answer/{key:str}": "operator",
}


@pytest.fixture(scope="module")
def tokens(stores: Path) -> dict[str, str]:
    """Return role → the cookie's value of somebody who is logged in."""
    return {role: logged_in(stores, role) for role in ROLES}


@pytest.fixture(scope="module")
def app(stores: Path) -> Application:
    """Return an application over `stores`; its routes are those of every other."""
    return create(settings_of(stores))


# ── who may (S1, S9) ──────────────────────────────────────────────────────────────────────────


def test_what_is_public_is_listed_here(app: Application) -> None:
    public = {
        route.path
        for route in app.app.routes
        for handler in getattr(route, "route_handlers", ())
        if handler.opt.get("public")
    }
    assert public == PUBLIC


async def test_nothing_else_answers_somebody_who_is_not_logged_in(
    app: Application, stores: Path
) -> None:
    hands = Hands()
    late = Sessions(stores, now=hands)
    expired = late.enter("admin", PASSWORDS["admin"], "127.0.0.1")
    late.close()  # its hands stand at 2023: it has been over for long
    for method, path in routes(app):
        for token in ("", "x" * 43, expired):
            status, headers = await asked(app, method, filled(path), ORIGIN | cookie(token))
            if path not in PUBLIC:
                assert status in (303, 401), f"{method} {path}: {status}"
                assert "set-cookie" not in dict(headers)


async def test_each_role_gets_what_it_may_and_nothing_more(
    app: Application, tokens: dict[str, str], stores: Path
) -> None:
    for role, token in tokens.items():
        csrf = csrf_of(stores, token)
        for method, path in routes(app):
            if path in PUBLIC or path == "/logout":
                continue
            is_page = method in ("GET", "HEAD")
            least = LEAST.get(f"{method} {path}", "viewer" if is_page else None)
            if path.startswith("/schema") or method == "OPTIONS":
                least = "admin"  # what says nothing
            assert least, f"{method} {path} is new: say in LEAST who may"
            headers = ORIGIN | cookie(token) | {"X-CSRF-Token": csrf}
            status, _ = await asked(app, method, filled(path), headers)
            may = [*tokens].index(role) >= [*tokens].index(least)
            assert (status != 403) == may, f"{role}: {method} {path}: {status}"
            assert status not in (303, 401, 500) or path == "/reader", f"{method} {path}: {status}"


async def test_a_page_leads_to_the_login_and_a_part_of_one_says_where_it_is(
    app: Application,
) -> None:
    for path, sent in (("/live/overview", {}), ("/do/pause", {"HX-Request": "true"})):
        status, headers = await asked(app, "GET", path, sent)
        assert (status, dict(headers)["hx-redirect"]) == (401, "/login")
    for method, location in (("GET", "/login?next=%2Fdo%2Fpause"), ("POST", "/login")):
        status, headers = await asked(app, method, "/do/pause", ORIGIN)
        assert (status, dict(headers)["location"]) == (303, location)


# ── names and places (S5, S13) ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/", "/login", "/static/panel.css", "/nowhere", "/healthz"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "127.0.0.1:x", "[::1"],
)
async def test_a_name_that_is_not_the_panels_is_refused(
    app: Application, host: str, path: str
) -> None:
    assert (await asked(app, "GET", path, {"Host": host}))[0] == 400


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:80", "desk.lan"]
)
async def test_its_own_names_are_not(stores: Path, host: str) -> None:
    app = create(settings_of(stores, "web.hosts=[Desk.lan]"))
    assert (await asked(app, "GET", "/healthz", {"Host": host}))[0] == 200


async def test_a_socket_is_closed(app: Application) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "websocket", "path": "/live/overview", "headers": []}
    await app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("proxy", "client", "said", "place"),
    [
        ("null", "127.0.0.1", "203.0.113.9", "127.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "203.0.113.9", "10.0.0.2"),
        ("10.0.0.1", "10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.1", "203.0.113.9, <b>", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1", "", "10.0.0.1"),
    ],
)
async def test_only_the_proxy_says_where_a_request_comes_from(
    stores: Path, proxy: str, client: str, said: str, place: str
) -> None:
    app = create(settings_of(stores, f"web.proxy={proxy}"))
    body = f"name=viewer&password={PASSWORDS['viewer'].replace(' ', '+')}".encode()
    headers = ORIGIN | {
        "X-Forwarded-For": said,
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(body)),
    }
    status, _ = await asked(app, "POST", "/login", headers, client, body)
    assert status == 303
    with closing(sqlite3.connect(path_of(stores, "panel"))) as connection:
        last = "SELECT address FROM session ORDER BY created_at DESC, rowid DESC LIMIT 1"
        assert connection.execute(last).fetchone() == (place,)


async def test_only_the_proxy_says_that_a_request_came_over_https(stores: Path) -> None:
    app = create(settings_of(stores, "web.proxy=10.0.0.1"))
    headers = {"X-Forwarded-Proto": "http"}
    for client, there in (("10.0.0.1", False), ("10.0.0.2", True)):
        _, got = await asked(app, "GET", "/healthz", headers, client)
        assert ("strict-transport-security" in dict(got)) == there


# ── headers (S12, S13) ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/login", {}, 200),
        ("GET", "/healthz", {}, 200),
        ("GET", "/static/panel.css", {}, 200),
        ("GET", "/static/nothing.css", {}, 404),
        ("GET", "/", {}, 303),
        ("GET", "/live/overview", {}, 401),
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/login", ORIGIN, 405),
        ("POST", "/login", {}, 403),
        ("POST", "/login", ORIGIN | {"Content-Type": "a/b"}, 401),
        ("POST", "/login", ORIGIN | {"Content-Length": "100000000"}, 413),
        ("GET", "/", {"Host": "evil.example"}, 400),
        ("OPTIONS", "/login", {}, 303),
    ],
)
async def test_every_answer_has_the_headers_that_protect(
    app: Application, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    got, pairs = await asked(app, method, path, headers)
    assert got == status
    found = dict(pairs)
    for name, text in HEADERS.items():
        assert found[name.lower()] == text
        assert [pair[0].lower() for pair in pairs].count(name.lower()) == 1
    assert found["strict-transport-security"] == HSTS
    is_kept = path == "/static/panel.css"
    assert found["cache-control"] == ("no-cache" if is_kept else "no-store")


async def test_only_a_file_may_be_kept(stores: Path) -> None:
    settings = settings_of(stores)

    @get(["/static/x", "/x"], public=True, cache_control=CacheControlHeader(max_age=9))
    async def kept() -> str:
        return "x"

    small = Guard(Litestar([kept], logging_config=None), settings.web, Sessions(stores))
    for path, said in (("/static/x", "max-age=9"), ("/x", "no-store")):
        assert dict((await asked(small, "GET", path, {}))[1])["cache-control"] == said


async def test_pages_and_their_errors_have_them_too(
    app: Application, tokens: dict[str, str]
) -> None:
    token = tokens["viewer"]
    for path, status in (("/", 200), ("/live/trades", 200), ("/do/pause", 403), ("/none", 404)):
        got, pairs = await asked(app, "GET", path, cookie(token))
        assert got == status
        assert dict(pairs)["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert dict(pairs)["cache-control"] == "no-store"


def test_the_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy
    assert {"frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} <= set(
        policy.split("; ")
    )
