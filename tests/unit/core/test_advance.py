"""What the loop does besides trading: history, full logs, too many orders, the state's owners."""

from typing import Any

import numpy as np
import pytest

from engine.core.assemble import LOG_ROWS, layout
from engine.core.block import table_of
from engine.core.compile.declare import Strategy
from engine.core.machine import drain
from engine.core.portfolio import Instance, parse_timeframe
from engine.core.records import OPENINGS_PER_BOOK, ORDERS_PER_BOOK, FillOn, Sizing, Status
from engine.rules.order_notional import OrderNotional
from engine.strategies.buy_and_hold import BuyAndHold
from tests.market import MINUTE, bar_events, follower, numbered, portfolio, random_bars, run, target

FLAT = [[100.0, 101.0, 99.0, 100.0]]


def test_history_moves_the_state_and_orders_nothing(machine: type) -> None:
    plan = portfolio(Instance("it", BuyAndHold(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0))
    events = bar_events(FLAT * 5)
    events["history"] = 1
    done = run(machine, plan, events)
    assert len(done.logs["signals"]) == 1
    assert len(done.logs["orders"]) == 0
    assert table_of(done.machine.block, "books")["wish"]["target"][0] == 1.0


def test_a_full_log_stops_the_loop_before_an_event(machine: type) -> None:
    wishes = [target((i + 1) * MINUTE, float(i % 2 == 0)) for i in range(3_000)]
    events = numbered(bar_events(FLAT * 3_001), *wishes)
    made, most = machine(layout(portfolio())), 10_000
    table_of(made.log, "log")["rows_max"] = most
    equity = np.empty(len(events))
    first = made.advance(events, 0, len(events), equity)
    assert 0 < first < len(events)
    assert table_of(made.log, "log")["rows"][0] > most
    assert made.advance(events, first, len(events), equity) == first
    drain(made)
    assert made.advance(events, first, len(events), equity) > first


def wishes_between_two_bars(*wishes: float) -> Any:
    """Return two bars, with the wishes one after the other between them."""
    between = [target(MINUTE + i, wish) for i, wish in enumerate(wishes)]
    return numbered(bar_events(FLAT), *between, _later(bar_events(FLAT)))


def _later(events: Any) -> Any:
    events["ts"] += 2 * MINUTE
    events["bar"]["ts"] += 2 * MINUTE
    return events


def test_orders_between_two_events_fill_in_their_order(machine: type) -> None:
    done = run(machine, portfolio(), wishes_between_two_bars(1.0, 0.0, 0.5))
    assert done.logs["fills"]["quantity"].tolist() == [1.0, -1.0, 0.5]


def test_an_order_decided_during_a_bar_does_not_fill_at_its_open(machine: type) -> None:
    # decided at 1:30 and 1:40: the bar from 1:00 opened before, the one from 2:00 fills them
    rows = [[price, price + 1.0, price - 1.0, price] for price in (100.0, 200.0, 300.0)]
    events = numbered(bar_events(rows), target(90_000, 1.0), target(100_000, 0.25))
    done = run(machine, portfolio(), events)
    fills = done.logs["fills"]
    assert fills["quantity"].tolist() == [1.0, -0.75]
    assert fills["price"].tolist() == [300.0, 300.0]
    assert table_of(done.machine.block, "books")["orders"][0] == 0


def test_openings_leave_room_for_what_reduces(machine: type) -> None:
    wishes = [(i + 1) / 100 for i in range(OPENINGS_PER_BOOK + 2)]
    plan = portfolio()
    done = run(machine, plan, wishes_between_two_bars(*wishes, 0.0))
    denied = [plan.reason(row["reason"]) for row in done.logs["denials"]]
    assert denied == ["too_many_orders"] * 2
    assert table_of(done.machine.block, "books")["position"][0] == 0.0


def test_reductions_for_which_there_is_no_room_become_one(machine: type) -> None:
    # one opening and seven reductions fill the rows; each one more replaces the newest
    wishes = [1.0, *(1.0 - (i + 1) / 16 for i in range(ORDERS_PER_BOOK + 1))]
    done = run(machine, portfolio(), wishes_between_two_bars(*wishes))
    fills = done.logs["fills"]
    assert fills["quantity"].tolist() == [1.0, *[-1 / 16] * (ORDERS_PER_BOOK - 2), -3 / 16]
    assert fills["position"][-1] == wishes[-1]
    canceled = done.logs["orders"][done.logs["orders"]["status"] == Status.CANCELED]
    assert canceled["quantity"].tolist() == [-1 / 16, -2 / 16]


def test_before_the_first_price_nothing_is_opened(machine: type) -> None:
    # the decision comes before any price: there is nothing to size it with
    sizings: list[dict[str, Any]] = [{"sizing": Sizing.EQUITY, "ratio": 1.0}, {"quantity": 1.0}]
    for sizing in sizings:
        for fill_on in FillOn:
            plan = portfolio(follower(**sizing), fill_on=fill_on)
            done = run(machine, plan, numbered(target(0, 1.0), bar_events(FLAT * 2)))
            assert [plan.reason(row["reason"]) for row in done.logs["denials"]] == ["no_price"]
            assert len(done.logs["orders"]) == 0


def test_an_order_never_fills_a_position_that_is_gone(machine: type) -> None:
    # the exit decided at 3:30 waits while the stop closes; a new opening is for 1 all the same
    low = [[100.0, 101.0, 90.0, 100.0]]
    events = numbered(
        bar_events(FLAT * 2 + low + FLAT * 2),
        target(MINUTE, 1.0),
        target(2 * MINUTE + 30_000, 0.0),
        target(3 * MINUTE, 1.0),
    )
    done = run(machine, portfolio(follower(stop_loss=0.05)), events)
    assert done.logs["fills"]["position"].tolist() == [1.0, 0.0, 1.0]


class Alternating(Strategy):
    """Wants a little more on each bar, from half of it on."""

    class State:
        count: int

    def step(p, s, bar, out):  # type: ignore[no-untyped-def]
        s.count += 1
        out.target = 0.5 + 0.1 * s.count


def test_a_full_log_holds_all_that_one_event_can_say(machine: type) -> None:
    # a gap closes two bars at once, and twenty rules deny both decisions
    names = [f"r{r}" for r in range(20)]
    rules = tuple((name, OrderNotional(notional_max=1e-9)) for name in names)
    instance = Instance("it", Alternating(), ("X/USD",), 2 * MINUTE, Sizing.FIXED, 1.0)
    events = bar_events(FLAT * 4)[[0, 3]]
    made = machine(layout(portfolio(instance, rules=rules)))
    log = table_of(made.log, "log")
    log["rows"] = log["denials"] = LOG_ROWS
    assert made.advance(events, 0, 2, np.empty(2)) == 2
    assert log["denials"][0] == LOG_ROWS + 40
    assert log["denials"][0] <= len(table_of(made.log, "denials"))


def test_a_refused_opening_leaves_its_reduction_nothing(machine: type) -> None:
    plan = portfolio(cash=1.0)
    done = run(machine, plan, wishes_between_two_bars(1.0, 0.0))
    refused = done.logs["orders"][done.logs["orders"]["status"] == 3]
    assert [plan.reason(row["reason"]) for row in refused] == ["insufficient_funds", "nothing_left"]


def test_instances_share_cash_and_keep_their_own_books(machine: type) -> None:
    plan = portfolio(follower("a"), follower("b"), cash=150.0)
    events = numbered(
        bar_events(FLAT * 3), target(MINUTE, 1.0, instance=0), target(MINUTE, 1.0, instance=1)
    )
    done = run(machine, plan, events)
    assert table_of(done.machine.block, "books")["position"].tolist() == [1.0, 0.0]
    assert table_of(done.machine.block, "account")["cash"][0] == 50.0


def test_a_run_without_events(machine: type) -> None:
    done = run(machine, portfolio(), random_bars(10, seed=1)[:0])
    assert len(done.equity) == 0


@pytest.mark.parametrize(("text", "span"), [("1s", 1_000), ("15m", 900_000), ("1w", 604_800_000)])
def test_timeframes(text: str, span: int) -> None:
    assert parse_timeframe(text) == span


@pytest.mark.parametrize("text", ["", "m", "0m", "1", "1M", "1.5h", "-1m"])
def test_no_timeframes(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number and one of s m h d w"):
        parse_timeframe(text)
