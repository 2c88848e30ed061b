"""The overview: every figure is one that the store has, and says what it is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import event, insert, select

from engine import clock
from engine.store.database import open_engine
from engine.store.tables import Row, tables
from tests.unit.live.engines import STOP, copied, told, trade
from tests.web.conftest import Panel, settings_of
from web import present
from web.figures import holdings, priced
from web.happened import KINDS, LINES, happened
from web.instances import TRADES, standings
from web.panel import TEMPLATES
from web.recorded import recorded
from web.routes import overview
from web.stores import Stores
from web.view import Page, Reader, View, Who

ENGINE = tables("engine")
GOLDEN = Path(__file__).parents[1] / "golden" / "live" / "failure.txt"


@contextmanager
def viewing(folder: Path, *more: str, is_held: bool = True, **query: str) -> Iterator[View]:
    """Yield what pages are drawn from, while an engine runs or not."""
    stores, now = Stores(folder), clock.now_ms()
    with stores.reading() as (engine, panel):
        state = recorded(engine, is_held, now, 150_000)
        who = Who("operator", "operator")
        yield View(settings_of(folder, *more), engine, panel, state, query, who, Reader(), now)
    stores.close()


def words(page: str) -> str:
    """Return the text of a page, its white space made even."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def live(view: View, page: Page) -> str:
    """Return the text of the live part of a page, as the panel draws it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    present.install(environment)
    template = environment.get_template(f"partials/{page.name}.html")
    return words(template.render(page.context(view), view=view, page=page, csrf=""))


def rows(view: View, name: str) -> list[Row]:
    """Return all rows of a table, the oldest first."""
    table = ENGINE[name]
    found = view.engine.execute(select(table).order_by(*table.primary_key)).mappings()
    return [dict(row) for row in found]


# ── the page ──────────────────────────────────────────────────────────────────────────────────


def test_its_figures_are_those_of_the_store(panel: Panel, stores: Path) -> None:
    page = panel("viewer").get("/")
    assert page.status_code == 200, page.text
    text = words(page.text)
    with viewing(stores, is_held=False) as view:
        assert view.state.equity is not None
        highest = max(float(row["equity"]) for row in rows(view, "equity"))
        books = holdings(priced(view), view.settings)
        today = view.state.equity - float(rows(view, "equity")[0]["equity"])
    assert f"Equity (USDT) {present.money(view.state.equity)}" in text
    assert f"Today (USDT) {present.signed_money(today)}" in text
    fall = view.state.equity / max(highest, view.state.equity) - 1.0
    assert f"Drawdown {present.percent(fall)}".replace("\N{NO-BREAK SPACE}", " ") in text
    assert f"Open positions {len(books)}" in text
    assert books
    for book in books:
        assert present.price(book.entry) in text
        assert present.signed_money(book.profit) in text
    for odd in ("None", "nan", "undefined", "Undefined", "e-0", "inf "):
        assert odd not in text, odd


def test_an_address_chooses_range_and_kind(panel: Panel) -> None:
    page = panel("viewer").get("/?range=1h&kind=trades").text
    assert 'href="?range=7d&amp;kind=trades"' in page
    assert 'href="?range=1h&amp;kind=fills"' in page
    assert len(re.findall(r'aria-current="true"', page)) == 2


@pytest.mark.parametrize("query", ["range=2h", "kind=orders;drop", "range=%00", "kind=" + "x" * 99])
def test_an_address_that_asks_for_nothing_is_refused(panel: Panel, query: str) -> None:
    assert panel("viewer").get(f"/?{query}").status_code == 400


def test_a_viewer_gets_no_buttons(panel: Panel) -> None:
    assert "/do/close" not in panel("viewer").get("/").text
    assert "/do/close?instance=" in panel("operator").get("/").text


def test_limits_stand_beside_what_they_limit(stores: Path) -> None:
    limits = ("risk=[gross_exposure,open_positions]", "risk.gross_exposure.ratio_max=0.8")
    with viewing(stores, *limits) as view:
        found = overview.context(view)
    assert (found["gross_limit"], found["count_limit"]) == (0.8, 10)


# ── before there is anything ──────────────────────────────────────────────────────────────────


def test_before_the_first_start(tmp_path: Path) -> None:
    with viewing(tmp_path / "none", is_held=False) as view:
        found = overview.context(view)
    assert view.state.health == "never"
    assert (found["now"], found["today"], found["plot"], found["lines"]) == (None, None, None, [])
    assert [one.stand for one in found["standings"]] == ["not running"] * 2


# ── alerts ────────────────────────────────────────────────────────────────────────────────────


def test_alerts_are_the_warnings_and_errors_of_a_day(stores: Path, tmp_path: Path) -> None:
    folder, now = copied(stores, tmp_path / "var"), clock.now_ms()
    with viewing(folder) as view:
        run = view.state.run
    told = [("lag", "warning", now - 5), ("task", "error", now - 3), ("lag", "warning", 0)]
    store(folder, "event", [happening(run, *one) for one in told])
    with viewing(folder) as view:
        assert [row["kind"] for row in overview.context(view)["alerts"]] == ["task", "lag"]


def happening(run: str | None, kind: str, severity: str, ts: int, sentence: str = "") -> Row:
    """Return a row of `event`."""
    made = {"kind": kind, "severity": severity, "ts": ts, "sentence": sentence or f"{kind}."}
    return made | {"run": run, "data": "{}"}


def store(folder: Path, table: str, rows: list[Row]) -> None:
    """Put rows into a store."""
    engine = open_engine(folder)
    with engine.begin() as connection:
        connection.execute(insert(ENGINE[table]), rows)
    engine.dispose()


# ── instances ─────────────────────────────────────────────────────────────────────────────────


def test_instances_say_what_they_wanted_and_earned(stores: Path) -> None:
    with viewing(stores) as view:
        signals, decisions = rows(view, "signal"), rows(view, "decision")
        trades = rows(view, "trade")
        middle = trades[len(trades) // 2]["seq"]
        found = standings(view, middle)
    assert [one.name for one in found] == ["ema_cross", "rsi_reversion"]
    for one in found:
        assert one.stand == "trading"
        last = [row for row in signals if row["instance"] == one.name][-1]
        assert one.wanted is not None
        assert one.wanted.row == last
        book = ("seq", "instance", "symbol")
        said = [row for row in decisions if all(row[key] == last[key] for key in book)]
        assert [one.wanted.decision] == said
        mine = [row for row in trades if row["instance"] == one.name]
        today = [row["profit"] for row in mine if row["seq"] > middle]
        assert one.trades == len(today) > 0
        assert one.profit == pytest.approx(float(sum(today)))
        assert len(one.curve) == min(len(mine), TRADES) + 1
        assert one.curve[-1] == pytest.approx(float(sum(r["profit"] for r in mine[-TRADES:])))


def test_why_a_signal_was_denied(tmp_path: Path) -> None:
    small = "risk.order_notional.notional_max='1'"
    trade(tmp_path / "var", STOP, small)
    with viewing(tmp_path / "var") as view:
        (denied, *_) = [line for line in happened(view, "signals") if line.denials]
        (one, *_) = standings(view, -1)
    assert [row["reason"] for row in denied.denials] == ["order_notional_above_limit"]
    assert denied.decision is not None
    assert not denied.decision["approved"]
    assert one.wanted is not None
    assert one.wanted.decision is not None


@pytest.mark.parametrize(
    ("place", "stands", "paused"),
    [
        ({}, ["paused", "paused"], [True, True]),
        ({"instance": "ema_cross"}, ["paused", "trading"], [True, False]),
        ({"symbol": "BTC/USDT"}, ["partly paused"] * 2, [None, None]),
        (
            {"instance": "ema_cross", "symbol": "BTC/USDT"},
            ["partly paused", "trading"],
            [None, False],
        ),
    ],
)
def test_what_a_person_has_paused(
    place: dict[str, str],
    stands: list[str],
    paused: list[bool | None],
    stores: Path,
    tmp_path: Path,
) -> None:
    folder = copied(stores, tmp_path / "var")
    told(folder, "pause", **place)
    with viewing(folder) as view:
        found = standings(view, -1)
        (latch,) = rows(view, "breaker")
        lines = [line for line in happened(view, "all") if line.kind in ("breaker", "answer")]
    assert [one.stand for one in found] == stands
    assert [one.paused for one in found] == paused
    assert [one.latches for one in found] == [[latch] if p is not False else [] for p in paused]
    assert {line.kind for line in lines} == {"breaker", "answer"}
    (answer,) = [line for line in lines if line.kind == "answer"]
    assert answer.command is not None
    assert (answer.command["who"], answer.command["action"]) == ("a trader", "pause")
    with viewing(folder, is_held=False) as view:
        found = standings(view, -1)
    assert [one.stand for one in found] == ["not running"] * 2
    assert [one.paused for one in found] == paused


def test_killed_is_said_of_each(stores: Path, tmp_path: Path) -> None:
    folder = copied(stores, tmp_path / "var")
    told(folder, "kill")
    with viewing(folder) as view:
        assert [one.stand for one in standings(view, -1)] == ["killed", "killed"]


@pytest.mark.parametrize("k", [0, 1])
def test_what_failed_is_left_out_until_a_run_says_otherwise(
    k: int, stores: Path, tmp_path: Path
) -> None:
    folder = copied(stores, tmp_path / "var")
    sentence = GOLDEN.read_text().splitlines()[k].replace("brittle", "ema_cross")
    kind = ("failure", "recovery")[k]
    with viewing(folder) as view:
        assert view.state.run is not None
        store(folder, "event", [happening(view.state.run, kind, "error", 0, sentence)])
    with viewing(folder) as view:
        found = standings(view, -1)
        later = standings(replace(view, state=replace(view.state, run="another")), -1)
    assert [one.stand for one in found] == ["failed", "trading"]
    assert found[0].failures == [sentence]
    assert [one.stand for one in later] == ["trading", "trading"]


# ── what happened ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["signals", "orders", "fills", "trades"])
def test_a_kind_is_the_newest_of_its_table(kind: str, stores: Path) -> None:
    with viewing(stores) as view:
        found = happened(view, kind)
        newest = rows(view, kind[:-1])[::-1][:LINES]
    assert [line.row for line in found] == newest


def test_all_is_the_newest_of_every_kind(stores: Path) -> None:
    with viewing(stores) as view:
        found = happened(view, "all", 40)
        stories = [(r["ts"], r["seq"]) for table in ("signal", "fill") for r in rows(view, table)]
        stories += [(r["closed_at"], r["seq"]) for r in rows(view, "trade")]
    lines = [(line.ts, line.seq) for line in found if line.kind != "event"]
    assert lines == sorted(stories, reverse=True)[: len(lines)]
    assert {line.kind for line in found} == {"signal", "fill", "trade", "event"}
    times = [line.ts for line in found]
    assert times == sorted(times, reverse=True)


def test_a_refused_order_is_told(tmp_path: Path) -> None:
    trade(tmp_path / "var", STOP, "account.cash='1'")
    with viewing(tmp_path / "var") as view:
        found = [line for line in happened(view, "all") if line.kind == "order"]
    assert found
    assert {line.row["status"] for line in found} == {"refused"}


def test_every_kind_is_drawn(stores: Path, tmp_path: Path) -> None:
    folder = copied(stores, tmp_path / "var")
    told(folder, "pause", "ema_cross", reason="looks odd")
    with viewing(folder) as view:
        asked = {kind: replace(view, query={"kind": kind}) for kind in KINDS}
        texts = {kind: live(one, overview.PAGE) for kind, one in asked.items()}
    assert "wants +1 at" in texts["signals"]
    assert "placed" in texts["orders"]
    assert re.search(r"(bought|sold) 0.01 at", texts["fills"])
    assert re.search(r"after \d+ \w+.*, from", texts["trades"])
    assert "pause ema_cross set a trader: looks odd" in texts["events"]
    assert "a trader: pause ema_cross · paused ema_cross done" in texts["events"]
    assert "started anew" in texts["events"]


# ── what it costs ─────────────────────────────────────────────────────────────────────────────


def test_no_table_is_read_through(stores: Path) -> None:
    asked: list[tuple[str, Any]] = []
    with viewing(stores) as view:
        overview.context(view)  # the highs are known now
        event.listen(
            view.engine.engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3]))
        )
        for kind in KINDS:
            overview.context(replace(view, query={"kind": kind, "range": "all"}))
        for statement, given in asked.copy():
            plan = view.engine.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
            for step in (row[3] for row in plan):
                is_end = "LIMIT" in statement and "WHERE" not in statement  # of the key, a few rows
                is_small = step.split()[-1] in ("grid", "breaker", "ROW")
                assert "SCAN" not in step or is_end or is_small, (step, statement)
                assert "TEMP B-TREE" not in step or "breaker" in statement, (step, statement)
    assert len(asked) > 50
