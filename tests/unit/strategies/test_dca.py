"""What dca does on a few bars that can be followed by hand."""

from typing import Any

import pytest

from engine.core.portfolio import Instance
from engine.core.records import Sizing
from engine.strategies.dca import Dca
from tests.market import MINUTE, bar_events, portfolio, run

# 1 + 2 + 4 parts of 7 units: at the close, 10 % and 10 + 20 % below it
STRATEGY: Any = {"count": 3, "spacing": 0.1, "spacing_growth": 2.0, "size_growth": 2.0}


def fills(machine: type, rows: Any, **given: Any) -> list[Any]:
    """Return (bar, quantity, price) of each fill."""
    instance = Instance(
        "it", Dca(**STRATEGY), ("X/USD",), MINUTE, Sizing.FIXED, 7.0, take_profit=0.1
    )
    done = run(machine, portfolio(instance, **given), bar_events(rows))
    return [
        (
            int(fill["ts"]) // MINUTE,
            pytest.approx(float(fill["quantity"])),
            pytest.approx(float(fill["price"])),
        )
        for fill in done.logs["fills"]
    ]


def test_it_buys_more_below_and_leaves_all_with_a_profit_on_the_average(machine: type) -> None:
    # 1 at 100, 2 at 90: the average is 93.33, and 10 % above it 102.67
    rows = [
        [100, 100, 100, 100],
        [100, 100, 99, 99],
        [99, 99, 89, 90],
        [90, 103, 90, 103],
        [103, 103, 95, 95],  # the next round begins
    ]
    assert fills(machine, rows) == [
        (1, 1.0, 100.0),
        (2, 2.0, 90.0),
        (3, -3.0, 280 / 3 * 1.1),
        (4, 1.0, 103.0),
    ]


def test_levels_are_counted_from_the_price_of_the_first_entry(machine: type) -> None:
    # entered at 98, which lies below the close of 100: 88.2 and 68.6
    rows = [[100, 100, 100, 100], [98, 98, 98, 98], [98, 98, 60, 65]]
    assert fills(machine, rows) == [(1, 1.0, 98.0), (2, 2.0, 88.2), (2, 4.0, 68.6)]


def test_the_first_order_follows_the_price_in_steps(machine: type) -> None:
    # 102 is less than 10 % above 100, 111 is more
    rows = [[100, 100, 100, 100], [101, 102, 101, 102]]
    assert fills(machine, [*rows, [102, 102, 99, 99]]) == [(2, 1.0, 100.0)]
    more = [[102, 111, 102, 111], [111, 111, 110, 110]]
    assert fills(machine, [*rows, *more]) == [(3, 1.0, 111.0)]


def test_a_latency_longer_than_the_bar_lets_it_enter(machine: type) -> None:
    rows = [[100, 101, 100, 101], [101, 101, 100, 100], [100, 101, 100, 101], [100, 101, 100, 101]]
    assert fills(machine, rows, latency=90_000) == [(3, 1.0, 100.0)]


def test_what_was_refused_is_not_asked_for_at_every_close(machine: type) -> None:
    rows = [[100, 100, 100, 100]] * 5 + [[100, 111, 100, 111]] * 2
    instance = Instance("it", Dca(**STRATEGY), ("X/USD",), MINUTE, Sizing.FIXED, 7.0)
    done = run(machine, portfolio(instance, cash=50.0), bar_events(rows))
    assert done.logs["denials"]["seq"].tolist() == [0, 5]  # 100, then 11 % away from it


def test_it_says_what_does_not_fit() -> None:
    assert list(Dca(count=3, spacing=0.3, spacing_growth=2.0).problems()) == []
    assert list(Dca(count=3, spacing=0.4, spacing_growth=2.0).problems()) == [
        "count, spacing and spacing_growth must keep the last level above 0, were 3, 0.4 and 2,"
        " which is 120% below the first price. Choose fewer or nearer levels."
    ]
