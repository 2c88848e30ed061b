"""The simulated venue: its latency, and the orders that it rejects."""

from typing import Any

import numpy as np
import pytest

from engine.core.block import table_of
from engine.core.machine import Compiled
from engine.core.portfolio import Portfolio
from engine.core.records import Reason, Status
from tests.market import (
    MINUTE,
    bar_events,
    follower,
    numbered,
    play,
    portfolio,
    random_bars,
    run,
    target,
    ticks,
)

FLAT = [[100.0, 101.0, 99.0, 100.0]]
DRAWS = 10_000


# ── latency ───────────────────────────────────────────────────────────────────────────────────

PRINTS = ((900, 9.0), (1_000, 10.0), (1_100, 11.0), (1_250, 12.0), (1_251, 13.0), (2_000, 20.0))


@pytest.mark.parametrize(
    ("latency", "price"),
    [(0, 11.0), (100, 11.0), (101, 12.0), (250, 12.0), (251, 13.0), (252, 20.0), (1_000, 20.0)],
)
def test_a_tick_fills_at_decision_and_latency_or_later(
    machine: type, latency: int, price: float
) -> None:
    # decided at 1000, after the tick of that time
    events = numbered(ticks(*PRINTS), target(1_000, 1.0))
    done = run(machine, portfolio(latency=latency), events)
    assert done.logs["fills"]["price"].tolist() == [price]


def test_without_latency_a_tick_of_the_same_time_fills_if_it_comes_later(machine: type) -> None:
    events = numbered(target(1_000, 1.0), ticks(*PRINTS[1:]))
    events = numbered(ticks((900, 9.0)), events)
    done = run(machine, portfolio(), events)
    assert done.logs["fills"]["price"].tolist() == [10.0]


def test_no_tick_after_the_latency_leaves_the_order_at_work(machine: type) -> None:
    events = numbered(ticks(*PRINTS), target(1_000, 1.0))
    done = run(machine, portfolio(latency=1_001), events)
    assert len(done.logs["fills"]) == 0
    assert table_of(done.machine.block, "books")["orders"][0] == 1
    assert table_of(done.machine.block, "working")["ts"][0] == 2_001


@pytest.mark.parametrize("latency", [1, 500, MINUTE])
def test_a_bar_that_opened_before_the_latency_was_over_fills_nothing(
    machine: type, latency: int
) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        102 103 101 103   .   .
        104 105 103 105   .   +1@104
        """,
        portfolio(latency=latency),
    )


def test_a_latency_longer_than_a_bar_waits_longer(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1     .
        102 103 101 103   0.5   .
        104 105 103 105   .     .
        106 107 105 106   .     +1@106
        108 109 107 108   .     -0.5@108
        """,
        portfolio(latency=MINUTE + 1),
    )


def test_a_stop_does_not_wait(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  99 100   .   .
        100 101  94 100   .   +1@100,-1@95:stop_loss
        """,
        portfolio(follower(stop_loss=0.05), latency=1),
    )


def test_an_exit_that_a_stop_overtakes_is_not_made_up_for(machine: type) -> None:
    # the exit decided at 3:00 waits when the stop closes; what is opened next is 1, not 2
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  99 100   .   .
        100 101  99 100   0   +1@100
        100 101  94 100   1   -1@95:stop_loss
        100 101  99 100   .   refused:nothing_left
        100 101  99 100   .   +1@100
        """,
        portfolio(follower(stop_loss=0.05), latency=1),
    )


# ── rejection ─────────────────────────────────────────────────────────────────────────────────


def test_a_rejected_opening_is_gone_until_the_strategy_changes_its_mind(machine: type) -> None:
    # seed 18 rejects order 1 and none of the next
    play(
        machine,
        """
        100 101  99 100   1     .
        102 103 101 102   1     refused:rejected
        103 104 102 103   .     .
        104 105 103 104   0     .
        105 106 104 105   1     .
        106 107 105 106   .     +1@106
        """,
        portfolio(rejection=0.5, seed=18),
    )


def test_a_rejected_exit_is_placed_anew_until_it_is_filled(machine: type) -> None:
    # seed 2 rejects orders 2 and 3
    plan = portfolio(rejection=0.5, seed=2)
    story = """
        100 101  99 100   1   .
        102 103 101 102   0   +1@102
        103 104 102 103   .   refused:rejected
        104 105 103 104   .   refused:rejected
        105 106 104 105   .   -1@105
        106 107 105 106   .   .
        """
    play(machine, story, plan)


def test_each_try_has_an_id_of_its_own(machine: type) -> None:
    plan = portfolio(rejection=0.5, seed=2)
    events = numbered(bar_events(FLAT * 6), target(MINUTE, 1.0), target(2 * MINUTE, 0.0))
    orders = run(machine, plan, events).logs["orders"]
    assert orders[["id", "status", "reason"]].tolist() == [
        (1, Status.PLACED, Reason.SIGNAL),
        (1, Status.FILLED, Reason.SIGNAL),
        (2, Status.PLACED, Reason.SIGNAL),
        (2, Status.REFUSED, Reason.REJECTED),
        (3, Status.PLACED, Reason.SIGNAL),
        (3, Status.REFUSED, Reason.REJECTED),
        (4, Status.PLACED, Reason.SIGNAL),
        (4, Status.FILLED, Reason.SIGNAL),
    ]


def test_a_command_that_is_rejected_is_placed_anew_too(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1      .
        102 103 101 102   kill   +1@102
        103 104 102 103   .      refused:rejected
        104 105 103 104   .      refused:rejected
        105 106 104 105   .      -1@105:killed
        """,
        portfolio(rejection=0.5, seed=2),
    )


def test_a_rejected_exit_waits_for_the_latency_again(machine: type) -> None:
    # seed 4 rejects order 2: at 1000 + 100, and its next try is due at 1100 + 100
    events = numbered(
        ticks((0, 10.0), (500, 10.0), (1_100, 11.0), (1_199, 12.0), (1_200, 13.0)),
        target(0, 1.0),
        target(1_000, 0.0),
    )
    done = run(machine, portfolio(latency=100, rejection=0.5, seed=4), events)
    assert done.logs["fills"]["price"].tolist() == [10.0, 13.0]


def test_nothing_overtakes_a_rejected_exit(machine: type) -> None:
    # out and in again: were order 3 filled before the exit is, twice as much would be held
    play(
        machine,
        """
        100 101  99 100   1     .
        102 103 101 102   0,1   +1@102
        103 104 102 103   .     refused:rejected
        104 105 103 104   .     -1@104,+1@104
        """,
        portfolio(rejection=0.5, seed=4),
    )


def test_a_rejected_exit_with_nothing_left_is_gone(machine: type) -> None:
    # the exit, order 2, waits while the stop, order 3, closes; seed 4 rejects it then
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  99 100   .   .
        100 101  99 100   0   +1@100
        100 101  94 100   .   -1@95:stop_loss
        100 101  99 100   .   refused:rejected
        100 101  99 100   .   .
        100 101  99 100   .   .
        """,
        portfolio(follower(stop_loss=0.05), latency=1, rejection=0.5, seed=4),
    )


def test_a_stop_is_never_rejected(machine: type) -> None:
    # order 2 is the stop's
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  94 100   .   +1@100,-1@95:stop_loss
        """,
        portfolio(follower(stop_loss=0.05), rejection=0.5, seed=2),
    )


# ── the draw ──────────────────────────────────────────────────────────────────────────────────


def alternating(bars: Any, plan: Portfolio, machine: type) -> Any:
    """Return whether each of the first orders is rejected, where every second bar opens."""
    n = len(bars)
    wishes = [target(int(bars["ts"][i]), float(i % 2)) for i in range(n)]
    orders = run(machine, plan, numbered(bars, *wishes)).logs["orders"]
    rejected = np.zeros(int(orders["id"].max()) + 1, bool)
    rejected[orders["id"][orders["reason"] == Reason.REJECTED]] = True
    return rejected[1:]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_the_share_of_rejected_orders_is_right(share: float, seed: int) -> None:
    plan = portfolio(rejection=share, seed=seed, cash=1e9)
    rejected = alternating(bar_events(FLAT * 14_000), plan, Compiled)[:DRAWS]
    assert len(rejected) == DRAWS
    sigma = np.sqrt(DRAWS * share * (1.0 - share))
    assert abs(rejected.sum() - DRAWS * share) < 3.0 * sigma
    # neighbours have nothing to do with each other: pairs of rejected ones are as many as by chance
    pairs = (rejected[1:] & rejected[:-1]).sum()
    spread = np.sqrt(DRAWS * share**2 * (1.0 - share**2) * (1.0 + 2.0 * share / (1.0 + share)))
    assert abs(pairs - (DRAWS - 1) * share**2) < 3.0 * spread


def test_seed_and_id_alone_decide(machine: type) -> None:
    one = portfolio(rejection=0.3, seed=5)
    other = portfolio(
        follower(sizing=1, quantity=0.01), rejection=0.3, seed=5, taker=0.01, slippage=0.01
    )
    bars = random_bars(2_000, seed=1, spread=0.01)
    late = bar_events(FLAT * 2_000)
    late["ts"] += 777_777_000
    late["bar"]["ts"] += 777_777_000
    first, second = alternating(bars, one, machine), alternating(late, other, machine)
    n = min(len(first), len(second))
    assert n > 1_000
    assert first[:n].tolist() == second[:n].tolist()
    another = alternating(bars, portfolio(rejection=0.3, seed=6), machine)
    assert first[:1_000].tolist() != another[:1_000].tolist()


def test_a_greater_share_rejects_the_same_orders_and_more(machine: type) -> None:
    drawn = [
        alternating(bar_events(FLAT * 2_000), portfolio(rejection=share, seed=9), machine)[:1_000]
        for share in (0.0, 0.1, 0.4)
    ]
    assert not drawn[0].any()
    assert (drawn[1] <= drawn[2]).all()
