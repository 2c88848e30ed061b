"""The positions: each with its figures and what guards it, live and after the engine has gone."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.core.records import Kind
from engine.store import journal
from tests.unit.live.engines import END, kill
from tests.web.conftest import Panel
from tests.web.test_overview import live, viewing, words
from web import present
from web.figures import holdings, priced
from web.routes import positions
from web.view import Health, Held, Mark, Reader, Role, View, Who

LONG = Held("ema_cross", "BTC/USDT", 0.5, 60_000.0, 58_900.0, 68_200.0, 1, 1, False)
SHORT = Held("rsi_reversion", "ETH/USDT", -2.0, 3_000.0, None, None, 2, 0, True)
WAITS = Held("rsi_reversion", "BTC/USDT", 0.0, 0.0, None, None, 0, 2, False)
MARKS = {"BTC/USDT": Mark(62_000.0, 7), "ETH/USDT": Mark(3_100.0, 8)}


def drawn(view: View) -> str:
    """Return the text of the page's live part."""
    return live(view, positions.PAGE)


def held(view: View, *books: Held, marks: dict[str, Mark] = MARKS, role: Role = "operator") -> View:
    """Return a view of an engine that holds these."""
    state = replace(
        view.state, source="stream", held=books, marks=marks, equity=40_000.0, cash=9_000.0
    )
    return replace(view, state=state, who=Who(role, role))


def test_what_an_engine_left_is_shown(panel: Panel, stores: Path) -> None:
    page = panel("viewer").get("/positions")
    assert page.status_code == 200, page.text
    text = words(page.text)
    with viewing(stores, is_held=False) as view:
        books = holdings(priced(view), view.settings)
    assert books
    for book in books:
        share = present.percent((book.value or 0.0) / (view.state.equity or 1.0), digits=1)
        wanted = (book.symbol, present.price(book.entry), present.money(book.value), share)
        assert all(one.replace("\N{NO-BREAK SPACE}", " ") in text for one in wanted)
    assert "/do/close" not in page.text
    closes = panel("operator").get("/positions").text
    assert f"/do/close?instance={books[0].instance}" in closes


def test_prices_are_the_last_ones_of_an_engine_that_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    kill(folder, "commit.after:12", END, "store.snapshot_events=1000000")
    (run,) = (folder / "journal").iterdir()
    events = np.concatenate(list(journal.read(folder / "journal", run.name)))
    ticks = events[events["kind"] == Kind.TICK]
    with viewing(folder, is_held=False) as view:
        found = holdings(priced(view), view.settings)
        recount = (view.state.cash or 0.0) + sum(book.value or 0.0 for book in found)
        heard = replace(view, state=replace(view.state, source="stream"))
        assert priced(heard).marks == view.state.marks == {}
        for ago in (0, 600_000):  # the journal may be ahead of what was committed
            then = replace(view.state, ts=view.state.ts - ago)
            marks = priced(replace(view, state=then)).marks
            assert marks.keys() == {book.symbol for book in found} != set()
            for symbol, mark in marks.items():
                is_of_it = ticks["symbol"] == view.settings.universe.symbols.index(symbol)
                known = ticks[is_of_it & (ticks["ts"] // 60_000 <= then.ts // 60_000)]
                assert mark.price == known["bar"]["close"][-1]
                assert 0 <= then.ts - mark.ts < 60_000
    assert recount == pytest.approx(view.state.equity, rel=1e-3)


def test_a_book_says_what_guards_it(stores: Path) -> None:
    with viewing(stores) as view:
        text = drawn(held(view, LONG, SHORT))
    assert "ema_cross BTC/USDT long ↗ 0.5 60,000 62,000 31,000.00 +77.5 %" in text
    assert "+1,000.00 +3.33 % 58,900 −5.00 % 68,200 +10.00 % stop set 1 order works" in text
    assert "rsi_reversion ETH/USDT short ↘ 2 3,000 3,100 −6,200.00 −15.5 %" in text
    assert "−200.00 −3.33 % – – no stop paused" in text
    assert "Open profit (USDT) +800.00" in text
    assert "Exposure, gross 93.0 %" in text
    assert "Exposure, net +62.0 %" in text
    assert "Cash (USDT) 9,000.00" in text


def test_an_order_that_waits_is_no_position(stores: Path) -> None:
    with viewing(stores) as view:
        text = drawn(held(view, WAITS))
    assert "Open positions 0" in text
    assert "Nothing is held." in text
    assert "Waiting to be filled rsi_reversion BTC/USDT 2 orders work" in text


def test_without_a_price_no_figure_is_made_up(stores: Path) -> None:
    with viewing(stores) as view:
        text = drawn(held(view, LONG, marks={}))
    assert "0.5 60,000 – – – 58,900 68,200 stop set" in text
    assert "Open profit (USDT) –" in text
    assert "Exposure, gross –" in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_held_teaches(language: str, stores: Path, tmp_path: Path) -> None:
    with viewing(stores) as view:
        flat = drawn(replace(held(view), reader=Reader(language)))
    with viewing(tmp_path / "none", is_held=False) as view:
        never = drawn(replace(view, reader=Reader(language)))
    assert "chanquant up" in never
    assert "chanquant up" not in flat
    assert ("Nothing is held." in flat) == (language == "en")


@pytest.mark.parametrize(
    ("health", "sentence"), [("stopped", "stands still"), ("silent", "was last heard of")]
)
def test_what_is_old_says_so(health: Health, sentence: str, stores: Path) -> None:
    with viewing(stores) as view:
        state = replace(view.state, health=health, heard_at=1_704_067_200_000)
        text = drawn(replace(view, state=state))
        running = drawn(replace(view, state=replace(state, health="running")))
    assert re.search(rf"The engine [^.]*{sentence}[^.]* 2024-01-01 00:00:00", text)
    assert sentence not in running


def test_flatten_is_offered_to_whom_may(stores: Path) -> None:
    with viewing(stores) as view:
        assert "Flatten" in drawn(held(view, LONG))
        assert "Flatten" not in drawn(held(view, LONG, role="viewer"))
        assert "Flatten" not in drawn(held(view))
