"""Bars that are taken at once leave, to the last byte, what the same bars leave one after the other
on the long way: with every question asked at each of them."""

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import Compiled, Interpreted
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Failure, FillOn, Kind, Reason, Sizing, Status
from engine.research.result import Replay
from tests.drawn import WORDS, portfolios
from tests.market import (
    MINUTE,
    command,
    go_on,
    numbered,
    portfolio,
    random_bars,
    state,
    target,
)
from tests.wavering import Wavering, WaveringInPython


@st.composite
def alone(draw: st.DrawFn) -> Portfolio:
    """Draw a portfolio in which each symbol concerns one book alone, which may be of any venue."""
    plan = draw(portfolios())
    kind = draw(st.sampled_from([Wavering, Wavering, WaveringInPython]))
    spans = st.sampled_from([MINUTE, MINUTE, 5 * MINUTE])
    instances = tuple(
        Instance(
            one.name,
            kind(
                seed=draw(st.integers(1, 1_000)),
                is_long_only=draw(st.booleans()),
                fails_at=draw(st.sampled_from([0, 0, 90])),
            ),
            (symbol,),
            draw(spans),
            **{
                name: value
                for name, value in vars(one).items()
                if name not in ("name", "strategy", "symbols", "span")
            },
        )
        for one, symbol in zip(plan.instances, plan.symbols, strict=False)
    )
    made: dict[str, Any] = vars(plan) | {"instances": instances}
    if draw(st.booleans()):
        made |= {"latency": 0, "rejection": 0.0, "fill_on": draw(st.sampled_from(list(FillOn)))}
    return Portfolio(**made)


def tape(seed: int) -> Any:
    """Return bars of one symbol or of two in turns, with words, funding and history among them."""
    random, n = np.random.default_rng(seed), 150
    events = []
    for symbol in range(random.integers(1, 3)):
        bars = random_bars(n, seed + symbol, spread=float(random.choice([0.003, 0.03])))
        bars["symbol"] = symbol
        if random.random() < 0.2:  # some of them are of another length
            bars["span"][random.integers(0, n, 10)] = 5 * MINUTE
        events.append(bars)
    for ts in random.integers(0, n * MINUTE, random.integers(0, 9)).tolist():
        events += [
            command(Kind(random.choice(WORDS)), ts, *random.integers(-1, 2, 2).tolist()),
            target(ts, 0.001, kind=Kind.FUNDING, symbol=int(random.integers(0, 2))),
            target(ts, 0.0, kind=Kind.TIMER),
        ]
    merged = numbered(*events)
    first = random.choice([0, n // 2])  # the past may come late: after an outage
    merged["history"][first : first + random.choice([0, 0, 20])] = 1
    return merged


tapes = st.builds(tape, st.integers(0, 1_000_000))


def played(machine: type, plan: Portfolio, events: Any, size: int, is_long: bool = False) -> Replay:
    """Return what a run leaves, `size` events in a call; the long way takes no symbol for plain."""
    made = machine(layout(plan))
    table_of(made.block, "account")["isolate"] = 1
    plain = table_of(made.block, "symbols")["is_plain"]
    known = plain.copy()
    if is_long:
        plain[:] = 0
    done = go_on(made, events, size)
    plain[:] = known
    return done


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(alone(), tapes)
def test_bars_at_once_leave_what_the_long_way_leaves(plan: Portfolio, events: Any) -> None:
    long_way = state(played(Compiled, plan, events, 1, is_long=True))
    for machine, size in ((Compiled, 1 << 30), (Compiled, 7), (Interpreted, 1 << 30)):
        assert state(played(machine, plan, events, size)) == long_way


def test_drawn_tapes_go_every_way() -> None:
    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(alone(), tapes)
    def draw(plan: Portfolio, events: Any) -> None:
        done = played(Compiled, plan, events, 1 << 30)
        seen["plain"].add(int(table_of(done.machine.block, "symbols")["is_plain"].sum()))
        seen["reasons"].update(done.logs["fills"]["reason"].tolist())
        seen["ends"].update(done.logs["orders"]["status"].tolist())
        seen["failed"].add(bool((table_of(done.machine.block, "books")["step"] < 0).any()))

    seen: dict[str, set[Any]] = {name: set() for name in ("plain", "reasons", "ends", "failed")}
    draw()
    assert seen["plain"] == {0, 1, 2}
    assert seen["failed"] == {False, True}
    assert seen["ends"] == set(map(int, Status))
    assert seen["reasons"] >= {
        *(Reason.SIGNAL, Reason.STOP_LOSS, Reason.TAKE_PROFIT, Reason.TRAILING),
        *(Reason.BREAK_EVEN, Reason.ROI, Reason.TIME_STOP, Reason.LIQUIDATION, Reason.COMMAND),
    }


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 1_000), st.integers(1, 150), st.booleans())
def test_a_step_that_raises_is_found_at_its_own_bar(seed: int, at: int, in_python: bool) -> None:
    kind = WaveringInPython if in_python else Wavering
    strategy = kind(seed=seed, is_long_only=True, fails_at=at)
    instance = Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    events, made = random_bars(150, seed), Compiled(layout(portfolio(instance)))
    equity = np.empty(len(events))
    assert made.advance(events, 0, len(events), equity) == at - 1
    account = table_of(made.block, "account")
    assert account["failure"][0] == Failure.RAISED
    assert account["failed_book"][0] == 0
    assert account["seq"][0] == at - 1
