"""Bars that are taken at once: where a walk over them ends. (`engine/core/stretch.py`)"""

import math
import sys
from typing import Any

import numpy as np
import pytest

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.compile import build
from engine.core.compile.declare import Rule, Strategy
from engine.core.machine import Compiled, Drained, Interpreted, drain
from engine.core.portfolio import Instance, Instrument
from engine.core.protect import NEVER
from engine.core.records import Bar, FillOn, Out, Reason, Sizing
from engine.strategies.buy_and_hold import BuyAndHold
from engine.strategies.donchian import Donchian
from engine.strategies.ema_cross import EmaCross
from tests.market import MINUTE, bar_events, follower, go_on, portfolio, random_bars, state
from tests.quoting import Quoting

MACHINES = pytest.mark.parametrize("machine", [Compiled, Interpreted])
ENTERED, REACHED = 1, 7  # bars
ONE = (Sizing.FIXED, 1.0)
STILL = [100.0, 100.5, 99.5, 100.0, 1.0]


def held(**exits: Any) -> Any:
    """Return a position of one unit that is entered at 100.0, at the open of bar ENTERED."""
    return portfolio(
        Instance("it", BuyAndHold(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0, **exits), cash=1_000.0
    )


@MACHINES
@pytest.mark.parametrize(
    ("exits", "bar", "reason"),
    [
        ({"stop_loss": 0.1}, [100.0, 100.5, 100.0 * (1.0 - 0.1), 100.0, 1.0], Reason.STOP_LOSS),
        ({"take_profit": 0.1}, [100.0, 100.0 * (1.0 + 0.1), 99.5, 100.0, 1.0], Reason.TAKE_PROFIT),
        ({"time_stop": (REACHED - ENTERED) * MINUTE}, STILL, Reason.TIME_STOP),
    ],
)
def test_a_price_or_time_that_is_just_reached_ends_a_walk(
    machine: type, exits: Any, bar: Any, reason: Reason
) -> None:
    events = bar_events([STILL] * REACHED + [bar] + [STILL] * 4)
    fills = go_on(machine(layout(held(**exits))), events).logs["fills"]
    assert fills["seq"].tolist() == [ENTERED, REACHED]
    assert fills["reason"].tolist() == [Reason.SIGNAL, reason]


@MACHINES
def test_each_bar_of_a_walk_has_its_equity(machine: type) -> None:
    """1,000 of cash, one unit since 100.0: equity = 1,000 + close - 100."""
    closes = [100.0, 101.0, 99.0, 102.5, 98.0, 100.25]
    events = bar_events([[100.0, 103.0, 97.0, close, 1.0] for close in closes])
    done = go_on(machine(layout(held())), events)
    assert done.equity.tolist() == [1000.0, 1001.0, 999.0, 1002.5, 998.0, 1000.25]
    account, symbol = (table_of(done.machine.block, name)[0] for name in ("account", "symbols"))
    assert (account["ts"], account["seq"]) == (6 * MINUTE, 5)
    assert (symbol["price"], symbol["price_ts"], symbol["value"]) == (100.25, 6 * MINUTE, 100.25)


@MACHINES
def test_a_walk_does_not_carry_the_past_over_into_the_present(machine: type) -> None:
    """The first signal on the bar behind history is acted upon, be history one bar or two."""
    instance = Instance("it", EmaCross(fast=1, slow=3), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    closes = [100.0, 99.0, 98.0, 97.0, 110.0, 111.0]
    events = bar_events([[close, close, close, close, 1.0] for close in closes])
    for past in (3, 4):
        events["history"] = 0
        events["history"][:past] = 1
        logs = go_on(machine(layout(portfolio(instance))), events).logs
        assert logs["signals"]["seq"].tolist() == logs["decisions"]["seq"].tolist() == [4]


@MACHINES
def test_an_order_filled_at_the_close_counts_in_the_equity_of_its_bar(machine: type) -> None:
    """Bought at the close of the first bar for a fee of 10 %: 1,000 - 0.1 x 100."""
    instance = Instance("it", BuyAndHold(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    plan = portfolio(instance, cash=1_000.0, taker=0.1, fill_on=FillOn.CLOSE)
    done = go_on(machine(layout(plan)), bar_events([STILL] * 3))
    assert done.equity.tolist() == [990.0, 990.0, 990.0]


def test_what_makes_a_symbol_plain() -> None:
    """One book, that is called on bars and keeps no levels; no volume that is to be looked at."""

    def is_plain(*instances: Instance, **given: Any) -> list[int]:
        block = Compiled(layout(portfolio(*instances, **given))).block
        return list(table_of(block, "symbols")["is_plain"].tolist())

    given: dict[str, Any] = {"symbols": ("X/USD",), "span": MINUTE}
    fixed: dict[str, Any] = {"sizing": Sizing.FIXED, "quantity": 1.0}
    measured: dict[str, Any] = {
        "sizing": Sizing.VOLATILITY,
        "aim": 1.0,
        "length": 3,
        "ratio_max": 0.5,
    }
    hold = Instance("hold", BuyAndHold(), **given, **fixed)
    assert is_plain(hold) == [1]
    assert is_plain(hold, Instance("too", Donchian(), **given, **fixed)) == [0]
    assert is_plain(follower()) == [0]
    assert is_plain(Instance("asks", Quoting(), **given, **fixed)) == [0]
    assert is_plain(Instance("varies", BuyAndHold(), **given, **measured)) == [0]
    assert is_plain(hold, share_max=0.5) == [0]


def test_a_walk_goes_on_over_the_end_of_no_call() -> None:
    """Events behind `last` stay as they are, whatever is fetched in advance."""
    events = bar_events([STILL] * 10)
    machine, equity = Compiled(layout(held())), np.full(10, np.nan)
    assert machine.advance(events, 0, 4, equity) == 4
    assert np.isnan(equity[4:]).all()
    assert table_of(machine.block, "account")["seq"][0] == 3


@MACHINES
def test_a_venue_liquidates_amid_quiet_bars(machine: type) -> None:
    """Ten times leverage, bought at 100: gone at 90.45, which bar REACHED falls through."""
    instrument = Instrument("X/USD", leverage=10.0, maintenance=0.005)
    instance = Instance("it", BuyAndHold(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    plan = portfolio(instance, cash=1_000.0, instruments=(instrument,))
    events = bar_events([STILL] * REACHED + [[100.0, 100.5, 85.0, 95.0, 1.0]] + [STILL] * 4)
    fills = go_on(machine(layout(plan)), events).logs["fills"]
    assert fills["seq"].tolist() == [ENTERED, REACHED]
    assert fills["reason"].tolist() == [Reason.SIGNAL, Reason.LIQUIDATION]


@MACHINES
def test_a_flat_book_is_left_at_no_price(machine: type) -> None:
    bars = [STILL, STILL, [100.0, 100.5, 80.0, 85.0, 1.0], STILL]
    book = table_of(
        go_on(machine(layout(held(stop_loss=0.1))), bar_events(bars)).machine.block, "books"
    )
    assert book["position"][0] == 0.0
    assert (book["floor"][0], book["ceiling"][0]) == (-math.inf, math.inf)
    assert book["due"][0] == NEVER


@MACHINES
def test_a_call_ends_behind_each_bar_whose_rows_must_be_taken_away_first(machine: type) -> None:
    """A signal on bar 0, its fill on bar 1, a stop on bar 7: live writes each before it goes on."""
    events = bar_events([STILL] * REACHED + [[100.0, 100.5, 80.0, 85.0, 1.0]] + [STILL] * 4)
    made, equity, ends = machine(layout(held(stop_loss=0.1))), np.empty(len(events)), [0]
    table_of(made.log, "log")["rows_max"] = 0
    while ends[-1] < len(events):
        ends.append(made.advance(events, ends[-1], len(events), equity))
        drain(made)
    assert ends == [0, 1, ENTERED + 1, REACHED + 1, len(events)]


class Interrupted(Strategy):
    """Is interrupted by a person at its third bar."""

    compiled = False

    class State:
        count: int

    def step(p, s: State, bar: Bar, out: Out) -> None:
        s.count += 1
        if s.count == 3:
            raise KeyboardInterrupt


class InterruptedRule(Rule):
    """Is interrupted by a person whenever it is asked."""

    compiled = False
    reason = "interrupted"

    def check(p, s, view, intent):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("strategy", "rules"),
    [(Interrupted(), ()), (BuyAndHold(), (("it", InterruptedRule()),))],
)
def test_an_interrupt_amid_a_step_ends_the_call(strategy: Any, rules: Any) -> None:
    instance = Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    made = Compiled(layout(portfolio(instance, rules=rules)))
    before = np.full(12, 7.0)
    with pytest.raises(KeyboardInterrupt):
        made.advance(bar_events([STILL] * 10), 0, 10, before[1:11])
    assert (before[0], before[11]) == (7.0, 7.0)
    assert build.interrupts == []


def bend(p: Any, bar: Any) -> None:
    """Write to what a step only reads; the check of its text cannot see that."""
    p.level += 1.0
    bar.close = 1.0


class Bending(Strategy):
    """Changes its mind whenever its own parameter has passed another ten."""

    level: float = 0.0

    def step(p, s: object, bar: Bar, out: Out) -> None:
        bend(p, bar)
        out.target = 1.0 if p.level % 20.0 < 10.0 else 0.0


def test_a_step_that_bends_what_it_reads_does_the_same_in_calls_of_any_length() -> None:
    instance = Instance("it", Bending(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    events = bar_events([[100.0, 101.0, 99.0, 100.0 + i % 7, 1.0] for i in range(100)])
    found = [
        state(go_on(Compiled(layout(portfolio(instance))), events.copy(), size))
        for size in (1, 7, 1 << 30)
    ]
    assert found[0] == found[1] == found[2]
    assert len(go_on(Compiled(layout(portfolio(instance))), events).logs["trades"]) == 5
    assert events["bar"]["close"].min() == 100.0


WALKS: list[Any] = []  # the frame of the walk that each bar was shown in


class Noting(Strategy):
    """Notes which of its bars one call has shown it."""

    compiled = False

    def step(p, s: object, bar: Bar, out: Out) -> None:
        WALKS.append(sys._getframe(2))


def test_quiet_bars_are_shown_in_one_call() -> None:
    instance = Instance("it", Noting(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    go_on(Compiled(layout(portfolio(instance))), bar_events([STILL] * 10))
    assert len(WALKS) == 10
    assert len(set(map(id, WALKS))) == 1
    WALKS.clear()


def test_what_is_drained_bit_by_bit_is_what_was_logged() -> None:
    """Also where the room that was expected to be needed is too small, or too large."""
    plan = layout(portfolio(Instance("it", EmaCross(fast=2, slow=3), ("X/USD",), MINUTE, *ONE)))
    events = random_bars(2_000, seed=1)
    whole = go_on(Compiled(plan), events).logs
    for done in (1.0, 0.5, 1e-9):
        made, drained, equity = Compiled(plan), Drained(), np.empty(len(events))
        rows = 0
        for first in range(0, len(events), 100):
            assert made.advance(events, first, first + 100, equity) == first + 100
            rows += drained.drain(made, done)
        found = drained.rows()
        assert rows == sum(map(len, whole.values())) > 1_000
        assert {n: one.tobytes() for n, one in found.items()} == {
            n: one.tobytes() for n, one in whole.items()
        }
        for one in found.values():
            room: Any = one.base
            assert room.nbytes <= 8 * one.nbytes
