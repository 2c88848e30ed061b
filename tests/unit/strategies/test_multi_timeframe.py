"""What multi_timeframe does on a series small enough to follow by hand."""

from typing import Any

from engine.core.portfolio import Instance
from engine.core.records import Sizing
from engine.strategies.multi_timeframe import MultiTimeframe
from tests.market import MINUTE, bar_events, portfolio, run

# fast 1 is the close itself, slow 3 moves half of the way; the trend of two-minute bars, length 2,
# moves two thirds of the way
SMALL: Any = {"fast": 1, "slow": 3, "trend_timeframe": "2m", "trend": 2}


def signals(machine: type, closes: list[float], **given: Any) -> list[tuple[int, float, str]]:
    """Return (index of the bar, target, tag) of each signal on a series of closes."""
    strategy = MultiTimeframe(**(SMALL | given))
    instance = Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    events = bar_events([[close] * 4 for close in closes])
    done = run(machine, portfolio(instance, cash=1e9), events)
    return [
        (int(row["seq"]), float(row["target"]), strategy.tags[int(row["tag"])])
        for row in done.logs["signals"]
    ]


FLAT = [10.0, 10.0, 10.0, 10.0]


def test_a_cross_against_the_trend_is_passed_over(machine: type) -> None:
    # bar 4: 11 vs slow 10.5 is a cross, but the longer bars were 10 and 10: not above their average
    assert signals(machine, [*FLAT, 11.0, 10.0]) == []


def test_a_cross_with_the_trend_is_entered_and_left_at_the_down_cross(machine: type) -> None:
    # bar 5: slow (10.5 + 10) / 2 = 10.25; bar 6: 9 vs 9.625; bar 7: 12 vs 10.8125 is a cross, and
    # completes a longer bar at 12, above 10 + 2 / 3 x 2 = 11.33; bar 8: 12 vs 11.41; bar 9: 11.7 vs
    # 11.55, and 11.7 is above 11.33 + 2 / 3 x 0.37 = 11.58; bar 10: 11 vs 11.28 is below
    closes = [*FLAT, 11.0, 10.0, 9.0, 12.0, 12.0, 11.7, 11.0]
    assert signals(machine, closes) == [(7, 1.0, "up_cross"), (10, 0.0, "down_cross")]


def test_it_leaves_when_the_trend_is_over(machine: type) -> None:
    # as above, but bar 8: 11 vs 10.91; bar 9: 11.2 vs 11.05, and 11.2 is below 11.33 - 0.09 = 11.24
    closes = [*FLAT, 11.0, 10.0, 9.0, 12.0, 11.0, 11.2]
    assert signals(machine, closes) == [(7, 1.0, "up_cross"), (9, 0.0, "trend_over")]


def test_it_waits_for_as_many_longer_bars_as_it_averages(machine: type) -> None:
    # the longer bars are 10 10 10 12: the cross comes with the fourth
    closes = [*FLAT, 11.0, 10.0, 9.0, 12.0]
    assert signals(machine, closes, trend=4) == [(7, 1.0, "up_cross")]
    assert signals(machine, closes, trend=5) == []


def test_it_says_what_does_not_fit() -> None:
    assert list(MultiTimeframe(fast=3, slow=4).problems()) == []
    assert list(MultiTimeframe(fast=4, slow=4).problems()) == [
        "fast must be less than slow (4), was 4. Swap them."
    ]
