"""Strategies that write down what they see of other series, and stories to tell them."""

from typing import Any

import numpy as np

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.compile.declare import Strategy
from engine.core.compile.record import floats, ints
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Bar, Kind, Sizing, watch
from tests.market import MINUTE, bar_events, command, portfolio, run, ticks

ROWS = 2_048


class Seen(Strategy):
    """Keeps, at each call, the close of its bar and what it sees of the one it watches."""

    class State:
        watched: Bar
        own: Any = floats(ROWS)
        close: Any = floats(ROWS)
        ts: Any = ints(ROWS)
        count: int

    def step(p, s, bar, out):  # type: ignore[no-untyped-def]
        s.own[s.count] = bar.close
        s.close[s.count] = s.watched.close
        s.ts[s.count] = s.watched.ts
        s.count += 1


class Symbol(Seen):
    """Watches another symbol."""

    other: str = "Y/USD"

    class State(Seen.State):
        watched: Bar = watch(symbol="other")
        own: Any = floats(ROWS)
        close: Any = floats(ROWS)
        ts: Any = ints(ROWS)
        count: int


class Timeframe(Seen):
    """Watches another timeframe of its symbol."""

    watched_timeframe: str = "3m"

    class State(Seen.State):
        watched: Bar = watch(timeframe="watched_timeframe")
        own: Any = floats(ROWS)
        close: Any = floats(ROWS)
        ts: Any = ints(ROWS)
        count: int


class Both(Timeframe):
    """Watches another timeframe of another symbol."""

    other: str = "Y/USD"

    class State(Seen.State):
        watched: Bar = watch(symbol="other", timeframe="watched_timeframe")
        own: Any = floats(ROWS)
        close: Any = floats(ROWS)
        ts: Any = ints(ROWS)
        count: int


class BothInPython(Both):
    """The same, not compiled."""

    compiled = False


class OnTick(Timeframe):
    """Is called on each tick."""

    on = "tick"


def plan_of(
    strategy: Strategy, symbols: tuple[str, ...] = ("Y/USD", "X/USD"), span: int = MINUTE
) -> Portfolio:
    """Return a portfolio of one strategy that is called with the bars of X."""
    instance = Instance("it", strategy, ("X/USD",), span, Sizing.FIXED, 1.0)
    return portfolio(instance, symbols=symbols)


def seen(machine: Any, k: int = 0) -> list[str]:
    """Return what a book has seen so far: `own<watched@minute`, the latter `none` at the start."""
    part = machine.plan.book(k)[0].strategy
    at, record = int(table_of(machine.block, "books")["state"][k]), part.StateRecord
    row = machine.block[at : at + record.words].view(record.dtype)[0]
    return [
        f"{own:g}<{close:g}@{ts // MINUTE}" if close else f"{own:g}<none"
        for own, close, ts in list(zip(row["own"], row["close"], row["ts"], strict=True))[
            : row["count"]
        ]
    ]


def tell(machine: type, text: str, plan: Portfolio) -> None:
    """Play a story and compare what is seen on each event.

    Lines: `X 2 101` is the bar of minute 2 of X, known at its end; `X 2:30 101` a tick; `timer 3`
    the end of minute 2. Then what the calls on this event see: the close of the own bar, `<`, and
    close and minute of the last closed bar that is watched; `.` where nothing is called.
    """
    lines = [line.split() for line in text.strip().splitlines()]
    events = np.concatenate([_event(plan, line[:-1]) for line in lines])
    events["seq"] = np.arange(len(events))
    assert (np.diff(events["ts"]) >= 0).all(), "the story goes back in time"
    made, curve, told = machine(layout(plan)), np.empty(len(events)), []
    for i, line in enumerate(lines):
        before = len(seen(made))
        made.advance(events, i, i + 1, curve)
        told.append(" ".join([*line[:-1], ",".join(seen(made)[before:]) or "."]))
    assert told == [" ".join(line) for line in lines]
    assert run(machine, plan, events).machine.block.tobytes() == made.block.tobytes()


def _event(plan: Portfolio, words: list[str]) -> Any:
    if words[0] == "timer":
        return command(Kind.TIMER, int(words[1]) * MINUTE)
    symbol, price = plan.symbols.index(f"{words[0]}/USD"), float(words[2])
    minutes, _, seconds = words[1].partition(":")
    at = int(minutes) * MINUTE + int(seconds or 0) * 1_000
    if seconds:
        return ticks((at, price), symbol=symbol)
    event = bar_events([[price] * 4], symbol=symbol)
    event["ts"], event["bar"]["ts"] = at + MINUTE, at
    return event
