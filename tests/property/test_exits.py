"""Promises of exits that hold for any market and any of them."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.assemble import layout
from engine.core.block import Core, table_of
from engine.core.exits import concerns, leave
from engine.core.machine import Compiled, Interpreted, in_use
from engine.core.portfolio import Portfolio
from engine.core.records import Event, Kind, Reason, Status
from tests.drawn import dense, portfolios
from tests.market import isolated

LEAVES = (
    *(Reason.STOP_LOSS, Reason.TAKE_PROFIT, Reason.TRAILING, Reason.BREAK_EVEN),
    *(Reason.ROI, Reason.TIME_STOP),
)
STATE = ("position", "stop", "take", "trailing", "break_even", "rung")
seeds = st.integers(0, 1_000_000)


def fair(plan: Portfolio) -> Portfolio:
    """Return the same portfolio with fills at the price of the market."""
    grids = tuple(replace(one, tick=0.0) for one in plan.instruments)
    return replace(plan, slippage=0.0, impact=0.0, taker=0.0, instruments=grids)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), seeds)
def test_an_exit_fills_at_a_price_of_its_bar(plan: Portfolio, seed: int) -> None:
    events = dense(seed)
    fills = isolated(Compiled, fair(plan), events).logs["fills"]
    fills = fills[np.isin(fills["reason"], LEAVES)]
    bars = events["bar"][fills["seq"]]
    assert (fills["price"] >= bars["low"]).all()
    assert (fills["price"] <= bars["high"]).all()
    assert (fills["ts"] == bars["ts"]).all()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), seeds)
def test_a_pessimists_market_never_fills_a_stop_at_a_better_price(
    plan: Portfolio, seed: int
) -> None:
    """The first fill that differs, which exits or enters by a stop: behind it is another history.

    An entry at a worse price may be more than there is money for: then it is refused.
    """
    events, fairly = dense(seed), fair(plan)
    plans = [replace(fairly, stop_through=through) for through in (False, True)]
    logs = [isolated(Compiled, one, events).logs for one in plans]
    kind, harsh = (log["fills"] for log in logs)
    count = min(len(kind), len(harsh))
    differs = np.flatnonzero(kind[:count] != harsh[:count])
    first = int(differs[0]) if len(differs) else count
    if first == len(kind):
        assert first == len(harsh)
        return
    one, orders = kind[first], logs[1]["orders"]
    refused = orders[(orders["id"] == one["order"]) & (orders["status"] == Status.REFUSED)]
    if len(refused):
        assert one["reason"] == Reason.SIGNAL
        assert refused["reason"].tolist() == [Reason.INSUFFICIENT_FUNDS]
        return
    assert first < len(harsh)
    other = harsh[first]
    assert one[["seq", "book", "order"]] == other[["seq", "book", "order"]]
    side = np.sign(one["quantity"])
    assert side * other["price"] > side * one["price"]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), seeds)
def test_what_is_passed_over_does_nothing(plan: Portfolio, seed: int) -> None:
    """Where `concerns` says no, `leave` orders nothing and moves neither stop nor target."""
    events, machine = dense(seed), Interpreted(layout(plan))
    table_of(machine.block, "account")["isolate"] = 1
    core = Core(machine.block, machine.log, ())
    for i in range(len(events)):
        event = Event.from_buffer_copy(events[i].tobytes())
        for k, book in enumerate(core.books):
            is_its = event.kind <= Kind.TICK and book.symbol == event.symbol
            if is_its and book.position != 0.0 and not concerns(core, k, event.bar):
                before = [getattr(book, name) for name in STATE]
                kept, rows = machine.block.copy(), in_use(machine)
                leave(core, k, event.bar)
                assert in_use(machine) == rows
                assert [getattr(book, name) for name in STATE] == before
                machine.block[:] = kept
        machine.advance(events, i, i + 1, np.empty(len(events)))


def test_drawn_markets_take_every_exit() -> None:
    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    @given(portfolios(), seeds)
    def draw(plan: Portfolio, seed: int) -> None:
        logs = isolated(Compiled, plan, dense(seed)).logs
        taken.update(logs["fills"]["reason"].tolist())
        denied.update(logs["denials"]["reason"].tolist())

    taken, denied = set[int](), set[int]()
    draw()
    assert taken.issuperset(LEAVES)
    assert {Reason.OPPOSITE_SIGNAL, Reason.NO_STOP, Reason.NO_VOLATILITY} <= denied
