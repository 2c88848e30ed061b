"""What strategies show is their own state, read while they trade."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.api import backtest, compose
from engine.core.assemble import layout
from engine.core.block import row_at, table_of
from engine.core.machine import Compiled
from engine.core.portfolio import Instance
from engine.core.records import Sizing
from engine.feeds.generated import generate
from engine.feeds.tape import interleave
from engine.research import candles
from engine.research.backtest import replay
from engine.research.recorder import Recorder
from engine.strategies.ema_cross import EmaCross
from engine.strategies.rsi_reversion import RsiReversion
from tests.market import portfolio

MINUTE = 60_000
COUNT = 2_500


def plan() -> Any:
    given: dict[str, Any] = {"symbols": ("X/USD",), "sizing": Sizing.FIXED, "quantity": 1.0}
    return layout(
        portfolio(
            Instance("cross", EmaCross(fast=3, slow=9), span=5 * MINUTE, **given),
            Instance("rsi", RsiReversion(length=7), span=MINUTE, **given),
        )
    )


@pytest.fixture(scope="module")
def bars() -> Any:
    return generate("X/USD", COUNT, MINUTE, 3)


def test_a_line_is_the_state_at_the_close_of_each_candle(bars: Any) -> None:
    events = interleave([bars], MINUTE, [MINUTE, 5 * MINUTE])
    recorder = Recorder(Compiled(plan()), events, {"X/USD": bars})
    replay(recorder, events)
    lines = {line.label: line for line in recorder.lines()}
    assert set(lines) == {"RSI 7, rsi", "EMA 3, cross", "EMA 9, cross"}
    assert [lines[label].below for label in ("RSI 7, rsi", "EMA 3, cross")] == [True, False]
    whole, last = candles.views("X/USD", bars)
    assert lines["EMA 3, cross"].ts.tolist() == np.union1d(whole.closes, last.closes).tolist()
    for at in (3, 40, 700, len(lines["EMA 3, cross"].ts) - 1):
        ts = lines["EMA 3, cross"].ts[at]
        known = events[events["ts"] <= ts]  # nothing that comes later
        machine = Compiled(plan())
        replay(machine, known)
        offsets = table_of(machine.block, "books")["state"].tolist()
        rsi, cross = (
            row_at(machine.block, offsets[k], machine.plan.book(k)[0].strategy.StateRecord)
            for k in range(2)
        )
        for label, value in (
            ("EMA 3, cross", cross.fast.value),
            ("EMA 9, cross", cross.slow.value),
            ("RSI 7, rsi", rsi.rsi.value),
        ):
            noted = lines[label].value[at]
            assert noted == value or (np.isnan(noted) and not value > 0.0), (label, at)


def test_what_is_not_computed_yet_is_not_drawn(bars: Any) -> None:
    events = interleave([bars], MINUTE, [MINUTE, 5 * MINUTE])
    recorder = Recorder(Compiled(plan()), events, {"X/USD": bars})
    replay(recorder, events)
    (strength,) = (line for line in recorder.lines() if line.below)
    first = int(np.argmax(~np.isnan(strength.value)))
    # The index exists from the 7th change on, the 8th bar; candles are of 2 minutes at first.
    assert strength.ts[first] == bars["ts"][0] + 8 * MINUTE
    assert not np.isnan(strength.value[first:]).any()


def test_a_run_that_is_watched_is_the_same_run(bars: Any) -> None:
    events = interleave([bars], MINUTE, [MINUTE, 5 * MINUTE])
    alone = replay(Compiled(plan()), events)
    watched = replay(Recorder(Compiled(plan()), events, {"X/USD": bars}), events)
    assert alone.machine.block.tobytes() == watched.machine.block.tobytes()
    assert alone.equity.tobytes() == watched.equity.tobytes()
    assert {n: rows.tobytes() for n, rows in alone.logs.items()} == {
        n: rows.tobytes() for n, rows in watched.logs.items()
    }
    assert len(alone.logs["trades"]) > 10


def test_a_backtest_records_where_a_report_is_wanted(bars: Any) -> None:
    overrides = ["strategy=[ema_cross]", "universe.symbols=[X/USD]"]
    settings = compose(overrides)
    result = backtest(settings, {"X/USD": bars})
    assert [line.label for line in result.lines] == ["EMA 12", "EMA 26"]  # one strategy: no names
    plain = backtest(compose([*overrides, "report.html=false"]), {"X/USD": bars})
    assert list(plain.lines) == []
    assert replace(result, facts={}, bars={}, lines=(), config="") == replace(
        plain, facts={}, bars={}, lines=(), config=""
    )
