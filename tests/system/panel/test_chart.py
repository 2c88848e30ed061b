"""The chart in Chromium: its bars are those of the journal, and it marks what was traded on them.

The market runs 600 times as fast as a clock, so that bars close and trades end while one looks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from engine.store.bars import Bars
from engine.store.database import read_only
from engine.store.tables import Row, tables
from tests.system.panel.seen import context_of
from tests.system.panel.started import PASSWORD, Started, started

SYMBOL = "BTC/USDT"
MARKET = (
    f"universe.symbols=[{SYMBOL}]",
    "strategy=[ema_cross,buy_and_hold]",
    "strategy.buy_and_hold.exits.stop_loss=0.3",
    "strategy.buy_and_hold.exits.take_profit=0.6",
    'feed.start="2024-01-01"',
    "feed.speed=600",
)
MINUTE_MS = 60_000
FORMING = 2  # bars at the end that may have grown since
PATIENCE_MS = 60_000
CHART = """klinecharts.init("chart")"""  # the one that is drawn there already
BARS = f"{CHART}.getDataList().map(b => [b.timestamp, b.open, b.high, b.low, b.close, b.volume])"
LAST = f"{CHART}.getDataList().at(-1).timestamp"
MARKS = f"""{CHART}.getOverlays().map(({{ name, points, extendData }}) =>
    [name, points.map(p => p.value), extendData.text ?? extendData.id])"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Return engine and panel with a market that is in a hurry."""
    with started("up", tmp_path_factory.mktemp("chart") / "var", *MARKET) as one:
        one.said(PASSWORD)
        yield one


@pytest.fixture
def page(browser: Browser, up: Started) -> Iterator[Page]:
    """Return the chart, once a trade is marked on it."""
    opened = context_of(browser, up)
    page = opened.new_page()
    page.goto(f"{up.address}/chart?symbol={SYMBOL}&timeframe=1m")
    page.wait_for_selector("canvas", timeout=PATIENCE_MS)
    until(page, f"{MARKS}.some(([name]) => name === 'trade')")
    yield page
    opened.close()


def until(page: Page, condition: str) -> None:
    """Wait until something is so. `wait_for_function` would need eval, which the page forbids."""
    page.evaluate(
        f"""async () => {{
            const end = performance.now() + {PATIENCE_MS};
            while (!({condition})) {{
                if (performance.now() > end) throw new Error("it never was so");
                await new Promise(requestAnimationFrame);
            }}
        }}"""
    )


def rows(folder: Path, table: str) -> list[Row]:
    """Return what the engine's store has of the symbol."""
    kept = tables("engine")[table]
    database = read_only(folder)
    with database.connect() as connection:
        found = connection.execute(select(kept).where(kept.c.symbol == SYMBOL)).mappings().all()
    database.dispose()
    return [dict(row) for row in found]


def is_journals(bars: list[list[float]], folder: Path, span: int) -> None:
    """Raise where the bars of a chart are not those of the journal, each of them."""
    closed = bars[:-FORMING]
    kept = Bars(folder / "journal").of(SYMBOL, span, len(bars) + 10_000).bars
    wanted = kept[(kept["ts"] >= closed[0][0]) & (kept["ts"] <= closed[-1][0])]
    assert len(closed) == len(wanted)
    for bar, row in zip(closed, wanted.tolist(), strict=True):
        assert bar == pytest.approx(list(row), rel=1e-6)  # volumes are rounded off


def test_bars_are_those_of_the_journal_in_each_timeframe(page: Page, up: Started) -> None:
    is_journals(page.evaluate(BARS), up.folder, MINUTE_MS)
    page.locator("#timeframes").get_by_role("link", name="5m", exact=True).click()
    page.wait_for_url("**timeframe=5m**")
    page.wait_for_selector("canvas")
    until(page, f"{CHART}.getDataList().length > {FORMING + 1}")
    is_journals(page.evaluate(BARS), up.folder, 5 * MINUTE_MS)


def test_bars_arrive_without_a_reload(page: Page, up: Started) -> None:
    page.evaluate("window.isTheSame = true")
    before = page.evaluate(LAST)
    until(page, f"{LAST} >= {before + 20 * MINUTE_MS}")
    assert page.evaluate("window.isTheSame")
    is_journals(page.evaluate(BARS), up.folder, MINUTE_MS)


def test_trades_and_what_is_held_are_marked(page: Page, up: Started) -> None:
    marks: list[Any] = page.evaluate(MARKS)
    kept = {f"{row['seq']}.{row['ordinal']}": row for row in rows(up.folder, "trade")}
    made = {name: values for kind, values, name in marks if kind == "trade"}
    assert made
    for name, values in made.items():
        assert values == [float(kept[name]["entry"]), float(kept[name]["exit"])]
    (held,) = (row for row in rows(up.folder, "position") if row["instance"] == "buy_and_hold")
    lines = {text: values for kind, values, text in marks if kind == "level"}
    for word, column in (("entry", "entry"), ("stop", "stop"), ("take-profit", "take")):
        assert lines[f"{word} · buy_and_hold"] == [pytest.approx(float(held[column]))]
    assert [float(held["entry"])] in [values for kind, values, _ in marks if kind == "entry"]
    newest = max(kept, key=lambda name: tuple(map(int, name.split("."))))
    until(page, f"{MARKS}.some(([_, __, name]) => name === '{newest}')")
    expect(page.locator(f"#trade-{newest.replace('.', '-')}")).to_be_visible()
