"""What the engine answers appears where it was asked for."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from litestar.testing import TestClient

from engine import clock
from engine.store import queries
from engine.store.database import open_panel, read_only
from engine.store.lock import alone
from engine.store.tables import Row
from tests.unit.live.engines import answered, standing, trade
from tests.web.conftest import END, HOST, PASSWORDS, logged_in, settings_of
from tests.web.forms import HTMX, filled, given
from web import accounts
from web.app import create
from web.routes import do
from web.sessions import COOKIE

Apart = tuple[Path, Callable[[str], httpx.Client]]


@pytest.fixture
def apart(traded: Path, tmp_path: Path) -> Iterator[Apart]:
    """Return a folder of the test's own, where an engine may be started, and its panel."""
    folder = tmp_path / "var"
    shutil.copytree(traded, folder)
    with TestClient(create(settings_of(folder)), base_url=HOST) as client:

        def of(role: str) -> httpx.Client:
            cookies = {COOKIE: logged_in(folder, role)}
            return httpx.Client(transport=client._transport, base_url=HOST, cookies=cookies)

        yield folder, of


@contextmanager
def as_if_running(folder: Path, client: httpx.Client, address: str) -> Iterator[None]:
    """Hold the store as an engine does, from when the panel has noticed."""
    with alone(folder):
        deadline = clock.seconds() + 60.0
        while "engine is not running" in client.get(address).text:
            assert clock.seconds() < deadline
        yield


def test_the_answer_appears_where_it_was_asked_for(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, of = apart
    client = of("operator")
    monkeypatch.setattr(do, "ANSWER_SECONDS", 600)  # however slow the machine is
    form = filled(client, "pause", instance="rsi_reversion")
    address = form.send().headers["location"]
    with as_if_running(folder, client, address):
        waiting = client.get(address)
        assert "Sent. Waiting for the engine" in waiting.text
        assert 'http-equiv="refresh"' in waiting.text
        assert client.get(f"{address}?stage=waiting", headers=HTMX).status_code == 204
        monkeypatch.setattr(do, "ANSWER_SECONDS", 0)
        silent = client.get(f"{address}?stage=waiting", headers=HTMX)
        assert "No answer within 0 s" in silent.text
        assert "/KILL" in silent.text

    async def obeyed() -> Row:
        async with standing(folder):
            return await answered(folder, given(folder, form)[0]["id"])

    row = asyncio.run(obeyed())
    assert row["sentence"] == "paused rsi_reversion"
    said = client.get(f"{address}?stage=waiting", headers=HTMX).text
    assert "paused rsi_reversion" in said
    assert f'/chain?seq={row["seq"]}"' in said
    assert "hx-trigger" not in said


def test_the_answer_to_what_the_engine_refuses(apart: Apart) -> None:
    folder, of = apart
    client = of("admin")
    form = filled(client, "rearm")
    address = form.send().headers["location"]
    (folder / "KILL").touch()

    async def refused() -> Row:
        async with standing(folder):
            return await answered(folder, given(folder, form)[0]["id"])

    row = asyncio.run(refused())
    (folder / "KILL").unlink()
    assert row["outcome"] != "done"
    assert "must be removed before rearm" in client.get(address).text


def test_before_the_first_start_a_command_waits_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    people = open_panel(folder)
    for role in ("operator", "admin"):
        accounts.add(people, role, role, PASSWORDS[role], accounts.By("a test", ""))
    people.dispose()
    with TestClient(create(settings_of(folder)), base_url=HOST) as client:
        operator, admin = (
            httpx.Client(
                transport=client._transport,
                base_url=HOST,
                cookies={COOKIE: logged_in(folder, role)},
            )
            for role in ("operator", "admin")
        )
        form = filled(operator, "kill")
        told = operator.get("/do/kill").text
        assert "Nothing is held here, so nothing is sold." in told
        assert "The engine is not running: it obeys when it is started." in told
        assert form.send().status_code == 303
        assert [row["id"] for row in given(folder, form)] == [1]
        trade(folder, END)
        deadline = clock.seconds() + 60.0
        while "A kill is in force" not in operator.get("/do/kill").text:
            assert clock.seconds() < deadline
        assert 'href="/do/rearm"' in admin.get("/do/kill").text
        assert 'href="/do/rearm"' not in operator.get("/do/kill").text
    database = read_only(folder)
    with database.connect() as connection:
        row = queries.answer(connection, 1)
    database.dispose()
    assert row is not None
    assert row["sentence"] == "killed: nothing is opened until rearm"
