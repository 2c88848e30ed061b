"""What positions are worth, how far they are from their exits, and what is allowed."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.settings import Settings
from tests.unit.live.engines import settings
from web.figures import count_limit, exposure, gross_limit, holdings, open_profit
from web.view import Held, Mark, State

BTC = Held("ema_cross", "BTC/USDT", 0.5, 60_000.0, 58_900.0, 68_200.0, 1, 1, False)
ETH = Held("ema_cross", "ETH/USDT", -2.0, 3_000.0, None, None, 2, 0, True)
WAITS = Held("rsi_reversion", "ETH/USDT", 0.0, 0.0, None, None, 0, 2, False)
MARKS = {"BTC/USDT": Mark(62_000.0, 7), "ETH/USDT": Mark(3_100.0, 8)}
STATE = State("running", "stream", marks=MARKS, held=(ETH, WAITS, BTC))


@pytest.fixture
def declared(tmp_path: Path) -> Settings:
    """Return the configuration."""
    return settings(tmp_path)


def test_a_position_in_figures(declared: Settings) -> None:
    btc, eth, waits = holdings(STATE, declared)  # the largest first
    assert (btc.value, btc.profit, btc.ratio) == (31_000.0, 1_000.0, 1_000.0 / 30_000.0)
    assert btc.stop_away == pytest.approx(58_900.0 / 62_000.0 - 1.0)
    assert btc.take_away == pytest.approx(0.1)
    assert (btc.is_long, btc.is_open, btc.orders, btc.paused) == (True, True, 1, False)
    assert (eth.value, eth.profit, eth.ratio) == (-6_200.0, -200.0, -200.0 / 6_000.0)
    assert (eth.is_long, eth.stop_away, eth.take_away, eth.paused) == (False, None, None, True)
    assert (waits.is_open, waits.profit, waits.ratio) == (False, None, None)


def test_a_contract_is_counted_in_its_size(declared: Settings, tmp_path: Path) -> None:
    sized = settings(tmp_path, "2024-01-02", r"universe.instruments={BTC/USDT:{contract_size:0.1}}")
    (btc,) = holdings(replace(STATE, held=(BTC,)), sized)
    assert btc.value == pytest.approx(3_100.0)
    assert btc.profit == pytest.approx(100.0)
    assert btc.ratio == pytest.approx(1_000.0 / 30_000.0)


def test_without_a_price_nothing_is_claimed(declared: Settings) -> None:
    books = holdings(replace(STATE, marks={"ETH/USDT": MARKS["ETH/USDT"]}), declared)
    btc = next(book for book in books if book.symbol == "BTC/USDT")
    assert (btc.mark, btc.value, btc.profit, btc.ratio, btc.stop_away) == (None,) * 5
    assert exposure(books, 10_000.0).gross is None
    assert open_profit(books) is None


def test_exposure(declared: Settings) -> None:
    books = holdings(STATE, declared)
    found = exposure(books, 40_000.0)
    assert found.gross == pytest.approx((31_000.0 + 6_200.0) / 40_000.0)
    assert found.net == pytest.approx((31_000.0 - 6_200.0) / 40_000.0)
    assert open_profit(books) == pytest.approx(800.0)
    for equity in (None, 0.0, -5.0):
        assert exposure(books, equity).gross is None
    assert exposure([], 40_000.0).gross == 0.0


def test_limits_are_those_of_the_rules(declared: Settings, tmp_path: Path) -> None:
    assert (gross_limit(declared), count_limit(declared)) == (None, None)
    limited = settings(
        tmp_path,
        "2024-01-02",
        "risk=[position_size,gross_exposure,open_positions]",
        "risk.position_size.ratio_max=0.3",
        "risk.gross_exposure.ratio_max=0.8",
        "risk.open_positions.count_max=3",
    )
    assert (gross_limit(limited), count_limit(limited)) == (0.8, 3)
