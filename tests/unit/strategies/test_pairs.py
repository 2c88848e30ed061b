"""What pairs does on two series small enough to follow by hand."""

from typing import Any

import numpy as np
import pytest

from engine.core.portfolio import Instance
from engine.core.records import Sizing
from engine.strategies.pairs import Pairs
from tests.market import MINUTE, bar_events, numbered, one_by_one, portfolio, random_bars, run
from tests.market import state as bytes_of


def plan_of(strategy: Pairs) -> Any:
    """Return a portfolio of one strategy that trades X; the other, Y, comes first."""
    instance = Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    return portfolio(instance, symbols=("Y/USD", "X/USD"), cash=1e9)


def signals(
    machine: type, strategy: Pairs, own: list[float], other: list[float | None]
) -> list[tuple[int, float, str]]:
    """Return (minute, target, tag) of each signal; None is a gap of the other."""
    y = bar_events([[close or 1.0] * 4 for close in other])
    y = y[[i for i, close in enumerate(other) if close is not None]]
    x = bar_events([[close] * 4 for close in own], symbol=1)
    done = run(machine, plan_of(strategy), numbered(y, x))
    return [
        (int(row["ts"]) // MINUTE - 1, float(row["target"]), strategy.tags[int(row["tag"])])
        for row in done.logs["signals"]
    ]


SMALL: Any = {"other": "Y/USD", "length": 3, "enter": 1.1}


def test_it_buys_what_is_cheap_and_sells_at_the_average(machine: type) -> None:
    # ratios 10 10 7: average 9, deviation sqrt((1 + 1 + 4) / 2) = 1.732, score -2 / 1.732 = -1.155
    # then 10 7 7.5: average 8.17, below it; 7 7.5 9: average 7.83, above it
    own = [20.0, 20.0, 14.0, 15.0, 18.0]
    assert signals(machine, Pairs(**SMALL), own, [2.0] * 5) == [
        (2, 1.0, "cheap"),
        (4, 0.0, "reverted"),
    ]


def test_a_fall_of_both_is_none(machine: type) -> None:
    # ratios 10 10 10 10: no deviation, no score
    assert signals(machine, Pairs(**SMALL), [20.0, 20.0, 14.0, 7.0], [2.0, 2.0, 1.4, 0.7]) == []


def test_a_rise_of_the_other_makes_it_cheap(machine: type) -> None:
    # ratios 10 10 20 / 20 x 7 = 7, as above
    other: list[float | None] = [2.0, 2.0, 20.0 / 7.0]
    assert signals(machine, Pairs(**SMALL), [20.0] * 3, other) == [(2, 1.0, "cheap")]


def test_a_bar_without_one_of_the_other_is_passed_over(machine: type) -> None:
    # minute 2 has no bar of the other: what counts are the ratios 10 10 10, then 10 10 7
    own = [20.0, 20.0, 14.0, 20.0, 14.0]
    assert signals(machine, Pairs(**SMALL), own, [2.0, 2.0, None, 2.0, 2.0]) == [(4, 1.0, "cheap")]


def test_it_leaves_where_it_is_told_to(machine: type) -> None:
    # ratios 10 7 9: average 8.667, deviation sqrt((1.778 + 2.778 + 0.111) / 2) = 1.528, score 0.218
    # leave 0.5: at -0.5 or more; leave -0.5: at 0.5 or more, which 7 9 10 with 1.333 / 1.528 is
    own = [20.0, 20.0, 14.0, 18.0, 20.0]
    for leave, minute in ((0.5, 3), (-0.5, 4)):
        strategy = Pairs(**SMALL, leave=leave)
        assert signals(machine, strategy, own, [2.0] * 5)[1] == (minute, 0.0, "reverted")


def test_it_sells_short_what_is_dear_where_that_is_wanted(machine: type) -> None:
    # ratios 10 10 13: average 11, score 2 / 1.732 = 1.155; then 10 13 11: average 11.33, below it
    own = [20.0, 20.0, 26.0, 22.0]
    assert signals(machine, Pairs(**SMALL), own, [2.0] * 4) == []
    assert signals(machine, Pairs(**SMALL, shorts=True), own, [2.0] * 4) == [
        (2, -1.0, "dear"),
        (3, 0.0, "reverted"),
    ]


def test_it_says_what_does_not_fit() -> None:
    assert list(Pairs(other="Y/USD").problems()) == []
    assert list(Pairs(other="Y/USD", leave=2.0).problems()) == [
        "leave must be less than enter (2.0), was 2.0. Lower it."
    ]


@pytest.mark.parametrize("symbols", [("Y/USD", "X/USD"), ("X/USD", "Y/USD")])
def test_it_trades_in_either_order_of_the_universe(machine: type, symbols: Any) -> None:
    instance = Instance("it", Pairs(other="Y/USD"), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    plan = portfolio(instance, symbols=symbols, cash=1e9)
    bars = [random_bars(3_000, seed) for seed in (1, 2)]
    for symbol, events in enumerate(bars):
        events["symbol"] = symbol
    events = numbered(*bars)
    done = run(machine, plan, events)
    targets = done.logs["signals"]["target"]
    assert len(targets) > 20
    assert np.array_equal(targets, np.resize([1.0, 0.0], len(targets)))  # in and out, in turn
    if machine.__name__ == "Compiled":
        assert bytes_of(one_by_one(machine, plan, events)) == bytes_of(done)
