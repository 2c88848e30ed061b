"""Promises that hold for any market, any wishes, any costs, any commands, any failures."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import Compiled, Interpreted
from engine.core.portfolio import Instance, Instrument, Portfolio
from engine.core.records import Kind, Reason, Sizing, Status
from engine.research.backtest import replay
from engine.research.result import Replay
from engine.strategies.buy_and_hold import BuyAndHold
from engine.strategies.ema_cross import EmaCross
from engine.strategies.rsi_reversion import RsiReversion
from tests.drawn import FIXED, RULES, WORDS, dense, fractions, markets, portfolios, prices
from tests.market import (
    MINUTE,
    bar_events,
    command,
    follower,
    go_on,
    isolated,
    numbered,
    one_by_one,
    portfolio,
    random_bars,
    run,
    state,
    target,
)

LEAVES = (
    *(Reason.STOP_LOSS, Reason.TAKE_PROFIT, Reason.TRAILING, Reason.BREAK_EVEN),
    *(Reason.ROI, Reason.TIME_STOP, Reason.LIQUIDATION),
)
ENDS = (Status.FILLED, Status.REFUSED, Status.CANCELED)


def ended(orders: Any) -> dict[int, Any]:
    """Return id → row of the end of each order that has ended."""
    return {int(row["id"]): row for row in orders if row["status"] in ENDS}


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), markets())
def test_money_is_conserved(plan: Portfolio, events: Any) -> None:
    done = isolated(Compiled, plan, events)
    fills = done.logs["fills"]
    sizes = np.array([plan.instruments[p.symbol].contract_size for p in done.machine.plan.books])
    spent = fills["quantity"] * fills["price"] * sizes[fills["book"]] + fills["fee"]
    funding = done.logs["postings"]["amount"].sum()
    turnover = plan.cash + np.abs(spent).sum()
    account = table_of(done.machine.block, "account")[0]
    symbols = table_of(done.machine.block, "symbols")
    books = table_of(done.machine.block, "books")

    left = plan.cash - fills["paid"].sum() + funding
    assert account["cash"] == pytest.approx(left, abs=1e-9 * turnover)
    held = (symbols["position"] * symbols["price"] * symbols["contract_size"]).sum()
    earned = plan.cash - spent.sum() + held + funding  # whether it was bought or held on margin
    assert account["equity"] == pytest.approx(earned, abs=1e-9 * turnover)
    assert account["equity"] == done.equity[-1] == account["cash"] + account["value"]
    assert account["margin"] == pytest.approx(books["margin"].sum())
    assert account["fees"] == pytest.approx(fills["fee"].sum(), rel=1e-9)
    for k, book in enumerate(books):
        mine = fills[fills["book"] == k]
        assert book["position"] == pytest.approx(mine["quantity"].sum(), rel=1e-9, abs=1e-9)
        if len(mine):
            assert book["position"] == mine["position"][-1]
    for s, symbol in enumerate(symbols):
        assert symbol["position"] == pytest.approx(books["position"][books["symbol"] == s].sum())
    closed = done.logs["trades"]["profit"].sum()
    still = sum(
        (b["position"] * symbols[b["symbol"]]["price"] + b["earned"] - b["spent"])
        * symbols[b["symbol"]]["contract_size"]
        - b["paid"]
        + b["funding"]
        for b in books
        if b["position"]
    )
    gained = account["equity"] - plan.cash
    assert gained == pytest.approx(closed + still, abs=1e-9 * turnover)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), markets())
def test_margins_are_paid_for_and_flat_books_bind_none(plan: Portfolio, events: Any) -> None:
    done = isolated(Compiled, plan, events)
    books = table_of(done.machine.block, "books")
    assert (books["margin"][books["position"] == 0.0] == 0.0).all()
    assert (books["margin"] >= 0.0).all()
    if all(grid.isolated for grid in plan.instruments) and not len(done.logs["postings"]):
        account = table_of(done.machine.block, "account")[0]
        assert account["cash"] >= account["margin"] * (1.0 - 1e-9)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), markets())
def test_no_fill_crosses_zero(plan: Portfolio, events: Any) -> None:
    fills = isolated(Compiled, plan, events).logs["fills"]
    before = fills["position"] - fills["quantity"]
    assert (np.minimum(before * fills["position"], 0.0) >= -1e-9 * before**2).all()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(is_spot=True), markets())
def test_nothing_trades_on_negative_cash_or_short_or_beyond_its_size(
    plan: Portfolio, events: Any
) -> None:
    done = isolated(Compiled, plan, events)
    fills = done.logs["fills"]
    assert (fills["cash"][fills["quantity"] > 0.0] >= 0.0).all()
    assert (fills["position"] >= 0.0).all()
    assert (table_of(done.machine.block, "account")["cash"] >= 0.0).all()
    assert np.isfinite(done.equity).all()
    fixed = table_of(done.machine.block, "books")["sizing"] == Sizing.FIXED
    fixed &= table_of(done.machine.block, "books")["levels"] == 0  # entries there are not bounded
    assert (fills["position"][fixed[fills["book"]]] <= FIXED * (1.0 + 1e-9)).all()


@pytest.mark.parametrize("latency", [0, 1, 90_000])
def test_a_bad_venue_never_leaves_more_than_was_decided(latency: int) -> None:
    symbols = ("X/USD", "Y/USD")
    books = [follower(f"f{i}", symbols=symbols, quantity=FIXED, stop_loss=0.05) for i in range(3)]
    for seed in range(20):
        plan = portfolio(*books, symbols=symbols, latency=latency, rejection=0.3, seed=seed)
        fills = run(Compiled, plan, dense(seed)).logs["fills"]
        assert len(fills)
        assert (fills["position"] <= FIXED).all()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), markets())
def test_every_order_ends_once_or_is_still_at_work(plan: Portfolio, events: Any) -> None:
    done = isolated(Compiled, plan, events)
    orders, fills = done.logs["orders"], done.logs["fills"]
    placed = orders[orders["status"] == Status.PLACED]
    ends = ended(orders)
    assert placed["id"].tolist() == list(range(1, len(placed) + 1))
    assert len(placed) == table_of(done.machine.block, "account")["orders"][0]
    assert len(ends) == len(orders) - len(placed) - (orders["status"] == Status.PARTIAL).sum()
    books, working = (table_of(done.machine.block, name) for name in ("books", "working"))
    at_work = {
        (k, int(row["id"]))
        for k, rows in enumerate(working.reshape(len(books), -1))
        for row in rows[: books["orders"][k]]
    }
    levels = table_of(done.machine.block, "levels")["order"]
    resting = [levels[book["level_first"] : book["level_end"]] for book in books]
    resting = [rows[rows["id"] > 0] for rows in resting]
    assert books["resting"].tolist() == [len(rows) for rows in resting]
    at_work |= {(k, int(row["id"])) for k, rows in enumerate(resting) for row in rows}
    rest = [row for row in placed if int(row["id"]) not in ends]
    assert at_work == {(row["book"], row["id"]) for row in rest}
    filled = orders[(orders["status"] == Status.FILLED) | (orders["status"] == Status.PARTIAL)]
    for name in ("id", "seq", "book", "quantity", "price", "reason"):
        column = fills["order" if name == "id" else name]
        assert column.tolist() == filled[name].tolist()


def may_lie_behind(done: Replay, k: int, seq: int) -> bool:
    """Return whether book `k` holds, at an event, what has a stop or a liquidation."""
    plan, place = done.machine.plan.portfolio, done.machine.plan.books[k]
    one, fills = plan.instances[place.instance], done.logs["fills"]
    has_end = one.stop_loss or one.trailing_distance or one.break_even_at
    own = fills[fills["book"] == k]
    before, amid = own[own["seq"] < seq][-1:], own[own["seq"] == seq]
    is_held = bool(before["position"].any() or amid["position"].any())
    return is_held and bool(has_end or plan.instruments[place.symbol].leverage > 0.0)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(asks=False), markets())
def test_orders_are_matched_by_the_first_event_after_the_latency(
    plan: Portfolio, events: Any
) -> None:
    """But for those that a rejected one stands before, or that lie behind a stop (decision 025)."""
    done = isolated(Compiled, plan, events)
    orders = done.logs["orders"]
    ends = ended(orders)
    rejected = set(orders["book"][orders["reason"] == Reason.REJECTED].tolist())
    for row in orders[orders["status"] == Status.PLACED]:
        if row["reason"] in LEAVES:
            assert ends[int(row["id"])]["seq"] == row["seq"]
            continue
        is_price = (events["kind"] <= Kind.TICK) & (events["history"] == 0)
        is_price &= events["symbol"] == done.machine.plan.books[row["book"]].symbol
        is_due = is_price & (events["bar"]["ts"] >= row["ts"] + plan.latency)
        due = events["seq"][is_due & (events["seq"] > row["seq"])]
        first = int(due[0]) if len(due) else len(events)
        end = ends.get(int(row["id"]))
        if end is None or end["status"] == Status.CANCELED:
            is_prompt = first >= (len(events) if end is None else end["seq"])
        else:
            assert end["seq"] in due
            is_prompt = end["seq"] == first
        assert is_prompt or row["book"] in rejected or may_lie_behind(done, int(row["book"]), first)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(is_spot=True), markets())
def test_nothing_is_opened_while_paused_or_killed(plan: Portfolio, events: Any) -> None:
    done = isolated(Compiled, plan, events)
    orders = done.logs["orders"]
    openings = orders[orders["quantity"] > 0.0]
    killed, paused = False, set[int]()
    for event in events:
        kind = event["kind"]
        meant = {
            k
            for k, book in enumerate(done.machine.plan.books)
            if event["instance"] in (-1, book.instance) and event["symbol"] in (-1, book.symbol)
        }
        if kind in (Kind.PAUSE, Kind.FLATTEN):
            paused |= meant
        elif kind == Kind.RESUME:
            paused -= meant
        elif kind in (Kind.KILL, Kind.REARM):
            killed = kind == Kind.KILL
        now = openings[openings["seq"] == event["seq"]]
        opened = now["book"][now["status"] != Status.CANCELED].tolist()
        assert not (killed and opened)
        assert not paused & set(opened)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), markets())
def test_the_logs_belong_together_and_history_orders_nothing(plan: Portfolio, events: Any) -> None:
    logs = isolated(Compiled, plan, events).logs
    past = int(events["history"].sum())
    for name in ("decisions", "denials", "orders", "fills", "trades"):
        assert (logs[name]["seq"] >= past).all()
    signals = logs["signals"][logs["signals"]["seq"] >= past]
    assert signals[["seq", "book"]].tolist() == logs["decisions"][["seq", "book"]].tolist()
    owners = np.repeat(logs["decisions"][["seq", "book"]], logs["decisions"]["denials"])
    assert owners.tolist() == logs["denials"][["seq", "book"]].tolist()


@settings(max_examples=100, deadline=None)
@given(
    price=prices,
    cash=st.floats(10.0, 1e8),
    fee=fractions,
    slip=fractions,
    reserve=st.floats(0.0, 0.1),
    lot=st.sampled_from([0.0, 1e-8, 0.001]),
)
def test_equity_sizing_is_never_refused_for_its_own_fee(
    price: float, cash: float, fee: float, slip: float, reserve: float, lot: float
) -> None:
    # Without a gap, even the whole equity can be invested, but for the last digit.
    plan = portfolio(
        follower(sizing=Sizing.EQUITY, ratio=1.0, reserve_ratio=max(reserve, 1e-12)),
        instruments=(Instrument("X/USD", lot=lot),),
        cash=cash,
        taker=fee,
        slippage=slip,
    )
    rows = [[price] * 4] * 3
    done = run(Compiled, plan, numbered(bar_events(rows), target(MINUTE, 1.0)))
    if lot == 0.0 or cash > 2.0 * lot * price:
        assert (done.logs["orders"]["status"] != 3).all()
        assert len(done.logs["fills"]) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), markets())
def test_compiled_interpreted_and_one_by_one_leave_the_same_bytes(
    plan: Portfolio, events: Any
) -> None:
    batch = state(isolated(Compiled, plan, events))
    assert batch == state(isolated(Compiled, plan, events, 1))
    assert batch == state(isolated(Interpreted, plan, events, 7))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), markets(), st.data())
def test_a_snapshot_at_any_event_goes_on(plan: Portfolio, events: Any, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    whole = isolated(Compiled, plan, events)
    begun = isolated(Compiled, plan, events[:cut])
    for kind in (Compiled, Interpreted):
        made = kind(layout(plan))
        made.block[:] = begun.machine.block
        rest = go_on(made, events[cut:])
        logs = {name: np.concatenate([begun.logs[name], rest.logs[name]]) for name in rest.logs}
        equity = np.concatenate([begun.equity, rest.equity])
        assert state(Replay(made, logs, equity)) == state(whole)


def everything(**given: Any) -> Portfolio:
    """Return all shipped strategies with all rules, exits and two timeframes on one account."""
    instances = _instances()
    return portfolio(*instances, rules=RULES, taker=0.001, slippage=0.0001, **given)


def _instances() -> list[Instance]:
    given: dict[str, Any] = {"symbols": ("X/USD",), "sizing": Sizing.EQUITY, "ratio": 0.2}
    return [
        Instance("ema", EmaCross(fast=10, slow=30), span=MINUTE, stop_loss=0.005, **given),
        Instance("slow", EmaCross(fast=10, slow=30), span=5 * MINUTE, take_profit=0.01, **given),
        Instance("rsi", RsiReversion(length=14), span=MINUTE, **given),
        Instance("hold", BuyAndHold(), span=15 * MINUTE, **given),
    ]


def test_a_million_bars_compiled_interpreted_and_one_by_one() -> None:
    events = random_bars(1_000_000, seed=3)
    plan = portfolio(
        Instance(
            "it",
            EmaCross(fast=10, slow=30),
            ("X/USD",),
            MINUTE,
            Sizing.EQUITY,
            ratio=0.9,
            stop_loss=0.002,
            take_profit=0.004,
        ),
        rules=RULES,
        taker=0.00001,
    )
    batch = state(run(Compiled, plan, events))
    assert batch == state(one_by_one(Compiled, plan, events))
    assert batch == state(run(Interpreted, plan, events))


@pytest.mark.parametrize("venue", [{}, {"latency": 90_000, "rejection": 0.3, "seed": 3}])
def test_several_strategies_timeframes_and_rules_leave_the_same_bytes(venue: Any) -> None:
    words = [command(WORDS[i % 6], i * 50 * MINUTE, i % 5 - 1) for i in range(1_000)]
    events = numbered(random_bars(50_000, seed=4), *words[: 1_000 if venue else 0])
    plan = everything(**venue)
    batch = state(run(Compiled, plan, events))
    assert batch == state(one_by_one(Compiled, plan, events))
    assert batch == state(run(Interpreted, plan, events))


def test_a_snapshot_goes_on_in_either_machine() -> None:
    events = random_bars(20_000, seed=5)
    whole = run(Compiled, everything(), events)
    for kind in (Compiled, Interpreted):
        half = Compiled(layout(everything()))
        replay(half, events[:9_999])
        rest = kind(layout(everything()))
        rest.block[:] = half.block
        assert replay(rest, events[9_999:]).machine.block.tobytes() == whole.machine.block.tobytes()


@pytest.mark.parametrize(
    "strategy", [EmaCross(), RsiReversion(), BuyAndHold()], ids=lambda s: type(s).__name__
)
@settings(max_examples=10, deadline=None)
@given(cut=st.integers(1, 1_999), seed=st.integers(0, 10))
def test_the_future_does_not_change_the_past(strategy: Any, cut: int, seed: int) -> None:
    plan = portfolio(
        Instance("it", strategy, ("X/USD",), 5 * MINUTE, Sizing.FIXED, 1.0, stop_loss=0.01)
    )
    events = random_bars(2_000, seed)
    whole, part = run(Compiled, plan, events), run(Compiled, plan, events[:cut])
    assert whole.equity[:cut].tobytes() == part.equity.tobytes()
    for name, rows in part.logs.items():
        before = whole.logs[name]
        assert before[before["seq"] < cut].tobytes() == rows.tobytes()
