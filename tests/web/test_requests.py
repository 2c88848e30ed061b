"""Addresses and bodies of attackers: none reaches a file, none does harm."""

import asyncio
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import pytest

from tests.web.conftest import Panel, logged_in, settings_of
from tests.web.forms import FROM_HERE, filled, rows
from tests.web.payloads import TRAVERSAL
from web.app import BODY_BYTES_MAX, create
from web.pages import PAGES
from web.server import Server
from web.sessions import COOKIE

# ── S15: addresses ────────────────────────────────────────────────────────────────────────────

SECRETS = ("root:x:", "SQLite format 3", "def create(", "{% extends")
NAMES = ("instance", "kind", "older", "range", "seq", "symbol", "timeframe")


@pytest.mark.parametrize(
    "way", ["/static/", "/static/bundled/", "/", "/live/", "/do/", "/do/answer/"]
)
@pytest.mark.parametrize("role", ["", "admin"])
def test_no_address_reaches_a_file(way: str, role: str, stores: Path, served: int) -> None:
    cookie = f"{COOKIE}={logged_in(stores, role)}" if role else ""
    for text in TRAVERSAL:
        status, page = raw(served, f"{way}{text}", cookie)
        assert status in (303, 400, 401, 403, 404), text
        assert not [word for word in SECRETS if word in page], text


def test_no_query_reaches_a_file(stores: Path, served: int) -> None:
    cookie = f"{COOKIE}={logged_in(stores, 'admin')}"
    for page in PAGES:
        for text in TRAVERSAL:
            asked = "&".join(f"{name}={text}" for name in NAMES)
            status, shown = raw(served, f"{page.path}?{asked}", cookie)
            assert status < 500, (page.path, text)
            assert not [word for word in SECRETS if word in shown], (page.path, text)


@pytest.fixture(scope="module")
def served(stores: Path) -> Iterator[int]:
    """Yield the port of a panel behind its real server, which reads addresses as they are sent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(create(settings_of(stores)))
        thread = Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def raw(port: int, target: str, cookie: str) -> tuple[int, str]:
    """Ask for an address as it is written, which other clients would tidy."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", target, headers={"Cookie": cookie})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


# ── S36: bodies ───────────────────────────────────────────────────────────────────────────────

FORM = "application/x-www-form-urlencoded"
BODIES = {
    "large": (b"csrf=x&key=" + b"x" * BODY_BYTES_MAX, FORM),
    "many fields": (b"a=1&" * 16_383, FORM),
    "many names": (
        "&".join(f"a{k}=" for k in range(9_000)).encode(),
        FORM,
    ),
    "deep": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "application/json"),
    "half": (
        b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\n',
        "multipart/form-data; boundary=x",
    ),
    "no boundary": (b"--x", "multipart/form-data"),
    "a file": (
        b'--x\r\nContent-Disposition: form-data; name="key"; filename="../x"\r\n\r\nx\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    ),
    "no text": (b"\xff\xfe\x00csrf", FORM),
    "wrong charset": (b"csrf=x", "application/x-www-form-urlencoded; charset=utf-7"),
    "nothing": (b"", FORM),
    "no kind": (b"csrf=x", ""),
}


@pytest.mark.parametrize("path", ["/do/pause", "/login", "/reader"])
@pytest.mark.parametrize("body", BODIES)
def test_no_body_does_harm(path: str, body: str, panel: Panel, stores: Path) -> None:
    before = len(rows(stores, "command"))
    content, kind = BODIES[body]
    headers = FROM_HERE | ({"Content-Type": kind} if kind else {})
    client = panel("operator")
    csrf = filled(client, "pause").fields["csrf"]
    for more in ({}, {"X-CSRF-Token": csrf}):
        found = client.post(path, content=content, headers=headers | more)
        assert found.status_code in (200, 303, 400, 401, 403, 413, 415, 422, 429), found.text
    if body == "large":
        assert found.status_code == 413
    assert len(rows(stores, "command")) == before
