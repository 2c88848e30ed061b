"""System: versions, runs, stores and health are what the store says; an admin ends sessions."""

import re
import shutil
import sqlite3
from contextlib import closing
from html import unescape
from pathlib import Path

import httpx
import pytest
from litestar.testing import TestClient
from sqlalchemy import create_engine, insert, select

from engine import clock
from engine.store.database import HEADS, path_of
from engine.store.tables import METADATA, tables
from tests.web.conftest import HOST, Panel, logged_in, settings_of
from tests.web.views import looking
from web.app import create
from web.availability import DAY_MS, DAYS, MINUTE_MS, Day, availability, overall
from web.sessions import COOKIE

NOON = 20_000 * DAY_MS + DAY_MS // 2


def words(page: str) -> str:
    """Return the text of a page, its white space made even."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def page_of(folder: Path, role: str = "viewer", *more: str) -> str:
    """Return the page of a panel over a folder of the test's own."""
    with TestClient(create(settings_of(folder, *more)), base_url=HOST) as client:
        client.cookies = {COOKIE: logged_in(folder, role)}
        answer = client.get("/system")
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.fixture(scope="module", autouse=True)
def beaten(stores: Path) -> None:
    """Have two heartbeats in the store, one long ago: a run that ends at once may write none."""
    now = clock.now_ms() // MINUTE_MS * MINUTE_MS
    beat = "(?, (select id from run), 7, 8, 9.0, 10.0, 11000000, 12)"
    with closing(sqlite3.connect(path_of(stores, "engine"))) as connection, connection:
        for minute in (now - 3 * DAY_MS, now + 10 * MINUTE_MS):
            connection.execute(f"insert into heartbeat values {beat}", [minute])


# ── what is shown ─────────────────────────────────────────────────────────────────────────────


def test_the_run_and_its_configuration_are_shown(panel: Panel, stores: Path) -> None:
    page = panel("viewer").get("/system").text
    with looking(stores) as view:
        (run,) = view.engine.execute(select(tables("engine")["run"])).mappings()
        (config,) = view.engine.execute(select(tables("engine")["config"])).mappings()
    text = words(page)
    for told in (run["id"], run["code_version"], run["host"], run["config_hash"][:12]):
        assert told in text
    assert config["yaml"] in unescape(page)
    assert "began anew" in text


def test_the_stores_are_shown_with_their_schema(panel: Panel) -> None:
    text = words(panel("viewer").get("/system").text)
    for store, schema in HEADS.items():
        assert re.search(rf"{store}\.db [\d.]+ {schema}", text)
    assert re.search(r"journal [\d.]+ –", text)


def test_another_configuration_of_the_panel_is_said(
    traded: Path, tmp_path: Path, panel: Panel
) -> None:
    folder = tmp_path / "var"
    shutil.copytree(traded, folder)
    said = "The panel was started with another configuration"
    assert said in page_of(folder, "viewer", "risk.order_notional.notional_max=1")


def test_before_the_first_start_it_teaches(traded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    shutil.copy(path_of(traded, "panel"), folder)
    text = words(page_of(folder))
    assert "never started" in text
    assert "No heartbeat yet" in text


# ── availability ──────────────────────────────────────────────────────────────────────────────


def days_of(minutes: list[int], now: int = NOON) -> list[tuple[int, int, float | None]]:
    """Return (minutes, beats, ratio) of each day of an engine with heartbeats at some minutes."""
    memory = create_engine("sqlite://")
    METADATA["engine"].create_all(memory)
    beat = tables("engine")["heartbeat"]
    other = dict.fromkeys(
        ("seq", "market_ts", "lag_ms", "loop_lag_ms", "memory_bytes", "handles"), 0
    )
    with memory.begin() as connection:
        rows = [{"ts": minute, "run": "a"} | other for minute in minutes]
        if rows:
            connection.execute(insert(beat), rows)
        return [(day.minutes, day.beats, day.ratio) for day in availability(connection, now)]


def test_a_day_counts_from_the_very_first_heartbeat() -> None:
    begun = NOON - 60 * MINUTE_MS
    days = days_of([begun + k * MINUTE_MS for k in range(60)])
    assert len(days) == DAYS
    assert days[:-1] == [(0, 0, None)] * (DAYS - 1)
    assert days[-1] == (60, 60, 1.0)


def test_minutes_without_a_heartbeat_count_as_missing() -> None:
    midnight = 20_000 * DAY_MS
    yesterday = [midnight - DAY_MS + k * MINUTE_MS for k in range(0, 1_440, 2)]
    days = days_of(yesterday)
    assert days[-2:] == [(1_440, 720, 0.5), (720, 0, 0.0)]


def test_the_present_minute_may_still_come_and_does_not_count_twice() -> None:
    minutes = [NOON - 2 * MINUTE_MS, NOON - MINUTE_MS, NOON]
    assert days_of(minutes, NOON + 1_000)[-1] == (2, 2, 1.0)


def test_what_is_older_than_thirty_days_is_not_counted() -> None:
    days = days_of([NOON - 40 * DAY_MS])
    assert len(days) == DAYS
    assert days[0] == (1_440, 0, 0.0)
    assert days_of([]) == []


def test_the_days_together_weigh_by_their_minutes() -> None:
    assert overall([Day(0, 0, 0), Day(1, 100, 50), Day(2, 10, 10)]) == 60 / 110
    assert overall([Day(0, 0, 0)]) is None


def test_each_day_and_the_last_heartbeat_are_shown(panel: Panel) -> None:
    page = panel("viewer").get("/system").text
    tones = re.findall(r"<g class=\"text-(\w+)\"", page)
    assert len(tones) == DAYS
    assert tones[0] == "secondary"  # there was no engine yet
    assert tones[-4:] == ["danger"] * 4  # it was there for a minute
    text = words(page)
    assert re.search(r"Memory \(MB\) 11\b", text)
    assert re.search(r"Open files 12\b", text)


# ── sessions ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_sessions_and_accounts_are_for_admins(panel: Panel, role: str) -> None:
    page = panel(role).get("/system").text
    assert "Who is logged in" not in page
    assert "session-" not in page
    assert "Accounts" not in words(page)


def csrf_of(page: str) -> str:
    """Return the token that forms carry."""
    found = re.search(r'name="csrf" value="(\w+)"', page)
    assert found
    return found[1]


def test_an_admin_ends_a_session(panel: Panel, stores: Path) -> None:
    admin = panel("admin")
    cookies = {COOKIE: logged_in(stores, "operator")}  # a session that no other test has
    other = httpx.Client(transport=admin._transport, base_url=HOST, cookies=cookies)
    assert other.get("/system").status_code == 200
    page = admin.get("/system").text
    key = re.findall(r'id="session-(\w+)">\s*<td[^>]*>operator<', page)[0]  # the newest is first
    data = {"id": key, "csrf": csrf_of(page)}
    answer = admin.post("/system/session", data=data, headers={"Origin": HOST})
    assert (answer.status_code, answer.headers["location"]) == (303, "/system")
    assert other.get("/system").status_code == 303
    assert f"session-{key}" not in admin.get("/system").text
    with looking(stores) as view:
        audit = tables("panel")["audit"]
        last = select(audit).order_by(audit.c.id.desc()).limit(1)
        row = view.panel.execute(last).mappings().one()
    assert (row["who"], row["sentence"]) == ("admin", "a session of operator was ended")
    again = admin.post("/system/session", data=data, headers={"Origin": HOST})
    assert again.status_code == 303


def test_nobody_else_ends_one(panel: Panel) -> None:
    operator, admin = panel("operator"), panel("admin")
    page = admin.get("/system").text
    keys = re.findall(r'id="session-(\w+)"', page)
    assert keys
    for key in keys:
        data = {"id": key, "csrf": csrf_of(page)}
        tries = [
            (operator, data, HOST, 403),
            (panel(""), data, HOST, 303),
            (admin, data, "https://elsewhere.example", 403),
            (admin, {"id": key}, HOST, 403),
        ]
        for client, fields, origin, status in tries:
            answer = client.post("/system/session", data=fields, headers={"Origin": origin})
            assert answer.status_code == status
            assert answer.headers.get("location", "/login").startswith("/login")
    assert re.findall(r'id="session-(\w+)"', admin.get("/system").text) == keys
