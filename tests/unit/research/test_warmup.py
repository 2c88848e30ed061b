"""How much history a strategy needs, with what it should be beside."""

from typing import Any

import numpy as np
import pytest

from engine.core.compile.declare import Strategy, window
from engine.core.levels import Levels
from engine.core.portfolio import Instance
from engine.core.records import Bar, Out, Sizing
from engine.research.sample import sample
from engine.research.warmup import WarmUp, warm_ups
from engine.strategies.buy_and_hold import BuyAndHold
from tests.market import MINUTE, bar_events, portfolio


class EverySecond(Strategy):
    """In on every second minute of the clock, and out on the others, from bar `wait` on."""

    wait: int = 25  # bars

    class State:
        count: int

    def step(p, s: State, bar: Bar, out: Out) -> None:
        s.count += 1
        if s.count >= p.wait:
            out.target = 1.0 if bar.ts // 60_000 % 2 == 0 else 0.0


class Grows(Strategy):
    """A tenth more on each bar, up to all."""

    class State:
        count: int

    def step(p, s: State, bar: Bar, out: Out) -> None:
        s.count = min(s.count + 1, 10)
        out.target = s.count / 10.0


class Counts(Strategy):
    """In on every seventh bar since it was started."""

    class State:
        count: int

    def step(p, s: State, bar: Bar, out: Out) -> None:
        s.count += 1
        out.target = 1.0 if s.count % 7 == 0 else 0.0


class Rests(Strategy):
    """Keeps an order far below the first close that it saw, a little lower with each bar."""

    class State:
        levels: Levels = window(1)
        first: float

    def step(p, s: State, bar: Bar, out: Out) -> None:
        if s.first == 0.0:
            s.first = bar.close * 0.5
        s.first *= 0.999
        s.levels.price[0] = s.first
        s.levels.enter[0] = 0.01


class Stops(Strategy):
    """In on every second minute, with a stop that comes near 50 by `part` of the way each bar."""

    part: float = 0.5

    class State:
        stop: float

    def step(p, s: State, bar: Bar, out: Out) -> None:
        s.stop += (50.0 - s.stop) * p.part
        out.target = 1.0 if bar.ts // 60_000 % 2 == 0 else 0.0
        out.stop = s.stop


class Once(Strategy):
    """In on minute 10 of the clock, for good."""

    def step(p, s: object, bar: Bar, out: Out) -> None:
        if bar.ts == 600_000:
            out.target = 1.0


def warm_up(strategy: Strategy, bars: int = 1_000) -> WarmUp:
    one = Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    events = bar_events(np.full((bars, 4), 100.0))
    return warm_ups(sample("it", True, portfolio(one), events))["it"]


def test_one_that_waits_needs_as_many_bars() -> None:
    # 130 bars are left out: bar 131 opens at minute 130, bars 1, 3 … 23 of the late one are wrong,
    # its 24 first signals are missing; from bar 24 or 25 on both want the same.
    found = warm_up(EverySecond(wait=25))
    assert found.bars in (24, 25)
    assert found.differ == 12
    assert found.difference == 1.0
    assert found.settles


def test_one_that_grows_differs_by_half_on_the_mean() -> None:
    # wants 0.1 … 1.0 on its first ten bars where the other wants 1.0: (0.9 + … + 0.1) / 9 = 0.5
    found = warm_up(Grows())
    assert (found.bars, found.differ, found.signals) == (10, 9, 10)
    assert found.difference == pytest.approx(0.5)


def test_one_that_counts_its_bars_never_comes_to_the_same() -> None:
    found = warm_up(Counts())
    assert not found.settles
    assert found.bars is None
    assert found.differ > found.signals / 2


@pytest.mark.parametrize(
    ("part", "bars"),
    [
        # the rest after n bars is 0.5 ** n of 50, a thousandth after ten: those that are in count
        (0.5, 10),
        (0.9, 3),
        (1.0, 1),
    ],
)
def test_a_stop_must_be_the_same_to_a_thousandth(part: float, bars: int) -> None:
    found = warm_up(Stops(part=part))
    assert found.bars is not None
    assert bars - 1 <= found.bars <= bars + 1


def test_levels_must_be_the_same_too() -> None:
    # it starts from the close, which is 100 all the time, and has come down otherwise since
    assert not warm_up(Rests()).settles


def test_one_that_looks_at_this_bar_alone_needs_none() -> None:
    found = warm_up(BuyAndHold())
    assert (found.bars, found.differ) == (1, 0)


def test_too_few_signals_tell_nothing() -> None:
    found = warm_up(Once())
    assert (found.bars, found.signals, found.settles) == (None, 0, True)


def test_the_worst_of_all_symbols_counts() -> None:
    symbols = ("X/USD", "Y/USD")
    one = Instance("it", EverySecond(wait=25), symbols, MINUTE, Sizing.FIXED, 1.0)
    from tests.market import numbered

    rows: Any = np.full((1_000, 4), 100.0)
    events = numbered(bar_events(rows), bar_events(rows, symbol=1))
    found = warm_ups(sample("it", True, portfolio(one, symbols=symbols), events))["it"]
    assert found.bars in (24, 25)
    assert found.differ == 24
