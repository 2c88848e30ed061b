"""The login as a browser sees it: the form, the cookie, and the way out."""

import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from engine import clock
from engine.store.database import open_panel
from engine.store.tables import tables
from tests.web.conftest import HOST, PASSWORDS, logged_in, settings_of
from tests.web.test_sessions import Hands, rows
from web.app import create
from web.routes import login
from web.sessions import COOKIE, Sessions

ORIGIN = {"Origin": HOST}


@pytest.fixture(scope="module")
def client(stores: Path) -> Iterator[TestClient[Any]]:
    """Return what reaches a panel over `stores`, for whom no time passes."""
    guard = create(settings_of(stores))
    hands = Hands()
    hands.ms = clock.now_ms()
    guard.app.state.sessions = Sessions(stores, now=hands)
    with TestClient(guard, base_url=HOST) as client:
        yield client
    guard.app.state.sessions.close()


@pytest.fixture
def browser(client: TestClient[Any], stores: Path) -> httpx.Client:
    """Return somebody who is not logged in, and keeps cookies; earlier tries are forgotten."""
    panel = open_panel(stores)
    with panel.begin() as connection:
        connection.execute(tables("panel")["throttle"].delete())
    panel.dispose()
    return httpx.Client(transport=client._transport, base_url=HOST, headers=ORIGIN)


def enter(browser: httpx.Client, role: str = "viewer", **fields: str) -> httpx.Response:
    """Send the form."""
    return browser.post("/login", data={"name": role, "password": PASSWORDS[role]} | fields)


class Inputs(HTMLParser):
    """Reads the names of a form's fields and what they hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        found = dict(attrs)
        if tag == "input":
            self.values[found.get("name") or ""] = found.get("value") or ""


# ── in ────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_is_led_to_the_login_and_back_to_the_page(browser: httpx.Client) -> None:
    led = browser.get("/trades?sort=best&symbol=BTC/USDT")
    assert led.status_code == 303
    form = browser.get(led.headers["location"])
    assert form.status_code == 200
    fields = Inputs(form.text).values
    assert fields == {"next": "/trades?sort=best&symbol=BTC/USDT", "name": "", "password": ""}
    entered = enter(browser, next=fields["next"])
    assert entered.status_code == 303
    assert entered.headers["location"] == fields["next"]
    page = browser.get(entered.headers["location"])
    assert page.status_code == 200
    assert "viewer" in page.text


def test_the_cookie_can_be_read_by_nobody_else(browser: httpx.Client) -> None:
    cookie = enter(browser).headers["set-cookie"]
    name, *attributes = cookie.split("; ")
    assert name.startswith("__Host-session=")
    assert {attribute.lower() for attribute in attributes} == {
        "path=/",
        "secure",
        "httponly",
        "samesite=strict",
    }  # no domain: only this host; no age: gone with the browser


def test_a_wrong_password_says_no_more_than_that(browser: httpx.Client) -> None:
    wrong = enter(browser, password="wrong")
    nobody = enter(browser, name="nobody")
    assert wrong.status_code == nobody.status_code == 401
    assert wrong.text == nobody.text.replace('value="nobody"', 'value="viewer"')
    assert "Name or password is wrong." in wrong.text
    assert Inputs(wrong.text).values["name"] == "viewer"
    assert "wrong" not in Inputs(wrong.text).values["password"]
    assert "set-cookie" not in wrong.headers
    assert browser.get("/").status_code == 303


def test_too_many_tries_have_to_wait(browser: httpx.Client) -> None:
    answers = [enter(browser, password="wrong") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "2"
    assert "The next one counts in 2 seconds." in answers[-1].text


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 401),
        ({"name": "viewer"}, 401),
        ({"name": "v" * 10_000, "password": "x" * 10_000}, 401),
        ({"name": ["viewer", "admin"], "password": ["a", "b"]}, 400),
        ({"name": "viewer", "password": "x" * 70_000}, 413),
    ],
)
def test_what_no_browser_sends_is_refused(
    browser: httpx.Client, data: dict[str, str], status: int
) -> None:
    answer = browser.post("/login", data=data)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


def test_what_is_no_text_is_refused(browser: httpx.Client) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for text in (b"\xff\xfe", b"%ff%fe", b"%ed%a0%bd", b"\0", b"%00", b"%", b"%u1234"):
        fields = b"name=" + text + b"&password=" + text + b"&next=" + text + b"&csrf=" + text
        entered = browser.post("/login", content=fields, headers=kind)
        assert entered.status_code in (400, 401, 429)
        left = browser.post("/logout", content=fields, headers=kind)
        assert left.status_code in (303, 400)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "a/b", ""])
def test_what_is_no_form_is_refused(browser: httpx.Client, kind: str) -> None:
    answer = browser.post("/login", content=b'{"name": 1}', headers={"Content-Type": kind})
    assert answer.status_code in (400, 401, 415)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "outside",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/%0a/evil.example\n",
        "javascript:alert(1)",
        " //evil.example",
        "/x\r\nSet-Cookie: a=b",
        "/@evil.example",
        "http:evil",
        "",
        "/trades\u0000",
        "/tra\u0131des",
    ],
)
def test_the_way_back_stays_inside(browser: httpx.Client, outside: str) -> None:
    form = browser.get("/login", params={"next": outside})
    assert Inputs(form.text).values["next"] == "/"
    entered = enter(browser, next=outside)
    assert entered.headers["location"] == "/"


@pytest.mark.parametrize(
    "text", ['"><script>alert(1)</script>', "' onfocus=alert(1) x='", "{{7*7}}"]
)
def test_what_was_typed_is_shown_as_text(browser: httpx.Client, text: str) -> None:
    shown = Inputs(enter(browser, name=text, next=text).text)
    assert shown.values["name"] == text[:32]
    assert shown.values["next"] == "/"
    assert shown.tags.count("input") == 3
    assert shown.tags.count("script") == 1


# ── whose session ─────────────────────────────────────────────────────────────────────────────


def test_a_session_cannot_be_fixed(browser: httpx.Client, stores: Path) -> None:
    """S2: an attacker plants an id before the login, and holds no session after it."""
    planted = "A" * 43
    browser.cookies.set(COOKIE, planted, domain="127.0.0.1")
    assert browser.get("/").status_code == 303
    given = enter(browser).cookies[COOKIE]
    assert given != planted
    browser.cookies.clear()
    for token, status in ((planted, 303), (given, 200)):
        answer = browser.get("/trades", headers={"Cookie": f"{COOKIE}={token}"})
        assert answer.status_code == status


def test_an_attackers_own_session_planted_in_a_browser_ends_with_the_login(
    browser: httpx.Client, stores: Path
) -> None:
    attackers = logged_in(stores, "viewer")
    browser.cookies.set(COOKIE, attackers, domain="127.0.0.1")
    assert browser.get("/trades").status_code == 200
    given = enter(browser, "admin").cookies[COOKIE]
    browser.cookies.clear()
    for token, status in ((attackers, 303), (given, 200)):
        answer = browser.get("/trades", headers={"Cookie": f"{COOKIE}={token}"})
        assert answer.status_code == status


@pytest.mark.parametrize(
    "cookie",
    [
        "{name}={token}; {name}=" + "B" * 43,
        "{name}=" + "B" * 43 + "; {name}={token}",
        "session={token}",
        "__host-session={token}",
        "{name}={token}x",
        '{name}="{token}"',
    ],
)
def test_a_cookie_that_is_sent_twice_or_under_another_name_is_nobodys(
    browser: httpx.Client, stores: Path, cookie: str
) -> None:
    """A sibling can add a cookie of the same name, never with the prefix __Host- and its rules."""
    text = cookie.format(name=COOKIE, token=logged_in(stores, "viewer"))
    assert browser.get("/trades", headers={"Cookie": text}).status_code == 303


def test_the_way_out_ends_the_session_everywhere(browser: httpx.Client, stores: Path) -> None:
    token = enter(browser).cookies[COOKIE]
    csrf = session_of(stores, token)
    assert browser.get("/logout").status_code == 405
    assert browser.post("/logout").status_code == 403
    assert browser.get("/trades").status_code == 200
    left = browser.post("/logout", data={"csrf": csrf})
    assert left.status_code == 303
    assert left.headers["location"] == "/login"
    assert browser.cookies.get(COOKIE) is None
    stolen = browser.get("/trades", headers={"Cookie": f"{COOKIE}={token}"})
    assert stolen.status_code == 303


def session_of(folder: Path, token: str) -> str:
    """Return what the forms of a session carry."""
    sessions = Sessions(folder)
    session = sessions.find(token)
    sessions.close()
    assert session is not None
    return session.csrf


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1"])
def test_another_site_logs_nobody_in_or_out(
    browser: httpx.Client, stores: Path, origin: str | None
) -> None:
    """S4: whoever is logged in as the attacker would write down what is theirs."""
    csrf = session_of(stores, enter(browser).cookies[COOKIE])
    del browser.headers["Origin"]
    headers = {"Origin": origin} if origin else {}
    tried = {"name": "operator", "password": PASSWORDS["operator"]}
    entered = browser.post("/login", data=tried, headers=headers)
    assert entered.status_code == 403
    assert "set-cookie" not in entered.headers
    assert browser.post("/logout", data={"csrf": csrf}, headers=headers).status_code == 403
    assert browser.get("/trades").status_code == 200


# ── guessing ──────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_guesses_are_ten_whatever_address_they_claim(
    traded: Path, tmp_path: Path
) -> None:
    """S5: a minute of guessing, as fast as it goes, from claimed addresses; and a restart."""
    folder = Path(shutil.copytree(traded, tmp_path / "var"))
    looked_at, hands = 0, Hands()
    for _start in range(2):
        guard = create(settings_of(folder, "web.proxy=10.9.8.7"))
        guard.app.state.sessions = Sessions(folder, now=hands)
        with TestClient(guard, base_url=HOST) as client:
            for number in range(500):
                hands.ms += 60
                claimed = f"203.0.{number // 250}.{number % 250}"
                headers = {"X-Forwarded-For": claimed, "Forwarded": f"for={claimed}"} | ORIGIN
                data = {"name": "admin", "password": f"guess {number}"}
                answer = client.post("/login", data=data, headers=headers)
                assert answer.status_code in (401, 429)
                looked_at += answer.status_code == 401
        guard.app.state.sessions.close()
    assert 5 <= looked_at <= 10


def test_more_tries_than_can_wait_are_sent_away(
    browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = threading.BoundedSemaphore(1)
    monkeypatch.setattr(login, "_ROOM", room)
    room.acquire()
    refused = enter(browser)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "3"
    room.release()
    assert [enter(browser).status_code for _ in range(2)] == [303, 303], "each leaves its place"


def test_what_was_tried_is_kept(browser: httpx.Client, stores: Path) -> None:
    enter(browser, password="wrong")
    enter(browser)
    sessions = Sessions(stores)
    kept = [(row["who"], row["action"], row["outcome"]) for row in rows(sessions, "audit")]
    sessions.close()
    assert kept[-2:] == [("viewer", "login", "refused"), ("viewer", "login", "done")]
