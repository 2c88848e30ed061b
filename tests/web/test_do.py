"""Actions by button: who may, what must be typed, and that each form is one command."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from engine import clock
from engine.store.database import open_panel
from engine.store.tables import ACTIONS, tables
from tests.web.conftest import PASSWORDS, Panel
from tests.web.forms import FROM_HERE, HTMX, Filled, filled, given, got, rows
from web.commands import KEY_MINUTES, new_key


@pytest.fixture
def stale(stores: Path, panel: Panel) -> Iterator[None]:
    """Have the passwords of all sessions given long ago, and no try counted."""
    for role in PASSWORDS:
        panel(role)  # logs in where nobody has, whichever test comes first
    database = open_panel(stores)
    session, throttle = tables("panel")["session"], tables("panel")["throttle"]
    with database.begin() as connection:
        connection.execute(update(session).values(fresh_at=0))
        connection.execute(throttle.delete())
    yield
    with database.begin() as connection:
        connection.execute(update(session).values(fresh_at=clock.now_ms()))
        connection.execute(throttle.delete())
    database.dispose()


# ── who may ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["", *PASSWORDS])
@pytest.mark.parametrize("action", ACTIONS)
def test_roles(role: str, action: str, panel: Panel, stores: Path) -> None:
    client = panel(role)
    shown = client.get(f"/do/{action}").status_code
    if role == "admin" or (role == "operator" and action != "rearm"):
        form = filled(client, action)
        assert form.send().status_code == 303
        assert [row["who"] for row in given(stores, form)] == [role]
        return
    csrf = _csrf(client) if role else "none"
    form = Filled(client, f"/do/{action}", {"csrf": csrf, "key": new_key(csrf, clock.now_ms())})
    sent = form.send(word=action.upper(), reason="a test", password=PASSWORDS.get(role, "none"))
    assert (shown, sent.status_code) == ((403, 403) if role else (303, 303))
    assert role or sent.headers["location"] == "/login"
    assert not given(stores, form)


def _csrf(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/trades").text)
    assert found is not None
    return found[1]


def test_buttons_are_shown_to_those_who_may(panel: Panel) -> None:
    assert 'href="/do/kill"' in panel("operator").get("/trades").text
    assert 'href="/do/' not in panel("viewer").get("/trades").text


# ── what must be typed ────────────────────────────────────────────────────────────────────────

DANGEROUS = ["kill", "flatten", "rearm", "resume", "close"]


@pytest.mark.parametrize("action", DANGEROUS)
@pytest.mark.usefixtures("stale")
def test_a_dangerous_action_needs_a_password_of_a_moment_ago(
    action: str, panel: Panel, stores: Path
) -> None:
    form = filled(panel("admin"), action)
    refused = form.send()
    assert refused.status_code == 403
    assert "must be typed once more" in refused.text
    assert form.send(password="wrong").status_code == 403
    assert not given(stores, form)
    assert form.send(password=PASSWORDS["admin"]).status_code == 303
    assert len(given(stores, form)) == 1
    again = filled(panel("admin"), action)
    assert 'type="password"' not in again.client.get(again.address).text
    assert again.send().status_code == 303


@pytest.mark.parametrize("action", DANGEROUS)
@pytest.mark.parametrize("word", ["", "yes", "kil", "KILL KILL"])
def test_a_dangerous_action_needs_its_word(
    action: str, word: str, panel: Panel, stores: Path
) -> None:
    form = filled(panel("admin"), action)
    refused = form.send(word=word)
    assert refused.status_code == 422
    assert f"{action.upper()}: must be typed to confirm" in refused.text
    assert not given(stores, form)


@pytest.mark.parametrize("action", ["resume", "rearm"])
@pytest.mark.parametrize("reason", ["-", "", "  ", "\0\u202e"])
def test_a_reason_is_needed_to_go_on(action: str, reason: str, panel: Panel, stores: Path) -> None:
    form = filled(panel("admin"), action)
    assert form.send(reason=reason).status_code == 422
    assert not given(stores, form)


@pytest.mark.parametrize("action", ["pause", "resume", "close"])
@pytest.mark.usefixtures("stale")
def test_an_action_on_one_book_needs_no_password(action: str, panel: Panel, stores: Path) -> None:
    form = got(panel("operator"), action, instance="ema_cross", symbol="BTC/USDT")
    assert form.send(reason="news").status_code == 303
    row = given(stores, form)[0]
    assert (row["instance"], row["symbol"], row["reason"]) == ("ema_cross", "BTC/USDT", "news")


@pytest.mark.usefixtures("stale")
def test_passwords_are_not_guessed_here(panel: Panel, stores: Path) -> None:
    form = filled(panel("operator"), "kill")
    answers = [form.send(password=f"guess {k}") for k in range(12)]
    assert [one.status_code for one in answers[:5]] == [403] * 5
    refused = [one for one in answers if one.status_code == 429]
    assert refused  # more of them on a faster machine
    assert all("Try again in" in one.text for one in refused)
    assert not given(stores, form)


def test_a_reason_that_is_too_long(panel: Panel, stores: Path) -> None:
    form = filled(panel("operator"), "pause")
    refused = form.send(reason="x" * 501)
    assert refused.status_code == 422
    assert "at most 500 characters, had 501" in refused.text
    assert not given(stores, form)


# ── one form, one command ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("headers", [FROM_HERE, HTMX], ids=["page", "htmx"])
def test_a_form_that_is_sent_ten_times_at_once_is_one_command(
    headers: dict[str, str], panel: Panel, stores: Path
) -> None:
    form = filled(panel("operator"), "flatten")
    before = len(rows(stores, "audit"))
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: form.send(headers), range(10)))
    assert {one.status_code for one in answers} == {200 if headers is HTMX else 303}
    assert len(given(stores, form)) == 1
    assert len({one.headers.get("location") for one in answers}) == 1
    assert len(rows(stores, "audit")) == before + 1


def test_a_form_that_is_sent_again_says_the_same(panel: Panel, stores: Path) -> None:
    form = filled(panel("operator"), "pause", instance="ema_cross")
    first = form.send()
    before = rows(stores, "audit")
    again = form.send()
    assert (again.status_code, again.headers["location"]) == (303, first.headers["location"])
    assert rows(stores, "audit") == before


@pytest.mark.parametrize(
    "changed",
    [{"instance": "rsi_reversion"}, {"instance": "-"}, {"symbol": "BTC/USDT"}, {"reason": "else"}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_form_that_is_sent_again_with_other_words(
    changed: dict[str, str], panel: Panel, stores: Path
) -> None:
    form = filled(panel("operator"), "pause", instance="ema_cross")
    assert form.send().status_code == 303
    refused = form.send(**changed)
    assert refused.status_code == 409
    assert "sent before, with other words" in refused.text
    other = Filled(form.client, "/do/close", form.fields)
    assert other.send().status_code == 409
    assert [row["reason"] for row in given(stores, form)] == ["a test"]


def test_a_key_of_another_session(panel: Panel, stores: Path) -> None:
    theirs = filled(panel("admin"), "pause")
    own = filled(panel("operator"), "pause")
    refused = own.send(key=theirs.fields["key"])
    assert refused.status_code == 403
    assert "was of another session" in refused.text
    assert not given(stores, theirs)
    assert theirs.send().status_code == 303
    assert own.send(key=theirs.fields["key"]).status_code == 403
    assert panel("operator").get(f"/do/answer/{theirs.fields['key']}").status_code == 404


def test_a_form_that_was_left_open_too_long(panel: Panel, stores: Path) -> None:
    form = filled(panel("operator"), "pause")
    old = new_key(form.fields["csrf"], clock.now_ms() - KEY_MINUTES * 60_000 - 1_000)
    refused = form.send(key=old)
    assert refused.status_code == 409
    assert "This form was old" in refused.text
    assert old not in [row["key"] for row in rows(stores, "command")]


@pytest.mark.parametrize(
    ("headers", "csrf"),
    [({}, "-"), (FROM_HERE, "-"), (FROM_HERE, "0" * 64), ({"Origin": "https://evil.example"}, "")],
)
def test_a_form_of_another_site(
    headers: dict[str, str], csrf: str, panel: Panel, stores: Path
) -> None:
    form = filled(panel("operator"), "pause")
    sent = form.send(headers, csrf=csrf or form.fields["csrf"])
    assert sent.status_code == 403
    assert not given(stores, form)


@pytest.mark.parametrize(
    "fields",
    [
        {"key": ["a", "b"]},
        {"key": "no key"},
        {"key": "\0"},
        {"instance": ["a", "b"]},
        {"symbol": "\0"},
    ],
)
def test_fields_that_make_no_sense(fields: dict[str, Any], panel: Panel) -> None:
    form = filled(panel("operator"), "pause")
    sent = form.client.post(form.address, data=form.fields | fields, headers=FROM_HERE)
    assert 300 < sent.status_code < 500


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/do/sell", 404, "no such page"),
        ("/do/pause?instance=ema_cros", 400, "did you mean ema_cross?"),
        ("/do/pause?symbol=BTC", 400, "symbol: must be one of"),
        ("/do/kill?instance=ema_cross", 400, "must be about the whole account"),
        ("/do/answer/no.key.at.all", 404, "no such page"),
        ("/do/", 404, "no such page"),
    ],
)
def test_what_cannot_be_asked(address: str, status: int, sentence: str, panel: Panel) -> None:
    answer = panel("admin").get(address)
    assert answer.status_code == status
    assert sentence in answer.text


# ── what is said ──────────────────────────────────────────────────────────────────────────────


def test_the_form_says_in_figures_what_will_happen(panel: Panel) -> None:
    words = " ".join(re.sub("<[^>]*>", " ", panel("operator").get("/do/flatten").text).split())
    assert re.search(r"Sell 0\.01 (ETH|BTC) at market, about \d[\d,]*\.\d\d USDT\.", words)
    assert "Nothing is opened here until somebody resumes." in words
    assert "The engine is not running: it obeys when it is started." in words
    assert "/KILL" in words


def test_what_was_asked_for_is_in_the_audit(panel: Panel, stores: Path) -> None:
    filled(panel("operator"), "pause", instance="ema_cross", symbol="ETH/USDT").send(reason="news")
    last = rows(stores, "audit")[-1]
    assert (last["who"], last["action"], last["outcome"]) == ("operator", "do pause", "done")
    assert last["sentence"] == "asked for pause ema_cross ETH/USDT: news"
    assert last["address"] == "testclient"


def test_htmx_gets_a_part_and_others_a_page(panel: Panel) -> None:
    client = panel("operator")
    assert client.get("/do/pause", headers=HTMX).text.strip().startswith("<section")
    assert client.get("/do/pause").text.startswith("<!doctype html>")
    sent = filled(client, "pause").send(HTMX)
    assert sent.text.strip().startswith("<section")
    assert "The engine is not running." in sent.text
