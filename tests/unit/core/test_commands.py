"""What a person says: pause, resume, close, flatten, kill, re-arm, and what they leave alone."""

from typing import Any

import numpy as np
import pytest

from engine.core.block import table_of
from engine.core.portfolio import Portfolio
from engine.core.records import ORDERS_PER_BOOK, FillOn, Kind, Status
from engine.research.result import Replay
from tests.market import (
    MINUTE,
    bar_events,
    command,
    follower,
    numbered,
    play,
    portfolio,
    run,
    target,
)

FLAT = [[100.0, 101.0, 99.0, 100.0]]
SYMBOLS = ("X/USD", "Y/USD")


def two_by_two() -> Portfolio:
    """Return two instances on two symbols: books a X, b X, a Y, b Y."""
    given: dict[str, Any] = {"symbols": SYMBOLS}
    return portfolio(follower("a", **given), follower("b", **given), symbols=SYMBOLS)


def all_long(*words: Any) -> Any:
    """Return bars of both symbols in which every book of `two_by_two` opens 1."""
    wishes = [target(MINUTE, 1.0, symbol=s, instance=i) for s in range(2) for i in range(2)]
    market = [bar_events(FLAT * 4, symbol=s) for s in range(2)]
    return numbered(*market, *wishes, *words)


def statuses(done: Replay) -> list[str]:
    """Return the order log, as words."""
    plan = done.machine.plan.portfolio
    return [
        f"{row['id']} {Status(row['status']).name.lower()} {row['quantity']:+g}"
        f" {plan.reason(row['reason'])}"
        for row in done.logs["orders"]
    ]


# ── stories ───────────────────────────────────────────────────────────────────────────────────


def test_a_pause_denies_openings_and_lets_exits_go_on(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1       .
        102 103 101 102   pause   +1@102
        103 104 102 103   0       .
        104 105 103 104   1       -1@104,denied:paused
        104 105 103 104   .       .
        """,
        portfolio(),
    )


def test_a_pause_cancels_openings_that_wait_and_no_exits(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1,pause   canceled:paused
        102 103 101 102   resume    .
        103 104 102 103   0,1       .
        104 105 103 104   0,pause   +1@104
        105 106 104 105   .         -1@105
        """,
        portfolio(),
    )


def test_a_pause_between_an_opening_and_its_reduction_leaves_no_debt(machine: type) -> None:
    # +1 is canceled, its -1 stays and finds nothing: what comes next is for 1, not for 2
    play(
        machine,
        """
        100 101  99 100   1,0,pause,resume,1   canceled:paused
        102 103 101 102   .                    +1@102,refused:nothing_left
        103 104 102 103   .                    .
        """,
        portfolio(),
    )


def test_a_paused_position_keeps_its_stop(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1       .
        100 101  99 100   pause   +1@100
        100 101  94 100   .       -1@95:stop_loss
        """,
        portfolio(follower(stop_loss=0.05)),
    )


def test_after_resume_the_strategy_must_change_its_mind_first(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   pause    .
        102 103 101 102   1        denied:paused
        103 104 102 103   resume   .
        104 105 103 104   1        .
        105 106 104 105   0,1      .
        106 107 105 106   .        +1@106
        """,
        portfolio(),
    )


def test_what_is_closed_is_not_opened_again_until_the_strategy_changes_its_mind(
    machine: type,
) -> None:
    play(
        machine,
        """
        100 101  99 100   1       .
        102 103 101 102   close   +1@102
        103 104 102 103   1       -1@103:command
        104 105 103 104   0       .
        105 106 104 105   1       .
        106 107 105 106   .       +1@106
        """,
        portfolio(),
    )


def test_flatten_closes_and_pauses(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1           .
        102 103 101 102   flatten     +1@102
        103 104 102 103   0,1         -1@103:command,denied:paused
        104 105 103 104   resume      .
        105 106 104 105   0,1         .
        106 107 105 106   .           +1@106
        """,
        portfolio(),
    )


def test_a_kill_closes_and_denies_until_rearm(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1        .
        102 103 101 102   kill     +1@102
        103 104 102 103   0,1      -1@103:killed,denied:killed
        104 105 103 104   resume   .
        105 106 104 105   0,1      denied:killed
        106 107 105 106   rearm    .
        107 108 106 107   0,1      .
        108 109 107 108   .        +1@108
        """,
        portfolio(),
    )


def test_rearm_leaves_a_pause_in_place(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   pause,kill   .
        102 103 101 102   1            denied:killed,denied:paused
        103 104 102 103   rearm        .
        104 105 103 104   0,1          denied:paused
        """,
        portfolio(),
    )


@pytest.mark.parametrize("word", ["close", "flatten", "kill"])
def test_a_close_takes_the_place_of_what_waits(machine: type, word: str) -> None:
    # of an opening there is nothing to close, of an exit all
    reason = "killed" if word == "kill" else "command"
    play(
        machine,
        f"""
        100 101  99 100   1,{word}   canceled:{reason}
        102 103 101 102   .          .
        """,
        portfolio(),
    )
    play(
        machine,
        f"""
        100 101  99 100   1          .
        102 103 101 102   0,{word}   +1@102,canceled:{reason}
        103 104 102 103   .          -1@103:{reason}
        104 105 103 104   .          .
        """,
        portfolio(),
    )


def test_closing_twice_closes_once(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1             .
        102 103 101 102   close,close   +1@102,canceled:command
        103 104 102 103   close         -1@103:command
        104 105 103 104   .             .
        """,
        portfolio(),
    )


def test_a_close_takes_what_is_held_not_what_was_on_its_way(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   0.5       .
        102 103 101 102   1,close   +0.5@102,canceled:command
        103 104 102 103   .         -0.5@103:command
        104 105 103 104   .         .
        """,
        portfolio(),
    )


def test_a_wish_behind_a_close_is_opened_after_it(machine: type) -> None:
    # the exit that waits counts as filled: 0.5 is opened anew, not 1 reduced to it
    play(
        machine,
        """
        100 101  99 100   1           .
        102 103 101 102   close,0.5   +1@102
        103 104 102 103   .           -1@103:command,+0.5@103
        """,
        portfolio(),
    )


def test_a_stop_that_comes_before_a_close_leaves_it_nothing(machine: type) -> None:
    # latency keeps the close waiting while the stop acts
    play(
        machine,
        """
        100 101  99 100   1       .
        100 101  99 100   .       .
        100 101  99 100   close   +1@100
        100 101  94 100   .       -1@95:stop_loss
        100 101  99 100   .       refused:nothing_left
        """,
        portfolio(follower(stop_loss=0.05), latency=1),
    )


def test_where_fills_are_on_close_a_command_fills_at_the_last_price(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1       .
        102 103 101 103   close   +1@100
        104 105 103 104   .       -1@103:command
        """,
        portfolio(fill_on=FillOn.CLOSE),
    )


def test_nothing_to_close_says_nothing(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   close,flatten,kill   .
        102 103 101 103   .                    .
        """,
        portfolio(),
    )


# ── whom a word is about ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("instance", "symbol", "meant"),
    [
        (-1, -1, {0, 1, 2, 3}),
        (0, -1, {0, 2}),
        (1, -1, {1, 3}),
        (-1, 1, {2, 3}),
        (1, 0, {1}),
        (0, 1, {2}),
    ],
)
def test_a_word_is_about_its_instance_and_symbol(
    machine: type, instance: int, symbol: int, meant: set[int]
) -> None:
    for kind in (Kind.CLOSE, Kind.FLATTEN, Kind.PAUSE, Kind.RESUME):
        before = [command(Kind.PAUSE, 2 * MINUTE)] if kind == Kind.RESUME else []
        word = command(kind, 2 * MINUTE, instance, symbol)
        done = run(machine, two_by_two(), all_long(*before, word))
        books = table_of(done.machine.block, "books")
        closed = set(np.flatnonzero(books["position"] == 0.0).tolist())
        paused = set(np.flatnonzero(books["paused"]).tolist())
        assert closed == (meant if kind in (Kind.CLOSE, Kind.FLATTEN) else set())
        if kind == Kind.RESUME:
            assert paused == {0, 1, 2, 3} - meant
        else:
            assert paused == (set() if kind == Kind.CLOSE else meant)


def test_a_kill_is_about_everything_whatever_it_names(machine: type) -> None:
    # two books hold, one waits to open, one wants to open afterwards
    words = [
        target(MINUTE, 1.0),
        target(MINUTE, 1.0, symbol=1, instance=1),
        target(2 * MINUTE, 1.0, instance=1),
        command(Kind.KILL, 2 * MINUTE, 0, 0),
        target(2 * MINUTE, 1.0, symbol=1),
    ]
    market = [bar_events(FLAT * 4, symbol=s) for s in range(2)]
    done = run(machine, two_by_two(), numbered(*market, *words))
    assert statuses(done) == [
        "1 placed +1 signal",
        "2 placed +1 signal",
        "1 filled +1 signal",
        "2 filled +1 signal",
        "3 placed +1 signal",
        "4 placed -1 killed",
        "3 canceled +1 killed",
        "5 placed -1 killed",
        "4 filled -1 killed",
        "5 filled -1 killed",
    ]
    assert done.logs["denials"]["book"].tolist() == [2]


# ── orders that wait ──────────────────────────────────────────────────────────────────────────


def test_a_close_makes_room_for_itself(machine: type) -> None:
    # eight orders wait, which is all a book can have; the close is one of its own
    wishes = [0.5, *(0.5 - (i + 1) / 32 for i in range(ORDERS_PER_BOOK))]
    events = numbered(
        bar_events(FLAT * 3),
        target(MINUTE, wishes[0]),
        *(target(2 * MINUTE, wish) for wish in wishes[1:]),
        command(Kind.CLOSE, 2 * MINUTE),
    )
    done = run(machine, portfolio(), events)
    orders = done.logs["orders"]
    assert (orders["status"] == Status.CANCELED).sum() == ORDERS_PER_BOOK
    assert done.logs["fills"]["quantity"].tolist() == [0.5, -0.5]
    assert table_of(done.machine.block, "books")["orders"][0] == 0


def test_a_pause_keeps_the_exits_in_their_order(machine: type) -> None:
    wishes = [0.75, 1.0, 0.25]  # of a position of 0.5: +0.25, +0.25, -0.75
    events = numbered(
        bar_events(FLAT * 4),
        target(MINUTE, 0.5),
        *(target(2 * MINUTE, wish) for wish in (0.25, *wishes, 0.125)),
        command(Kind.PAUSE, 2 * MINUTE),
    )
    done = run(machine, portfolio(), events)
    assert [line for line in statuses(done) if "canceled" in line] == [
        "3 canceled +0.5 paused",
        "4 canceled +0.25 paused",
    ]
    assert done.logs["fills"]["quantity"].tolist() == [0.5, -0.25, -0.25]


# ── history ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fill_on", list(FillOn))
def test_on_history_a_word_is_heard_and_orders_nothing(machine: type, fill_on: FillOn) -> None:
    words = [
        command(Kind.FLATTEN, 3 * MINUTE, history=1),
        command(Kind.KILL, 3 * MINUTE, history=1),
    ]
    events = numbered(bar_events(FLAT * 5), target(MINUTE, 0.5), target(3 * MINUTE, 1.0), *words)
    done = run(machine, portfolio(fill_on=fill_on), events)
    assert done.logs["fills"]["quantity"].tolist() == [0.5, 0.5]
    assert not (done.logs["orders"]["status"] == Status.CANCELED).any()
    assert table_of(done.machine.block, "books")["paused"][0] == 1
    assert table_of(done.machine.block, "account")["killed"][0] == 1


def test_history_fills_nothing_that_waits(machine: type) -> None:
    rows = [[100.0, 101.0, 99.0, 100.0], [110.0, 111.0, 50.0, 110.0], [120.0, 121.0, 119.0, 120.0]]
    bars = bar_events(rows)
    bars["history"] = [0, 1, 0]
    done = run(machine, portfolio(follower(stop_loss=0.05)), numbered(bars, target(MINUTE, 1.0)))
    assert done.logs["fills"]["price"].tolist() == [120.0]
