"""Events: what the engine said, what people asked for, who came in; each list a page at a time."""

import itertools
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from litestar.testing import TestClient
from sqlalchemy import select

from engine.store.database import open_panel, path_of
from engine.store.tables import ACTIONS, Row, tables
from tests.unit.live.engines import command, copied, told
from tests.web.conftest import HOST, PASSWORDS, Panel, logged_in, settings_of
from tests.web.views import looking, overheard, plans
from web import accounts
from web.app import create
from web.keyed import ROWS
from web.routes import events
from web.sessions import COOKIE
from web.view import Who

MANY = 100_000


def shown(page: str, kind: str) -> list[int]:
    """Return the ids of the rows of a page, in their order."""
    return [int(number) for number in re.findall(rf'<tr id="{kind}-(\d+)">', page)]


def words(page: str) -> str:
    """Return the text of a page, its white space made even."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def stored(folder: Path, name: str) -> list[Row]:
    """Return the rows of a table of either store, the newest first."""
    store = "engine" if name in tables("engine") else "panel"
    table = tables(store)[name]
    with looking(folder) as view:
        connection = view.engine if store == "engine" else view.panel
        found = connection.execute(select(table).order_by(*(c.desc() for c in table.primary_key)))
        return [dict(row) for row in found.mappings()]


def test_what_the_engine_said_stands_newest_first(panel: Panel, stores: Path) -> None:
    page = panel("viewer").get("/events").text
    rows = stored(stores, "event")
    assert [row["kind"] for row in rows] == ["stop", "start"]
    assert shown(page, "event") == [row["id"] for row in rows]
    for row in rows:
        assert row["sentence"] in words(page)


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ({"kind": "start"}, ["start"]),
        ({"kind": "failure"}, []),
        ({"severity": "info"}, ["stop", "start"]),
        ({"severity": "warning", "kind": "start"}, []),
        ({"severity": "info", "kind": "stop"}, ["stop"]),
    ],
)
def test_events_are_filtered(
    panel: Panel, stores: Path, query: dict[str, str], kinds: list[str]
) -> None:
    page = panel("viewer").get("/events", params=query).text
    of = {row["id"]: row["kind"] for row in stored(stores, "event")}
    assert [of[number] for number in shown(page, "event")] == kinds
    if not kinds:
        assert "None of these" in page


@pytest.mark.parametrize(
    "query",
    [
        {"list": "users"},
        {"kind": "x' or 1=1 --"},
        {"severity": "<b>"},
        {"list": "commands", "action": "buy"},
        {"older": "x"},
        {"older": "1_2"},
    ],
)
def test_what_there_is_not_is_refused(panel: Panel, query: dict[str, str]) -> None:
    assert panel("admin").get("/events", params=query).status_code == 400


def test_a_command_stands_with_its_answer(traded: Path, tmp_path: Path) -> None:
    folder = copied(traded, tmp_path / "var")
    answered = told(folder, "pause", "ema_cross", who="ann", reason="a <b>look</b>")
    late = command(folder, "close", symbol="BTC/USDT", who="bob")
    with TestClient(create(settings_of(folder)), base_url=HOST) as client:
        client.cookies = {COOKIE: logged_in(folder, "viewer")}
        page = client.get("/events", params={"list": "commands"}).text
        only = client.get("/events", params={"list": "commands", "action": "pause"}).text
    assert shown(page, "command") == [late, answered["command_id"]]
    assert shown(only, "command") == [answered["command_id"]]
    text = words(page)
    assert "pause ann ema_cross a <b>look</b> done paused ema_cross" in text
    assert "close bob BTC/USDT a test waiting The engine has not answered yet." in text
    assert f"/chain?seq={answered['seq']}" in page


def test_only_an_admin_sees_who_came_in(panel: Panel, stores: Path) -> None:
    pages = {role: panel(role).get("/events", params={"list": "audit"}).text for role in PASSWORDS}
    rows = stored(stores, "audit")
    assert {row["action"] for row in rows} >= {"login", "user add"}
    assert shown(pages["admin"], "audit") == [row["id"] for row in rows]
    for role in ("viewer", "operator"):
        assert shown(pages[role], "audit") == []
        assert "Only an admin sees this list." in pages[role]
        assert "127.0.0.1" not in pages[role]


def test_the_audit_is_filtered(panel: Panel, stores: Path) -> None:
    def ids(**query: str) -> list[int]:
        page = panel("admin").get("/events", params={"list": "audit"} | query)
        return shown(page.text, "audit")

    panel("admin")
    rows = stored(stores, "audit")
    assert ids(who="admin") == [row["id"] for row in rows if row["who"] == "admin"] != []
    assert ids(outcome="refused") == []
    assert ids(who="' or 1=1 --") == []


def test_heartbeats_are_listed(panel: Panel, stores: Path) -> None:
    with closing(sqlite3.connect(path_of(stores, "engine"))) as connection, connection:
        beat = "(60000, (select id from run), 7, 8, 9.0, 10.0, 11000000, 12)"
        connection.execute(f"insert into heartbeat values {beat}")
    page = panel("viewer").get("/events", params={"list": "heartbeats"}).text
    rows = stored(stores, "heartbeat")
    assert shown(page, "beat") == [row["ts"] for row in rows] != []
    assert "1970-01-01 00:01:00 9 10 11 12 7" in words(page)


def test_before_the_first_start_each_list_says_what_will_stand_there(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    store = open_panel(folder)
    accounts.add(store, "admin", "admin", PASSWORDS["admin"], accounts.By("a test", "shell"))
    store.dispose()
    wanted = {
        "events": "The engine has said nothing yet",
        "commands": "Nobody has asked for anything yet",
        "heartbeats": "No heartbeat yet",
    }
    with TestClient(create(settings_of(folder)), base_url=HOST) as client:
        client.cookies = {COOKIE: logged_in(folder, "admin")}
        for name, sentence in wanted.items():
            answer = client.get("/events", params={"list": name})
            assert answer.status_code == 200, answer.text
            assert sentence in answer.text


# ── long lists ────────────────────────────────────────────────────────────────────────────────


NUMBERS = f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {MANY})"
MADE = {  # store → table → what each row holds
    "engine": {
        "event": "1000 + i, i, (select id from run), iif(i % 1000, 'lag', 'task'),"
        " iif(i % 7, 'warning', 'error'), 'said ' || i, '{}'",
        "heartbeat": "i * 60000, (select id from run), i, i, 0, 0, 0, 0",
    },
    "panel": {
        "audit": "1000 + i, i, 'who' || (i % 9), 'login', iif(i % 5, 'done', 'refused'), 'x',"
        " '127.0.0.1'",
        "command": "1000 + i, i, 'ann', iif(i % 6, 'pause', 'kill'), null, null, 'x', 'key' || i",
    },
}


@pytest.fixture(scope="module")
def many(traded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose lists are long."""
    folder = tmp_path_factory.mktemp("many") / "var"
    shutil.copytree(traded, folder)
    for store, rows in MADE.items():
        with closing(sqlite3.connect(path_of(folder, store))) as connection, connection:
            for table, columns in rows.items():
                connection.execute(f"{NUMBERS} insert into {table} select {columns} from n")
    return folder


ADDRESSES: list[dict[str, Any]] = [
    *(
        {"severity": severity, "kind": kind}
        for severity, kind in itertools.product(["", "error", "info"], ["", "task", "start"])
    ),
    *({"list": "commands", "action": action} for action in ("", *ACTIONS)),
    *(
        {"list": "audit", "outcome": outcome, "who": who}
        for outcome, who in itertools.product(["", "refused"], ["", "who3", "nobody"])
    ),
    {"list": "heartbeats"},
]


def test_no_list_reads_a_table_through_or_sorts(many: Path) -> None:
    wrong = set()
    for address in [*ADDRESSES, *(one | {"older": "5000"} for one in ADDRESSES)]:
        with looking(many, address) as view:
            with overheard(view.engine) as first, overheard(view.panel) as second:
                events.context(replace(view, who=Who("admin", "admin")))
            asked = [(view.engine, list(first)), (view.panel, list(second))]
            for line in itertools.chain(*(plans(*one) for one in asked)):
                scanned = re.search(r"SCAN (\S+)", line)
                if (scanned and scanned[1] != "looked") or "TEMP B-TREE" in line:
                    wrong.add(f"{address}: {line}")
    assert not wrong


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"kind": "task"}, "ix_event_kind"),
        ({"severity": "error"}, "ix_event_severity"),
        ({"severity": "error", "kind": "task"}, "ix_event_kind"),
    ],
)
def test_an_index_finds_events(many: Path, query: dict[str, str], index: str) -> None:
    with looking(many, query) as view, overheard(view.engine) as said:
        events.context(view)
        assert any(index in line for line in plans(view.engine, list(said)))


def test_a_long_list_is_turned_over_page_by_page(many: Path) -> None:
    query, ids = {"severity": "error"}, []
    for turn in range(3):
        with looking(many, query) as view:
            page = events.context(view)["rows_page"]
        assert len(page.items) == ROWS
        assert (page.newer is None) == (turn == 0)
        ids += [row["id"] for row in page.items]
        query = dict(parse_qsl(page.older))
    assert ids == [1_000 + i for i in range(MANY, 0, -1) if i % 7 == 0][: 3 * ROWS]
