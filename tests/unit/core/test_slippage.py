"""What a fill's price cost beyond the price of its event, in money: each worked out by hand."""

from typing import Any

import pytest

from engine.core.portfolio import Instrument
from tests.market import MINUTE, bar_events, follower, numbered, portfolio, run, target

FLAT = (100.0, 100.0, 100.0, 100.0, 25.0)


def lost(machine: type, plan: Any, rows: Any, *wishes: float) -> list[float]:
    """Return the slippage of each fill, where a follower wishes one thing after each bar."""
    told = [target((i + 1) * MINUTE, wish) for i, wish in enumerate(wishes)]
    fills = run(machine, plan, numbered(bar_events(rows), *told)).logs["fills"]
    return [float(amount) for amount in fills["slippage"]]


def test_a_limit_order_that_rests_has_none_and_its_exit_has_its_own(machine: type) -> None:
    # the limit is 99, of 100; the exit takes at 100, less 1 %
    rows = [FLAT, FLAT, (100, 100, 98, 100, 25), FLAT]
    plan = portfolio(by_limit=True, offset=0.01, slippage=0.01)
    assert lost(machine, plan, rows, 1.0, 1.0, 0.0) == [0.0, pytest.approx(1.0)]


def test_a_limit_order_that_takes_has_it(machine: type) -> None:
    # the limit is 99, the open 98: 1 % of it
    rows = [FLAT, (98, 98, 98, 98, 25)]
    plan = portfolio(by_limit=True, offset=0.01, slippage=0.01)
    assert lost(machine, plan, rows, 1.0) == [pytest.approx(0.98)]


def test_spread_impact_and_the_tick_are_in_it(machine: type) -> None:
    # 0.1 % and 1 % x sqrt(1 / 25) = 0.2 %: 100.3, on the tick grid 100.5; sold at 99.7, so 99.5
    plan = portfolio(
        follower(quantity=1.0),
        instruments=(Instrument("X/USD", tick=0.5),),
        slippage=0.001,
        impact=0.01,
    )
    assert lost(machine, plan, [FLAT] * 3, 1.0, 0.0) == [0.5, 0.5]


def test_a_stop_is_measured_from_its_own_price(machine: type) -> None:
    # bought at 101; the stop is 101 x 0.95 = 95.95, of which 1 % is 0.9595; 2 contracts of 3 units
    rows = [FLAT, FLAT, (99, 99, 90, 91, 25)]
    grid = Instrument("X/USD", contract_size=3.0)
    plan = portfolio(follower(quantity=2.0, stop_loss=0.05), instruments=(grid,), slippage=0.01)
    assert lost(machine, plan, rows, 1.0) == pytest.approx([6.0, 6 * 0.9595])


def test_a_liquidation_is_at_the_venues_price(machine: type) -> None:
    # 101 bought on a margin of 10.1: closed at 90.9 / 0.995, whatever an order would slip
    rows = [FLAT, FLAT, (100, 100, 80, 80, 25)]
    grid = Instrument("X/USD", leverage=10.0, maintenance=0.005)
    plan = portfolio(instruments=(grid,), slippage=0.01)
    assert lost(machine, plan, rows, 1.0) == [pytest.approx(1.0), 0.0]
