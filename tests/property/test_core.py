"""Promises that hold for any market, any wishes, any costs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import Compiled, Interpreted
from engine.core.portfolio import Instance, Instrument, Portfolio
from engine.core.records import Sizing
from engine.research.backtest import replay
from engine.rules.gross_exposure import GrossExposure
from engine.rules.open_positions import OpenPositions
from engine.rules.order_notional import OrderNotional
from engine.rules.position_size import PositionSize
from engine.rules.stale_price import StalePrice
from engine.strategies.buy_and_hold import BuyAndHold
from engine.strategies.ema_cross import EmaCross
from engine.strategies.rsi_reversion import RsiReversion
from tests.market import (
    MINUTE,
    bar_events,
    follower,
    numbered,
    one_by_one,
    portfolio,
    random_bars,
    run,
    state,
    target,
)

RULES: Any = (
    ("order_notional", OrderNotional(notional_max=5_000.0)),
    ("position_size", PositionSize(ratio_max=0.5)),
    ("gross_exposure", GrossExposure(ratio_max=0.9)),
    ("open_positions", OpenPositions(count_max=3)),
    ("stale_price", StalePrice(age_seconds_max=300)),
)

prices = st.floats(1.0, 1e5)
wishes = st.sampled_from([-1.0, 0.0, 0.0, 0.25, 0.5, 1.0, 1.0])
fractions = st.floats(0.0, 0.05)


@st.composite
def markets(draw: st.DrawFn) -> Any:
    """Draw two symbols of random bars and the wishes of three books on them."""
    events = []
    n = draw(st.integers(2, 25))
    for symbol in range(2):
        closes = draw(st.lists(prices, min_size=n, max_size=n))
        rows = []
        for close in closes:
            opened = close * draw(st.floats(0.8, 1.25))
            rows.append([opened, max(opened, close) * 1.01, min(opened, close) * 0.99, close, 1.0])
        events.append(bar_events(rows, symbol=symbol))
        for book in range(3):
            moments = draw(st.lists(st.integers(1, n), unique=True, max_size=n))
            events += [
                target(i * MINUTE, draw(wishes), symbol=symbol, instance=book) for i in moments
            ]
    return numbered(*events)


@st.composite
def portfolios(draw: st.DrawFn) -> Portfolio:
    """Draw three followers on two symbols, with costs, grids, sizings and exits."""
    sizing = st.sampled_from(
        [
            {"sizing": Sizing.FIXED, "quantity": 1.5},
            {"sizing": Sizing.EQUITY, "ratio": 0.5, "reserve_ratio": 0.005},
            {"sizing": Sizing.EQUITY, "ratio": 1.0, "reserve_ratio": 0.0},
        ]
    )
    exits = st.sampled_from([{}, {"stop_loss": 0.05}, {"stop_loss": 0.1, "take_profit": 0.1}])
    grids = st.sampled_from([{}, {"tick": 0.5, "lot": 0.01}, {"contract_size": 10.0}])
    symbols = ("X/USD", "Y/USD")
    return portfolio(
        *(follower(f"f{i}", symbols=symbols, **draw(sizing), **draw(exits)) for i in range(3)),
        instruments=tuple(Instrument(symbol, **draw(grids)) for symbol in symbols),
        cash=draw(st.floats(100.0, 1e6)),
        taker=draw(fractions),
        slippage=draw(fractions),
        rules=draw(st.sampled_from([(), RULES])),
    )


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), markets())
def test_money_is_conserved(plan: Portfolio, events: Any) -> None:
    done = run(Compiled, plan, events)
    fills = done.logs["fills"]
    sizes = np.array([plan.instruments[p.symbol].contract_size for p in done.machine.plan.books])
    spent = fills["quantity"] * fills["price"] * sizes[fills["book"]] + fills["fee"]
    account = table_of(done.machine.block, "account")[0]
    symbols = table_of(done.machine.block, "symbols")
    books = table_of(done.machine.block, "books")

    assert account["cash"] == pytest.approx(plan.cash - spent.sum(), rel=1e-9, abs=1e-9 * plan.cash)
    value = (symbols["position"] * symbols["price"] * symbols["contract_size"]).sum()
    assert account["equity"] == pytest.approx(account["cash"] + value, rel=1e-9)
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
        for b in books
        if b["position"]
    )
    gained = account["equity"] - plan.cash
    assert gained == pytest.approx(
        closed + still, rel=1e-9, abs=1e-9 * max(plan.cash, spent.max(initial=0))
    )


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios(), markets())
def test_nothing_trades_on_negative_cash_or_short(plan: Portfolio, events: Any) -> None:
    done = run(Compiled, plan, events)
    fills = done.logs["fills"]
    assert (fills["cash"][fills["quantity"] > 0.0] >= 0.0).all()
    assert (fills["position"] >= 0.0).all()
    assert (table_of(done.machine.block, "account")["cash"] >= 0.0).all()


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
    batch = state(run(Compiled, plan, events))
    assert batch == state(one_by_one(Compiled, plan, events))
    assert batch == state(run(Interpreted, plan, events))


def everything() -> Portfolio:
    """Return all shipped strategies with all rules, exits and two timeframes on one account."""
    given: dict[str, Any] = {"symbols": ("X/USD",), "sizing": Sizing.EQUITY, "ratio": 0.2}
    return portfolio(
        Instance("ema", EmaCross(fast=10, slow=30), span=MINUTE, stop_loss=0.005, **given),
        Instance("slow", EmaCross(fast=10, slow=30), span=5 * MINUTE, take_profit=0.01, **given),
        Instance("rsi", RsiReversion(length=14), span=MINUTE, **given),
        Instance("hold", BuyAndHold(), span=15 * MINUTE, **given),
        rules=RULES,
        taker=0.001,
        slippage=0.0001,
    )


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


def test_several_strategies_timeframes_and_rules_leave_the_same_bytes() -> None:
    events = random_bars(50_000, seed=4)
    batch = state(run(Compiled, everything(), events))
    assert batch == state(one_by_one(Compiled, everything(), events))
    assert batch == state(run(Interpreted, everything(), events))


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
