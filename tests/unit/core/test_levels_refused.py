"""Levels that are refused, and what takes them back: each story worked out by hand.

Columns are those of `tests.unit.core.asking.ask`; an exposure of 1 is 1 unit.
"""

import pytest

from engine.core.assemble import layout
from engine.core.compile.declare import Strategy, window
from engine.core.levels import Levels
from engine.core.portfolio import Instance, Instrument
from engine.core.records import Bar, Out, Sizing
from engine.errors import ConfigError
from engine.rules.position_size import PositionSize
from tests.market import (
    MINUTE,
    bar_events,
    follower,
    isolated,
    numbered,
    portfolio,
    run,
    target,
)
from tests.unit.core.asking import ask, asking, seen

PERPETUAL = (Instrument("X/USD", leverage=5.0, maintenance=0.005),)


# ── what is refused ───────────────────────────────────────────────────────────────────────────


def test_a_short_of_spot_is_denied(machine: type) -> None:
    done = ask(
        machine,
        """
        100 101  99.5 100  0-1@101  denied:short_on_spot
        100 110  99.5 100  .        .
        """,
        asking(),
    )
    assert seen(done)[-1] == ("refused", 0.0, 0.0)


def test_rules_are_asked_with_all_that_rests_counted_as_filled(machine: type) -> None:
    # 1 unit of 100 is 1 % of the equity, so two of them reach the limit of 1.5 %
    ask(
        machine,
        """
        100 101  99.5 100  0+1@99,1+1@98  denied:position_above_limit
        100 101  97   100  .              +1@99
        """,
        asking(rules=(("position_size", PositionSize(ratio_max=0.015)),)),
    )


def test_a_target_is_asked_for_with_all_that_rests_counted_as_filled(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  99.5 100  =1      denied:position_above_limit
        100 101  97   100  .       +1@99
        """,
        asking(rules=(("position_size", PositionSize(ratio_max=0.015)),)),
    )


def test_one_behind_the_market_is_sized_and_asked_for_at_the_market(machine: type) -> None:
    # a hundredth of 1000 is 0.1 at the market of 100, where it trades; at its limit it were 10
    sizing = {"sizing": Sizing.NOTIONAL, "quantity": 0.0, "notional": 1000.0}
    story = """
        100 101  99.5 100  {}  .
        100 101  99.5 100  .   {}
        """
    plan = asking(instruments=PERPETUAL, **sizing)
    ask(machine, story.format("0-.01@1", "-0.1@100"), plan)
    ask(machine, story.format("0+.01@1!", "+0.1@100"), plan)


@pytest.mark.parametrize("wish", [1.0, -1.0])
def test_another_book_opens_against_neither_side_that_rests(machine: type, wish: float) -> None:
    class Both(Strategy):
        class State:
            levels: Levels = window(2)

        def step(p, s: State, bar: Bar, out: Out) -> None:
            for i in range(2):
                s.levels.price[i] = 99.0 + 2.0 * i
                s.levels.enter[i] = 1.0 - 1.5 * i

    plan = portfolio(
        Instance("it", Both(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0),
        follower("other"),
        instruments=PERPETUAL,
    )
    rows = [[100, 101, 99.5, 100]]
    done = run(machine, plan, numbered(bar_events(rows), target(MINUTE + 1, wish, instance=1)))
    assert [plan.reason(row["reason"]) for row in done.logs["denials"]] == ["opposite_book"]


def test_money_is_put_aside_for_what_rests(machine: type) -> None:
    # 99 + 98 is more than 150
    ask(
        machine,
        """
        100 101  99.5 100  0+1@99,1+1@98  denied:insufficient_funds
        100 101  97   100  .              +1@99
        """,
        asking(cash=150.0),
    )


def test_a_margin_is_put_aside_for_what_rests(machine: type) -> None:
    # a fifth of 99 and of 98: 19.8 + 19.6 = 39.4 fits in 40, in 39 it does not
    story = """
        100 101  99.5 100  0+1@99,1+1@98  {}
        100 101  97   100  .              {}
        """
    ask(machine, story.format(".", "+1@99,+1@98"), asking(cash=40.0, instruments=PERPETUAL))
    denied = story.format("denied:insufficient_funds", "+1@99")
    ask(machine, denied, asking(cash=39.0, instruments=PERPETUAL))


def test_what_is_too_small_is_denied(machine: type) -> None:
    coarse = (Instrument("X/USD", lot=0.1, notional_min=20.0),)
    ask(
        machine,
        """
        100 101  99.5 100  0+.05@99,1+.1@98  denied:below_lot,denied:below_notional_min
        100 101  97   100  .                 .
        """,
        asking(instruments=coarse),
    )


def test_leaving_nothing_is_denied(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0>1@101  denied:nothing_left
        100 110  99.5 100  .        .
        """,
        asking(),
    )


def test_the_venue_may_reject_it_when_it_meets_it(machine: type) -> None:
    done = ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  98   100  0+1@99  refused:rejected
        100 101  98   100  .       refused:rejected
        """,
        asking(rejection=1.0),
    )
    assert [status for status, *_ in seen(done)] == ["none", "refused", "refused"]


@pytest.mark.parametrize("word", ["0+1.5@99", "0+nan@99", "0+1@-99", "0+1@0", "0>-1@99", "0>1@99!"])
def test_what_makes_no_sense_stops_the_strategy(machine: type, word: str) -> None:
    with pytest.raises(Exception, match="asking"):
        ask(machine, f"100 101 99.5 100 {word} .", asking())


def test_what_leaves_is_not_canceled_for_taking(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  98   100  0>1@95  +1@99
        100 101  99   100  .       -1@100
        """,
        asking(post_only=True),
    )


# ── a person's word ───────────────────────────────────────────────────────────────────────────


def test_a_pause_takes_entries_out_of_the_book_and_a_resume_puts_them_back(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100         .
        100 101  99.5 100  0>.5@110,1+.5@95 +0.5@100
        100 101  99   100  pause            canceled:paused
        100 111  90   100  resume           -0.5@110
        100 101  96   100  .                .
        100 101  94   100  .                +0.5@95
        """,
        asking(),
    )


def test_what_a_pause_takes_back_of_a_partial_fill_is_all_that_comes_back(machine: type) -> None:
    # a tenth of 4 is filled where the price only touches it: 0.6 of 1 are left
    done = ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  99   100  pause   +0.4@99,canceled:paused
        100 101  98   100  resume  .
        100 101  99.5 100  .       .
        100 101  98   100  .       +0.6@99
        100 101  98   100  .       .
        """,
        asking(queue_share=0.1),
        volume=4.0,
    )
    assert [filled for _, filled, _ in seen(done)] == [0.0, 0.4, 0.4, 0.4, 1.0, 1.0]


def test_an_exit_during_a_pause_takes_back_what_would_return(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100,1+.5@80 .
        100 101  99.5 100  .                +0.5@100
        100 101  99.5 100  pause            canceled:paused
        100 101  89   100  resume           -0.5@90:stop_loss
        100 101  79   100  .                .
        100 101  79   100  .                .
        """,
        asking(stop_loss=0.1),
    )


def test_a_close_takes_all_of_them_back(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100,1+.5@90 .
        100 101  99.5 100  0>.5@110         +0.5@100
        100 101  99   100  close            canceled:command,canceled:command
        100 101  80   100  .                -0.5@100:command
        """,
        asking(),
    )


def test_a_strategy_that_fails_leaves_no_entry_in_the_book(machine: type) -> None:
    class Fails(Strategy):
        class State:
            levels: Levels = window(1)
            count: int

        def step(p, s: State, bar: Bar, out: Out) -> None:
            s.count += 1
            s.levels.price[0] = 99.0
            s.levels.enter[0] = 1.0 if s.count < 3 else 2.0

    plan = portfolio(Instance("it", Fails(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0))
    rows = [[100, 101, 99.5, 100]] * 3 + [[100, 101, 90, 100]]
    done = isolated(machine, plan, bar_events(rows))
    assert len(done.logs["fills"]) == 0
    reasons = done.logs["orders"]["reason"].tolist()
    assert [plan.reason(reason) for reason in reasons] == ["signal", "failed"]


def test_two_sets_of_levels_are_one_too_many() -> None:
    class Two(Strategy):
        class State:
            one: Levels = window(1)
            other: Levels = window(1)

        def step(p, s: State, bar: Bar, out: Out) -> None:
            out.target = 0.0

    plan = portfolio(Instance("it", Two(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0))
    with pytest.raises(ConfigError, match=r"one Levels at most, had 2 \(one, other\)"):
        layout(plan).levels(0)
