"""What each shipped strategy does on series small enough to follow by hand."""

from typing import Any

import pytest

from engine.core.portfolio import Instance
from engine.core.records import Sizing
from engine.strategies.buy_and_hold import BuyAndHold
from engine.strategies.ema_cross import EmaCross
from engine.strategies.external import External
from engine.strategies.rsi_reversion import RsiReversion
from tests.market import MINUTE, bar_events, portfolio, run


def signals(machine: type, strategy: Any, closes: list[float]) -> list[tuple[int, float, str]]:
    """Return (index of the bar, target, tag) of each signal on a series of closes."""
    rows = [[close] * 4 for close in closes]
    plan = portfolio(Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0), cash=1e9)
    done = run(machine, plan, bar_events(rows))
    return [
        (int(row["seq"]), float(row["target"]), strategy.tags[int(row["tag"])])
        for row in done.logs["signals"]
    ]


def test_ema_cross_enters_on_the_up_cross_and_leaves_on_the_down_cross(machine: type) -> None:
    # fast 1 is the close itself, slow 3 moves half of the way: 10 10 10 10 | 11 vs 10.5 | 8 vs 9.25
    closes = [10.0, 10.0, 10.0, 10.0, 11.0, 12.0, 8.0, 8.0]
    assert signals(machine, EmaCross(fast=1, slow=3), closes) == [
        (4, 1.0, "up_cross"),
        (6, 0.0, "down_cross"),
    ]


def test_ema_cross_waits_for_slow_bars(machine: type) -> None:
    # the cross at bar 2 lies before bar `slow` = 3
    assert signals(machine, EmaCross(fast=1, slow=3), [10.0, 9.0, 12.0, 12.0, 12.0]) == []
    assert signals(machine, EmaCross(fast=1, slow=3), [10.0, 9.0, 9.0, 12.0, 12.0]) == [
        (3, 1.0, "up_cross")
    ]


def test_a_series_that_rises_from_its_first_bar_is_never_entered(machine: type) -> None:
    assert signals(machine, EmaCross(fast=10, slow=30), [100.0 + i for i in range(500)]) == []


def test_ema_cross_says_what_does_not_fit() -> None:
    assert list(EmaCross(fast=3, slow=4).problems()) == []
    assert list(EmaCross(fast=4, slow=4).problems()) == [
        "fast must be less than slow (4), was 4. Swap them."
    ]


def test_rsi_reversion_buys_weakness_and_sells_strength(machine: type) -> None:
    # length 2: gain and loss averages of the first two changes -1, -1 give 0 at bar 2
    closes = [10.0, 9.0, 8.0, 7.0, 9.0, 12.0]
    # bar 4: gain (0+2)/2=1, loss (1+0)/2=0.5: 66.7; bar 5: gain 2, loss 0.25: 88.9
    assert signals(machine, RsiReversion(length=2, low=30.0, high=70.0), closes) == [
        (2, 1.0, "oversold"),
        (5, 0.0, "overbought"),
    ]


def test_rsi_reversion_does_nothing_on_a_series_that_does_not_move(machine: type) -> None:
    assert signals(machine, RsiReversion(), [10.0] * 50) == []


def test_rsi_reversion_says_what_does_not_fit() -> None:
    assert list(RsiReversion().problems()) == []
    assert list(RsiReversion(low=70.0, high=30.0).problems()) == [
        "low must be less than high (30.0), was 70.0. Swap them."
    ]


def test_buy_and_hold_buys_once(machine: type) -> None:
    assert signals(machine, BuyAndHold(), [10.0, 5.0, 20.0]) == [(0, 1.0, "first_bar")]


def test_external_does_nothing_on_bars(machine: type) -> None:
    assert signals(machine, External(path="none"), [10.0, 5.0, 20.0]) == []
    External.step(External(path="none"), None, None, None)  # type: ignore[arg-type]


def test_parameters_are_known_by_name() -> None:
    with pytest.raises(TypeError, match="EmaCross has no parameter fsat"):
        EmaCross(fsat=3)
