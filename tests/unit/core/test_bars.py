"""Bars built from ticks and from shorter bars, and when they close."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from engine.core.compile.declare import Strategy
from engine.core.compile.record import floats
from engine.core.portfolio import Instance
from engine.core.records import Event, Kind, Sizing
from engine.feeds.tape import Tape
from tests.market import MINUTE, bar_events, numbered, portfolio, run

BARS = 2_500


class Recorder(Strategy):
    """Keeps every bar it is shown."""

    class State:
        ts: Any = floats(BARS)
        open: Any = floats(BARS)
        high: Any = floats(BARS)
        low: Any = floats(BARS)
        close: Any = floats(BARS)
        volume: Any = floats(BARS)
        count: int

    def step(p, s, bar, out):  # type: ignore[no-untyped-def]
        s.ts[s.count] = float(bar.ts)
        s.open[s.count] = bar.open
        s.high[s.count] = bar.high
        s.low[s.count] = bar.low
        s.close[s.count] = bar.close
        s.volume[s.count] = bar.volume
        s.count += 1


class OnTick(Recorder):
    """Keeps the forming bar at each tick."""

    on = "tick"

    class State:
        close: Any = floats(BARS)
        high: Any = floats(BARS)
        count: int

    def step(p, s, bar, out):  # type: ignore[no-untyped-def]
        s.close[s.count] = bar.close
        s.high[s.count] = bar.high
        s.count += 1


def shown(machine: type, events: Any, span: int, strategy: Strategy | None = None) -> Any:
    """Return what a strategy of timeframe `span` was shown: field → values."""
    strategy = strategy or Recorder()
    instance = Instance("it", strategy, ("X/USD",), span, Sizing.FIXED, 1.0)
    done = run(machine, portfolio(instance), events)
    from engine.core.block import table_of

    record = type(strategy).StateRecord
    offset = int(table_of(done.machine.block, "books")["state"][0])
    row = done.machine.block[offset : offset + record.words].view(record.dtype)[0]
    count = row["count"]
    return {
        name: row[name][:count].tolist() for name in record.dtype.names or () if name != "count"
    }


def ticks(*rows: tuple[float, float, float]) -> Any:
    """Return TICK events of (seconds, price, amount)."""
    events = np.zeros(len(rows), Event.dtype)
    events["kind"] = Kind.TICK
    for event, (at, price, amount) in zip(events, rows, strict=True):
        event["ts"] = event["bar"]["ts"] = int(at * 1000)
        for name in ("open", "high", "low", "close"):
            event["bar"][name] = price
        event["bar"]["volume"] = amount
    return events


def timer(seconds: float) -> Any:
    """Return one TIMER event."""
    event = np.zeros(1, Event.dtype)
    event["kind"], event["ts"] = Kind.TIMER, int(seconds * 1000)
    return event


def test_ticks_become_bars(machine: type) -> None:
    events = numbered(ticks((1, 10, 1), (30, 12, 2), (59.999, 9, 4), (60, 11, 8)), timer(120))
    assert shown(machine, events, MINUTE) == {
        "ts": [0.0, 60_000.0],
        "open": [10.0, 11.0],
        "high": [12.0, 11.0],
        "low": [9.0, 11.0],
        "close": [9.0, 11.0],
        "volume": [7.0, 8.0],
    }


def test_a_later_tick_closes_a_bar_that_no_timer_closed(machine: type) -> None:
    events = numbered(ticks((1, 10, 1), (200, 12, 2)))
    assert shown(machine, events, MINUTE)["ts"] == [0.0]


def test_a_timer_closes_nothing_early_and_nothing_twice(machine: type) -> None:
    events = numbered(ticks((1, 10, 1)), timer(59.999), timer(60), timer(61), timer(120))
    assert shown(machine, events, MINUTE)["ts"] == [0.0]


def test_short_bars_become_long_ones(machine: type) -> None:
    rows = [[i, i + 3, i - 3, i + 1, 1.0] for i in range(10, 22)]
    found = shown(machine, bar_events(rows), 5 * MINUTE)
    assert found == {
        "ts": [0.0, 300_000.0],
        "open": [10.0, 15.0],
        "high": [17.0, 22.0],
        "low": [7.0, 12.0],
        "close": [15.0, 20.0],
        "volume": [5.0, 5.0],
    }


def test_a_long_bar_whose_last_short_bar_is_missing_closes_on_its_timer(machine: type) -> None:
    events = bar_events([[10, 11, 9, 10, 1.0]] * 4 + [[20, 21, 19, 20, 1.0]])
    events["ts"][4] += 3 * MINUTE
    events["bar"]["ts"][4] += 3 * MINUTE  # the bars from 4 to 7 min are missing
    assert shown(machine, numbered(events, timer(300)), 5 * MINUTE)["close"] == [10.0]
    assert shown(machine, events, 5 * MINUTE)["close"] == [10.0]


def test_on_tick_shows_the_forming_bar(machine: type) -> None:
    events = numbered(ticks((1, 10, 1), (30, 12, 2), (40, 11, 4), (61, 9, 1)))
    assert shown(machine, events, MINUTE, OnTick()) == {
        "close": [10.0, 12.0, 11.0, 9.0],
        "high": [10.0, 12.0, 12.0, 9.0],
    }


def test_bars_of_real_trades_equal_those_of_others(machine: type, shared: Path) -> None:
    tape = Tape(
        files={"X/USD": str(shared / "trades/binance_spot_XRP_ETH_aggtrades_2019-10.parquet")}
    )
    events = tape.load(("X/USD",), (MINUTE,)).events
    theirs = pq.read_table(shared / "freqtrade/XRP_ETH_1m.parquet")
    found = shown(machine, events, MINUTE)
    assert len(found["ts"]) == theirs.num_rows == 2_469
    for name, values in found.items():
        assert values == theirs[name].to_pylist(), name
