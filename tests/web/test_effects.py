"""What an action will do, in figures."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.store import queries
from engine.store.database import read_only
from engine.store.tables import Row
from tests.unit.live.engines import STOP, settings, told, trade
from web.commands import Wish
from web.effects import Sale, effect
from web.view import Held, Mark, State

BTC = Held("ema_cross", "BTC/USDT", 0.5, 60_000.0, None, None, 0, 1, False)
ETH = Held("ema_cross", "ETH/USDT", 2.0, 3_000.0, None, None, 0, 0, False)
OWN = Held("rsi_reversion", "BTC/USDT", 0.1, 61_000.0, None, None, 0, 0, True)
WAITS = Held("rsi_reversion", "ETH/USDT", 0.0, 0.0, None, None, 0, 2, True)
MARKS = {"BTC/USDT": Mark(62_000.0, 0), "ETH/USDT": Mark(2_900.0, 0)}
STATE = State("running", "stream", marks=MARKS, held=(BTC, ETH, OWN, WAITS))
NOTHING: dict[str, Row] = {}


@pytest.fixture
def declared(tmp_path: Path) -> Settings:
    """Return the configuration."""
    return settings(tmp_path)


def books(wish: Wish, declared: Settings) -> list[tuple[str, str]]:
    """Return what a wish sells."""
    return [(one.instance, one.symbol) for one in effect(wish, STATE, declared, NOTHING).sales]


@pytest.mark.parametrize("action", ["close", "flatten"])
def test_what_is_sold_is_what_is_held_there(action: str, declared: Settings) -> None:
    assert books(Wish(action, "ema_cross", "BTC/USDT"), declared) == [("ema_cross", "BTC/USDT")]
    assert books(Wish(action, "ema_cross"), declared) == [
        ("ema_cross", "BTC/USDT"),
        ("ema_cross", "ETH/USDT"),
    ]
    assert books(Wish(action, None, "BTC/USDT"), declared) == [
        ("ema_cross", "BTC/USDT"),
        ("rsi_reversion", "BTC/USDT"),
    ]
    assert len(books(Wish(action), declared)) == 3


@pytest.mark.parametrize("action", ["pause", "resume", "rearm"])
def test_nothing_is_sold_by_the_others(action: str, declared: Settings) -> None:
    assert books(Wish(action), declared) == []


def test_figures_of_a_sale(declared: Settings) -> None:
    found = effect(Wish("close", "ema_cross"), STATE, declared, NOTHING)
    assert found.sales == (
        Sale("ema_cross", "BTC/USDT", False, 0.5, "BTC", 31_000.0, 1_000.0, "USDT"),
        Sale("ema_cross", "ETH/USDT", False, 2.0, "ETH", 5_800.0, -200.0, "USDT"),
    )
    assert found.value == 36_800.0
    assert found.orders == 1


def test_a_short_is_bought_back(declared: Settings) -> None:
    state = replace(STATE, held=(replace(BTC, quantity=-0.5),))
    sale = effect(Wish("close"), state, declared, NOTHING).sales[0]
    assert (sale.is_buy, sale.quantity, sale.value, sale.profit) == (True, 0.5, 31_000.0, -1_000.0)


def test_contracts_are_worth_their_size(tmp_path: Path) -> None:
    more = "universe.instruments={BTC/USDT: {contract_size: 0.1}}"
    sale = effect(Wish("close", "ema_cross", "BTC/USDT"), STATE, settings(tmp_path, STOP, more), {})
    assert (sale.sales[0].quantity, sale.sales[0].value, sale.sales[0].profit) == (0.5, 3_100, 100)


def test_a_price_that_is_not_known(declared: Settings) -> None:
    found = effect(Wish("close"), replace(STATE, marks={}), declared, NOTHING)
    assert [(one.value, one.profit) for one in found.sales] == [(None, None)] * 3
    assert found.value is None


@pytest.mark.parametrize(
    ("action", "orders", "already"),
    [
        ("kill", 3, ()),
        ("flatten", 3, ("rsi_reversion",)),
        ("close", 3, ()),
        ("pause", 3, ("rsi_reversion",)),
        ("resume", 0, ()),
        ("rearm", 0, ()),
    ],
)
def test_orders_and_pauses(
    action: str, orders: int, already: tuple[str, ...], declared: Settings
) -> None:
    found = effect(Wish(action), STATE, declared, NOTHING)
    assert (found.orders, found.already) == (orders, already)


def test_what_is_released_stands_in_the_store(tmp_path: Path) -> None:
    trade(tmp_path, STOP)
    for action, instance, symbol in (
        ("pause", "ema_cross", None),
        ("pause", "ema_cross", "BTC/USDT"),
        ("pause", "rsi_reversion", None),
        ("kill", None, None),
    ):
        told(tmp_path, action, instance, symbol=symbol)
    database = read_only(tmp_path)
    with database.connect() as connection:
        stand = queries.latches(connection)
    database.dispose()

    def released(wish: Wish) -> list[str]:
        return [row["name"] for row in effect(wish, STATE, settings(tmp_path), stand).released]

    every = ["pause ema_cross", "pause ema_cross BTC/USDT", "pause rsi_reversion"]
    assert sorted(released(Wish("resume"))) == every
    assert sorted(released(Wish("resume", "ema_cross"))) == every[:2]
    assert released(Wish("resume", None, "BTC/USDT")) == every[1:2]
    assert released(Wish("resume", "ema_cross", "BTC/USDT")) == every[1:2]
    assert released(Wish("rearm")) == ["kill"]
    assert released(Wish("pause")) == []
