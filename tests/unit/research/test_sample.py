"""What strategies are checked on is bounded, and taken from the beginning."""

from typing import Any

import numpy as np
import pytest

from engine.core.compile.declare import Strategy
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Bar, Kind, Out, Sizing
from engine.research import sample as samples
from engine.research.sample import made_up, sample
from engine.strategies.buy_and_hold import BuyAndHold
from tests.market import MINUTE, numbered, portfolio, random_bars, ticks

A, B = "AAA/USD", "BBB/USD"


class Python(Strategy):
    compiled = False

    def step(p, s: object, bar: Bar, out: Out) -> None:
        return


class OnTicks(Strategy):
    on = "tick"

    def step(p, s: object, bar: Bar, out: Out) -> None:
        return


def plan(strategy: Strategy, *symbols: str, span: int = MINUTE) -> Portfolio:
    one = Instance("it", strategy, symbols, span, Sizing.FIXED, 1.0)
    return portfolio(one, symbols=symbols)


def test_bars_are_made_up_for_every_symbol_and_of_every_timeframe() -> None:
    slow = Instance("slow", BuyAndHold(), (A,), 60 * MINUTE, Sizing.FIXED, 1.0)
    both = portfolio(*plan(BuyAndHold(), A, B).instances, slow, symbols=(A, B))
    made = made_up(both)
    # 3,000 of an hour would be 180,000 minutes of each: 150,000 of each are allowed
    bars = made.events[made.events["kind"] == Kind.BAR]
    assert np.unique(bars["symbol"], return_counts=True)[1].max() <= samples.EVENTS // 2
    assert len(made.events) <= samples.EVENTS
    assert made.calls["slow"] > 2_000


@pytest.mark.parametrize(("symbols", "each"), [((A,), 3_000), ((A, B), 1_500)])
def test_ordinary_python_is_called_so_often_and_no_more(
    symbols: tuple[str, ...], each: int
) -> None:
    made = made_up(plan(Python(), *symbols))
    assert made.calls == {"it": each * len(symbols)}
    assert len(made_up(plan(BuyAndHold(), *symbols)).events) >= 3_000 * len(symbols)


def test_calls_are_the_closed_bars_of_the_timeframe() -> None:
    minutes = random_bars(600, 1)
    shown = sample("it", True, plan(BuyAndHold(), "X/USD", span=60 * MINUTE), minutes)
    assert shown.calls == {"it": 10}


def test_on_ticks_four_are_made_of_a_bar_and_bars_are_none() -> None:
    made = made_up(plan(OnTicks(), A))
    kinds = made.events["kind"]
    assert set(kinds.tolist()) == {Kind.TICK, Kind.TIMER}
    assert made.calls == {"it": int((kinds == Kind.TICK).sum())} == {"it": 4 * 3_000}
    assert sample("it", True, plan(OnTicks(), "X/USD"), random_bars(9, 1)).calls == {"it": 0}
    shown = sample("it", True, plan(OnTicks(), "X/USD"), numbered(ticks((1, 5.0), (2, 6.0))))
    assert shown.calls == {"it": 2}


def test_what_python_writes_to_a_bar_stays_with_it() -> None:
    class Writes(Strategy):
        compiled = False

        def step(p: Any, s: object, bar: Bar, out: Out) -> None:
            bar.close = -1.0

    events = random_bars(10, 1)
    before = events.copy()
    sample("it", True, plan(Writes(), "X/USD"), events)
    assert events.tobytes() == before.tobytes()
