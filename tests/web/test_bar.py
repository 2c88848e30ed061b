"""The bar on top of every page: nobody takes paper for live, or a dead engine for a live one."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from engine.store.database import read_only
from tests.unit.live.engines import END, command, trade
from tests.web.conftest import settings_of
from tests.web.texts import WEB
from web import present
from web.view import Reader, State, View, Who

NOW = 1_704_110_400_000
RUNNING = State("running", "stream", heard_at=NOW - 1_000, mode="paper", ts=NOW - 3_000)

ENVIRONMENT = Environment(
    loader=FileSystemLoader(WEB / "templates"), autoescape=True, undefined=StrictUndefined
)
present.install(ENVIRONMENT)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def drawn(folder: Path, opened: ExitStack, state: State, reader: Reader | None = None) -> str:
    engine, panel = (read_only(folder, store) for store in ("engine", "panel"))
    for database in (engine, panel):
        opened.callback(database.dispose)
    view = View(
        settings=settings_of(folder),
        engine=opened.enter_context(engine.connect()),
        panel=opened.enter_context(panel.connect()),
        state=state,
        query={},
        who=Who("viewer", "viewer"),
        reader=reader or Reader(),
        now=NOW,
    )
    return ENVIRONMENT.get_template("partials/bar.html").render(view=view)


@pytest.mark.parametrize(
    ("change", "words", "marks"),
    [
        ({}, ["PAPER", "engine"], ["mode-info", "dot-ok", 'data-mode="paper"']),
        ({"mode": "live"}, ["LIVE"], ["mode-live", 'data-mode="live"']),
        ({"mode": "live", "killed": True}, ["HALTED"], ["mode-danger", 'data-mode="live"']),
        ({"health": "silent"}, ["engine silent"], ["dot-warning"]),
        ({"health": "stopped"}, ["engine stopped"], ["dot-danger"]),
        ({"source": "store"}, ["from the store"], []),
        ({"health": "never", "mode": None}, ["NO ENGINE", "engine never started"], ["mode-muted"]),
    ],
)
def test_bar_says_how_things_are(
    stores: Path, opened: ExitStack, change: dict[str, Any], words: list[str], marks: list[str]
) -> None:
    html = drawn(stores, opened, replace(RUNNING, **change))
    assert [said for said in words if f">{said}<" not in html.replace("\n", "")] == []
    assert [mark for mark in marks if mark not in html] == []


def test_market_of_an_engine_that_runs_is_old_later(stores: Path, opened: ExitStack) -> None:
    market = f'data-ms="{RUNNING.ts}" data-stale-ms='
    assert f'{market}"150000"' in drawn(stores, opened, RUNNING)
    assert f'{market}"1000"' in drawn(stores, opened, replace(RUNNING, health="stopped"))


def test_bar_names_what_holds_the_engine_back(
    stores: Path, tmp_path: Path, opened: ExitStack
) -> None:
    folder = tmp_path / "var"
    shutil.copytree(stores, folder)
    assert "cause" not in drawn(folder, opened, RUNNING)
    command(folder, "pause", "ema_cross", reason="<b>news</b>")
    command(folder, "kill")
    trade(folder, END.replace("06", "07"))
    html = drawn(folder, opened, RUNNING, Reader("zh"))
    assert "暂停 ema_cross · " in html
    assert "急停 · " in html
    assert "&lt;b&gt;news&lt;/b&gt;" in html
    assert ">已急停<" in html
