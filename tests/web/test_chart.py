"""The chart: its bars are the journal's, its marks are trades, its lines what is held."""

import json
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from sqlalchemy import select

from engine.store.bars import Bars
from engine.store.segment import segments
from engine.store.tables import Row, tables
from tests.unit.live.engines import settings
from tests.web.conftest import HOST, Panel, logged_in, settings_of
from tests.web.views import busy, looking, overheard, plans
from web import bars as charted
from web.app import create
from web.routes import chart
from web.sessions import COOKIE
from web.view import Held, Mark, State

MINUTE, HOUR = 60_000, 3_600_000
BTC = "BTC/USDT"


def news(page: str) -> Any:
    """Return what a page tells the chart."""
    (told,) = re.findall(r"data-news='([^']*)'", page)
    return json.loads(unescape(told))


def asked(client: httpx.Client, **query: Any) -> Any:
    """Return the bars and trades that are loaded."""
    answer = client.get("/chart/bars", params={"symbol": BTC} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def of_journal(folder: Path, span: int = MINUTE, symbol: str = BTC) -> list[tuple[Any, ...]]:
    """Return all bars of a journal."""
    return [tuple(row) for row in Bars(folder / "journal").of(symbol, span, 100_000).bars.tolist()]


def trades_of(folder: Path, symbol: str = BTC) -> list[Row]:
    """Return the trades of a store, the oldest first."""
    table = tables("engine")["trade"]
    with looking(folder) as view:
        wanted = select(table).where(table.c.symbol == symbol).order_by(table.c.seq)
        return [dict(row) for row in view.engine.execute(wanted).mappings()]


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what an engine left that has traded for a day."""
    return busy(tmp_path_factory.mktemp("longer") / "var")


# ── the page ──────────────────────────────────────────────────────────────────────────────────


def test_it_shows_the_last_bars_without_scripts(panel: Panel, stores: Path) -> None:
    page = panel("viewer").get("/chart", params={"symbol": BTC, "timeframe": "5m"}).text
    bars = of_journal(stores, 5 * MINUTE)
    found = re.findall(r'<tr id="bar-(\d+)">(.*?)</tr>', page, re.DOTALL)
    assert [int(ts) for ts, _ in found] == [ts for ts, *_ in bars[: -chart.ROWS - 1 : -1]]
    for (_, row), (_, opened, high, low, close, _) in zip(found, bars[::-1], strict=False):
        cells = re.findall(r'data-label="(\w+)">([\d,.]+)<', row)
        wanted = {"Opening": opened, "Highest": high, "Lowest": low, "Closing": close}
        for name, value in cells:
            if name in wanted:
                assert float(value.replace(",", "")) == wanted.pop(name)
        assert not wanted


def test_it_says_the_price_and_how_it_moved_in_a_day(panel: Panel, stores: Path) -> None:
    page = panel("viewer").get("/chart", params={"symbol": BTC}).text
    bars = of_journal(stores)
    change = bars[-1][4] / bars[0][1] - 1
    figures = dict(re.findall(r'<dt>([^<]*)</dt><dd class="num[^"]*">([^<]*)</dd>', page))
    assert figures["Last"] == f"{bars[-1][4]:,}"
    assert figures["24 h"].strip("+\N{MINUS SIGN}").startswith(f"{abs(change):.2%}"[:-1])
    assert figures["Highest"] == f"{max(bar[2] for bar in bars):,}"
    assert figures["Lowest"] == f"{min(bar[3] for bar in bars):,}"


def test_each_push_tells_the_last_bars_and_trades(panel: Panel, stores: Path) -> None:
    page = panel("viewer").get("/chart", params={"symbol": BTC, "timeframe": "1m"}).text
    told = news(page)
    assert [bar[:5] for bar in told["bars"]] == [
        list(bar[:5]) for bar in of_journal(stores)[-chart.PUSHED :]
    ]
    made = trades_of(stores)[: -chart.TRADES_BESIDE - 1 : -1]
    assert made
    assert [trade["address"]["seq"] for trade in told["trades"]] == [row["seq"] for row in made]
    for row in made:
        assert f'id="trade-{row["seq"]}-{row["ordinal"]}"' in page


def test_what_is_held_gives_lines(stores: Path) -> None:
    held = Held("ema_cross", BTC, 0.5, 41_000.0, 40_000.0, 45_000.0, 7 * MINUTE, 0, False)
    other = replace(held, symbol="ETH/USDT", entry=2_000.0)
    waiting = replace(held, instance="rsi_reversion", quantity=0.0, stop=None, take=None, orders=1)
    state = State("running", "stream", marks={BTC: Mark(41_500.0, 8)}, held=(held, other, waiting))
    with looking(stores, {"symbol": BTC, "timeframe": "5m"}) as view:
        told = chart.context(replace(view, state=state))
    assert [tuple(level.values()) for level in told["news"]["levels"]] == [
        ("entry", "ema_cross", 41_000.0, 5 * MINUTE, True),
        ("stop", "ema_cross", 40_000.0, 5 * MINUTE, True),
        ("take", "ema_cross", 45_000.0, 5 * MINUTE, True),
    ]


def test_symbol_and_timeframe_can_be_chosen(panel: Panel) -> None:
    page = panel("viewer").get("/chart").text
    assert re.findall(r"<option( selected)?>([^<]*)", page) == [
        (" selected", BTC),
        ("", "ETH/USDT"),
    ]
    shown = re.findall(r'timeframe=(\w+)"(?: aria-current="true")?>(\w+)</a>', page)
    assert [name for _, name in shown] == list(charted.TIMEFRAMES)
    assert 'aria-current="true">1m<' in page  # as the strategies see the market
    other = panel("viewer").get("/chart", params={"symbol": "ETH/USDT", "timeframe": "1h"}).text
    assert " selected>ETH/USDT" in other
    assert 'aria-current="true">1h<' in other


@pytest.mark.parametrize(
    "query",
    [
        {"symbol": "DOGE/USDT"},
        {"symbol": "<script>alert(1)</script>"},
        {"timeframe": "2m"},
        {"timeframe": "1m' or 1=1"},
        {"at": "-1"},
        {"at": "soon"},
    ],
)
@pytest.mark.parametrize("path", ["/chart", "/chart/bars"])
def test_what_there_is_not_is_refused(panel: Panel, path: str, query: dict[str, str]) -> None:
    answer = panel("viewer").get(path, params=query)
    assert answer.status_code == 400
    assert "<script>alert" not in answer.text


def test_nobody_sees_it_without_a_login(panel: Panel) -> None:
    for path in ("/chart", "/chart/bars"):
        assert panel("").get(path).status_code == 303


# ── the bars that are loaded ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("timeframe", charted.TIMEFRAMES)
def test_the_newest_bars_are_loaded_first(panel: Panel, stores: Path, timeframe: str) -> None:
    told = asked(panel("viewer"), timeframe=timeframe)
    bars = of_journal(stores, charted.TIMEFRAMES[timeframe])[-charted.COUNT :]
    assert [tuple(bar[:5]) for bar in told["bars"]] == [bar[:5] for bar in bars]
    for (*_, volume), bar in zip(told["bars"], bars, strict=True):
        assert volume == pytest.approx(bar[5], rel=1e-7)


def test_older_ones_follow_until_there_are_none(panel: Panel, stores: Path) -> None:
    bars = of_journal(stores)
    before = bars[10][0]
    told = asked(panel("viewer"), timeframe="1m", before=before)
    assert [bar[0] for bar in told["bars"]] == [bar[0] for bar in bars[:10]]
    assert told["more"]
    last = asked(panel("viewer"), timeframe="1m", before=bars[0][0])
    assert (last["bars"], last["trades"], last["more"]) == ([], [], False)


def test_the_trades_stand_on_the_bars_that_they_were_made_in(panel: Panel, stores: Path) -> None:
    told = asked(panel("viewer"), timeframe="5m")
    made = trades_of(stores)
    assert made
    first = told["bars"][0][0]
    wanted = {f"{row['seq']}.{row['ordinal']}": row for row in made if row["closed_at"] >= first}
    assert {trade["id"] for trade in told["trades"]} == wanted.keys()
    opens = {bar[0]: bar for bar in told["bars"]}
    for trade in told["trades"]:
        row = wanted[trade["id"]]
        assert trade["gained"] == (row["profit"] > 0)
        assert trade["closed"] <= row["closed_at"] < trade["closed"] + 5 * MINUTE
        low, high = opens[trade["closed"]][3], opens[trade["closed"]][2]
        assert low * 0.999 <= trade["exit"] <= high * 1.001  # slippage is paid on top
        assert trade["address"] == {key: row[key] for key in ("seq", "instance", "symbol")}


def test_it_reaches_back_to_a_time_that_is_asked_for(longer: Path) -> None:
    bars = of_journal(longer)
    at = bars[300][0]
    assert len(bars) - 300 > charted.COUNT
    with looking(longer, {"symbol": BTC, "timeframe": "1m", "at": str(at)}) as view:
        found = charted.stretch(view, charted.chosen(view)).bars["ts"].tolist()
    assert at in found[charted.BESIDE - 10 : charted.BESIDE + 10]
    assert found[-1] == bars[-1][0]


def test_trades_before_the_first_bar_are_not_loaded(longer: Path) -> None:
    made = trades_of(longer, "ETH/USDT")
    middle, last = made[len(made) // 2]["closed_at"], made[-1]["closed_at"]
    with looking(longer) as view:
        found = charted.trades(view.engine, "ETH/USDT", middle, last)
    wanted = [row["seq"] for row in made if middle <= row["closed_at"] < last]
    assert 0 < len(wanted) < len(made)
    assert [row["seq"] for row in found] == wanted[::-1]


@pytest.mark.parametrize(
    ("age", "timeframe"),
    [(HOUR, "1m"), (47 * HOUR, "1m"), (49 * HOUR, "5m"), (90 * 24 * HOUR, "1h"), (10**13, "1d")],
)
def test_an_old_time_is_shown_in_a_timeframe_that_reaches_it(
    stores: Path, age: int, timeframe: str
) -> None:
    now = 10**14
    with looking(stores, {"at": str(now - age)}) as view:
        assert charted.chosen(replace(view, now=now)).timeframe == timeframe


def test_prices_have_the_decimals_that_the_market_gives_them() -> None:
    def rows(*prices: float, volume: float = 1.0) -> charted.Cells:
        return [[0, price, price, price, price, volume] for price in prices]

    assert charted.digits(rows(41_000.0, 41_000.5)) == (1, 3)
    assert charted.digits(rows(0.00001234, 0.0000123)) == (8, 3)
    assert charted.digits(rows(5.0, volume=123_456.0)) == (0, 0)
    assert charted.digits([]) == (2, 2)
    assert charted.digits(rows(5.0, volume=0.0)) == (0, 2)


def test_no_table_is_read_through(stores: Path) -> None:
    with looking(stores) as view, overheard(view.engine) as said:
        charted.trades(view.engine, BTC, 0, 10**13)
        charted.newest_trades(view.engine, BTC, 5)
        told = plans(view.engine, list(said))
    assert len(told) == 2
    assert all(line.startswith("SEARCH trade") for line in told)


# ── when things are not as they should be ─────────────────────────────────────────────────────


def page_of(folder: Path, **query: str) -> str:
    """Return the page of a panel over another folder."""
    with TestClient(create(settings_of(folder)), base_url=HOST) as client:
        client.cookies = {COOKIE: logged_in(folder, "viewer")}
        answer = client.get("/chart", params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_bars_that_cannot_be_read_are_said_beside_those_that_can(
    traded: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "var"
    shutil.copytree(traded, folder)
    (run,) = (folder / "journal").iterdir()
    (segment,) = segments(run)
    segment.path.write_bytes(b"garbled")
    page = page_of(folder)
    assert "Older bars cannot be read." in page
    assert "must hold whole events from 0 on" in page


def test_without_a_journal_it_says_what_is_missing(traded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    shutil.copytree(traded, folder, ignore=shutil.ignore_patterns("journal"))
    assert f"No price of {BTC} yet" in page_of(folder)


def test_before_the_first_start_it_teaches(traded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    shutil.copy(traded / "panel.db", folder)
    page = page_of(folder)
    assert "The engine has never run here." in page
    assert "chanquant up" in page


def test_a_symbol_that_is_traded_no_more_can_still_be_seen(stores: Path) -> None:
    fewer = settings(stores, "2024-01-01T06:00", "universe.symbols=[ETH/USDT]")
    with looking(stores, {"symbol": BTC}) as view:
        assert charted.chosen(replace(view, settings=fewer)).symbols == ["ETH/USDT", BTC]


def test_so_can_one_that_nothing_was_ever_held_of(traded: Path, tmp_path: Path) -> None:
    shutil.copytree(traded / "journal", tmp_path / "journal")
    fewer = settings(tmp_path, "2024-01-01T06:00", "universe.symbols=[ETH/USDT]")
    with looking(tmp_path, {"symbol": BTC}) as view:
        assert charted.chosen(replace(view, settings=fewer)).symbols == ["ETH/USDT", BTC]
