"""What each shipped strategy does on series small enough to follow by hand."""

from typing import Any

import pytest

from engine.core.portfolio import Instance
from engine.core.records import Sizing
from engine.strategies.bollinger import Bollinger
from engine.strategies.buy_and_hold import BuyAndHold
from engine.strategies.donchian import Donchian
from engine.strategies.ema_cross import EmaCross
from engine.strategies.external import External
from engine.strategies.macd import Macd
from engine.strategies.rsi_reversion import RsiReversion
from engine.strategies.supertrend import Supertrend
from tests.market import MINUTE, bar_events, portfolio, run


def rows_of(machine: type, strategy: Any, closes: list[float]) -> Any:
    """Return the signals on bars that have no width."""
    rows = [[close] * 4 for close in closes]
    plan = portfolio(Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0), cash=1e9)
    return run(machine, plan, bar_events(rows)).logs["signals"]


def signals(machine: type, strategy: Any, closes: list[float]) -> list[tuple[int, float, str]]:
    """Return (index of the bar, target, tag) of each signal on a series of closes."""
    return [
        (int(row["seq"]), float(row["target"]), strategy.tags[int(row["tag"])])
        for row in rows_of(machine, strategy, closes)
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


def test_macd_follows_the_histogram(machine: type) -> None:
    """fast 1 is the close, slow 2 begins with a mean and moves 2/3 of the way, so does the signal.

    bar close  slow    line    signal   histogram
    0   10
    1   10     10      0
    2   10     10      0       0        0: ready
    3   13     12      1       2/3      1/3: up-cross, 0 before
    4   13     12.67   0.33    0.44    -0.11: down-cross
    """
    closes = [10.0, 10.0, 10.0, 13.0, 13.0]
    given = {"fast": 1, "slow": 2, "signal": 2}
    assert signals(machine, Macd(**given), closes) == [(3, 1.0, "up_cross"), (4, 0.0, "down_cross")]
    assert signals(machine, Macd(**given, shorts=True), closes)[1] == (4, -1.0, "down_cross")


def test_macd_says_what_does_not_fit() -> None:
    assert list(Macd().problems()) == []
    assert list(Macd(fast=26, slow=26).problems()) == [
        "fast must be less than slow (26), was 26. Swap them."
    ]


def test_supertrend_enters_when_the_line_begins_to_rise(machine: type) -> None:
    """Bars without width, length 1: the range is the change, the lines lie `width` of it away.

    bar close range  upper           lower
    1   11    1      11 + 2 = 13     9       falling at the start
    2   14    3      20 > 13: 13     8 < 9: 9     14 > 13: rising
    3   13    1      15              11      13 >= 11
    4   9     4      17 > 15: 15     1 < 11: 11   9 < 11: falling
    """
    closes = [10.0, 11.0, 14.0, 13.0, 9.0]
    given = {"length": 1, "width": 2.0}
    assert signals(machine, Supertrend(**given), closes) == [
        (2, 1.0, "rising"),
        (4, 0.0, "falling"),
    ]
    assert signals(machine, Supertrend(**given, shorts=True), closes)[1] == (4, -1.0, "falling")


def test_bollinger_buys_below_the_band_and_leaves_in_the_middle(machine: type) -> None:
    """Bars 1 to 3 average 8.67 with a deviation of sqrt(((1.33)^2 x 2 + 2.67^2) / 3) = 1.89.

    One deviation below is 6.78: the close, 6, is lower. Bars 2 to 4 average 8.33, bar 4 is 9.
    Bars 4 to 6 average 10 with a deviation of 1.41: bar 6, 12, lies above 11.41.
    """
    closes = [10.0, 10.0, 10.0, 6.0, 9.0, 9.0, 12.0, 9.0]
    given = {"length": 3, "width": 1.0}
    bought = [(3, 1.0, "below_band"), (4, 0.0, "back_in_the_middle")]
    assert signals(machine, Bollinger(**given), closes) == bought
    # bars 5 to 7 average 10, bar 7 is 9
    sold = [(6, -1.0, "above_band"), (7, 0.0, "back_in_the_middle")]
    assert signals(machine, Bollinger(**given, shorts=True), closes) == bought + sold


DONCHIAN = {"length": 3, "exit_length": 2, "atr_length": 2, "stop_width": 1.5}


def test_donchian_enters_on_a_breakout_with_a_stop(machine: type) -> None:
    """Bar 3: 12 > 11, the highest of bars 0 to 2. Ranges 1, 2, 3: ((1 + 2) / 2 + 3) / 2 = 2.25.

    Bar 4 breaks out again, which changes nothing. Bar 5: 13 is not below 12, the lower of bars 3
    and 4; bar 6: 12.5 < 13, the lower of bars 4 and 5.
    """
    closes = [10.0, 11.0, 9.0, 12.0, 14.0, 13.0, 12.5]
    rows = rows_of(machine, Donchian(**DONCHIAN), closes)
    assert [(row["seq"], row["target"], row["stop"]) for row in rows] == [
        (3, 1.0, 12.0 - 1.5 * 2.25),
        (6, 0.0, 0.0),
    ]


def test_donchian_sells_short_only_where_it_may(machine: type) -> None:
    # bar 3: 8 < 9; ranges 1, 2, 1: ((1 + 2) / 2 + 1) / 2 = 1.25
    # bar 5: 8.5 > 8, the higher of bars 3 and 4, but not above 9, the highest of bars 2 to 4
    closes = [10.0, 11.0, 9.0, 8.0, 8.0, 8.5]
    assert signals(machine, Donchian(**DONCHIAN), closes) == []
    rows = rows_of(machine, Donchian(**DONCHIAN, shorts=True), closes)
    assert [(row["seq"], row["target"], row["stop"]) for row in rows] == [
        (3, -1.0, 8.0 + 1.5 * 1.25),
        (5, 0.0, 0.0),
    ]


def test_a_stop_that_would_lie_below_zero_is_none(machine: type) -> None:
    rows = rows_of(machine, Donchian(**(DONCHIAN | {"stop_width": 9.0})), [1.0, 1.0, 1.0, 2.0])
    assert [(row["target"], row["stop"]) for row in rows] == [(1.0, 0.0)]


def test_donchian_says_what_does_not_fit() -> None:
    assert list(Donchian().problems()) == []
    assert list(Donchian(length=5, exit_length=6).problems()) == [
        "exit_length must be at most length (5), was 6. Choose a shorter one."
    ]


def test_buy_and_hold_buys_once(machine: type) -> None:
    assert signals(machine, BuyAndHold(), [10.0, 5.0, 20.0]) == [(0, 1.0, "first_bar")]


def test_external_does_nothing_on_bars(machine: type) -> None:
    assert signals(machine, External(path="none"), [10.0, 5.0, 20.0]) == []
    External.step(External(path="none"), None, None, None)  # type: ignore[arg-type]


def test_parameters_are_known_by_name() -> None:
    with pytest.raises(TypeError, match="EmaCross has no parameter fsat"):
        EmaCross(fsat=3)
