"""Strategies that look ahead are caught, and the bar is named."""

from pathlib import Path
from typing import Any

import pytest

from engine.core.compile.declare import Strategy
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Bar, Out, Sizing
from engine.errors import CheckFailed
from engine.feeds.tape import Tape
from engine.research.checks import check
from engine.strategies.ema_cross import EmaCross
from engine.strategies.grid import Grid
from tests.golden import golden
from tests.market import MINUTE, portfolio
from tests.unit.research import planted

A, B = "AAA/USD", "BBB/USD"


def instance(name: str, strategy: Strategy, *symbols: str, span: int = MINUTE) -> Instance:
    return Instance(name, strategy, symbols or (A,), span, Sizing.FIXED, 1.0)


def trading(*instances: Instance) -> Portfolio:
    symbols = sorted({symbol for one in instances for symbol in one.symbols})
    return portfolio(*instances, symbols=symbols)


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> None:
    planted.Leader.close = 0.0
    planted.Remembers.count = 0


CAUGHT = {
    "holds_all": trading(instance("holds_all", planted.HoldsAll())),
    "holds_all_of_two": trading(instance("holds_all", planted.HoldsAll(), A, B)),
    "needs_all": trading(instance("needs_all", planted.NeedsAll())),
    "closing_bar": trading(
        instance("leader", planted.Leader(), A), instance("follower", planted.Follower(), B)
    ),
    "forming_bar": trading(
        instance("leader", planted.TickLeader(), A), instance("follower", planted.Follower(), B)
    ),
    "longer_bar": trading(
        instance("leader", planted.Leader(), A),
        instance("follower", planted.Follower(), B, span=5 * MINUTE),
    ),
    "rests_at_next_low": trading(instance("rests", planted.RestsAtNextLow())),
    "takes_at_next_high": trading(instance("takes", planted.TakesAtNextHigh())),
    "remembers": trading(instance("remembers", planted.Remembers())),
}


@pytest.mark.parametrize("name", CAUGHT)
def test_what_looks_ahead_is_caught_and_the_bar_named(name: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        check(CAUGHT[name], None)
    golden(f"check/{name}.txt", str(caught.value))


class Honest(Strategy):
    """Ordinary Python that keeps what it needs in itself and in its state."""

    compiled = False

    class State:
        before: float

    def step(p: Any, s: State, bar: Bar, out: Out) -> None:
        p.seen = [*getattr(p, "seen", [])[-9:], bar.ts]
        out.target = 1.0 if bar.close > s.before and bar.ts // MINUTE % 3 else 0.0
        s.before = bar.close


class HonestOnTicks(Honest):
    on = "tick"


@pytest.mark.parametrize("every", [2, 7, 20, 50])
def test_what_seldom_looks_ahead_is_caught_too(every: int) -> None:
    """Also where what it sees keeps it from a trade, which nothing shows at that bar."""
    seldom = instance("seldom", planted.Seldom(every=every))
    for plan in (trading(seldom), trading(seldom, instance("ticks", HonestOnTicks()))):
        with pytest.raises(CheckFailed, match=r"seldom: .* must not depend on later bars, but"):
            check(plan, None)


@pytest.mark.parametrize(
    "plan",
    [
        trading(instance("ema_cross", EmaCross(), A, B)),
        trading(instance("honest", Honest(), A, B)),
        trading(instance("honest", HonestOnTicks(), A, B)),
        trading(
            instance("slow", EmaCross(), A, B, span=60 * MINUTE), instance("fast", Honest(), B)
        ),
    ],
)
def test_what_is_honest_passes(plan: Portfolio) -> None:
    checked, warnings = check(plan, None)
    assert all(one.signals > 20 for one in checked)
    assert warnings == []


def test_levels_may_wait_for_money_that_another_symbol_has() -> None:
    grid = Instance("grid", Grid(count=3, spacing=0.001), (A, B), MINUTE, Sizing.EQUITY, ratio=0.9)
    checked, _ = check(trading(grid), None)
    assert checked[0].signals > 20


def test_what_one_does_is_not_laid_upon_another_of_the_account() -> None:
    strategies = {"honest": Honest(), "remembers": planted.Remembers()}
    ones = [
        Instance(name, strategy, (A,), MINUTE, Sizing.EQUITY, ratio=0.3)
        for name, strategy in strategies.items()
    ]
    with pytest.raises(CheckFailed) as caught:
        check(trading(*ones), None)
    assert all(problem.startswith("remembers: ") for problem in caught.value.problems)


def test_real_bars_are_looked_at_too(shared: Path) -> None:
    file = shared / "freqtrade" / "XRP_ETH_1m.parquet"
    with pytest.raises(CheckFailed) as caught:
        check(CAUGHT["holds_all"], Tape(files={A: str(file)}))
    golden("check/holds_all_of_the_feed.txt", str(caught.value))
