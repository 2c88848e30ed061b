"""Strategies that know what they must not know, in the ways that ordinary Python has."""

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet

from engine.core.compile.declare import Strategy, window
from engine.core.levels import Levels
from engine.core.records import Bar, Kind, Out


class HoldsAll(Strategy):
    """Finds all events of the run in the memory of its caller, and looks at the next bar."""

    compiled = False

    def step(p: Any, s: object, bar: Bar, out: Out) -> None:
        frame: Any = sys._getframe()
        while not isinstance(frame.f_locals.get("events"), np.ndarray):
            frame = frame.f_back
        events = frame.f_locals["events"]
        later = (events["kind"] == Kind.BAR) & (events["bar"]["ts"] > bar.ts)
        closes = events["bar"]["close"][later]
        if len(closes):
            out.target = 1.0 if closes[0] > bar.close else 0.0


class NeedsAll(HoldsAll):
    """Fails where there is no next bar."""

    def step(p: Any, s: object, bar: Bar, out: Out) -> None:
        frame: Any = sys._getframe()
        while not isinstance(frame.f_locals.get("events"), np.ndarray):
            frame = frame.f_back
        events = frame.f_locals["events"]
        if bar.ts + 600_000 < events["ts"][2_000]:
            out.target = 1.0 if events["bar"]["close"][2_000] > bar.close else 0.0


def next_bar(bar: Bar) -> Any:
    """Return the bar after one, from the memory of a caller; None behind the last."""
    frame: Any = sys._getframe()
    while not isinstance(frame.f_locals.get("events"), np.ndarray):
        frame = frame.f_back
    events = frame.f_locals["events"]
    later = events["bar"][(events["kind"] == Kind.BAR) & (events["bar"]["ts"] > bar.ts)]
    return later[0] if len(later) else None


class RestsAtNextLow(Strategy):
    """Wants the same all the time, at a price that it cannot know."""

    compiled = False

    class State:
        levels: Levels = window(1)

    def step(p: Any, s: State, bar: Bar, out: Out) -> None:
        after = next_bar(bar)
        s.levels.price[0] = 0.5 * (bar.low if after is None else after["low"])  # never filled
        s.levels.enter[0] = 0.01


class TakesAtNextHigh(Strategy):
    """Enters on a formula, and moves its take meanwhile, which is no signal."""

    compiled = False

    class State:
        count: int

    def step(p: Any, s: State, bar: Bar, out: Out) -> None:
        s.count += 1
        before = out.target
        out.target = 0.01 if s.count % 10 < 8 else 0.0
        after = next_bar(bar)
        is_signal = out.target != before
        out.take = 0.0 if is_signal or after is None else max(after["high"], bar.close * 1.0001)


class Seldom(Strategy):
    """Looks ahead on one minute in 3 x `every`, and stays out where the price falls."""

    every: int

    compiled = False

    class State:
        count: int

    def step(p: Any, s: State, bar: Bar, out: Out) -> None:
        s.count += 1
        if s.count % 3 == 0:
            out.target = 0.0 if out.target > 0.0 else 1.0
        if s.count % (3 * p.every) == 0:
            frame: Any = sys._getframe()
            while not isinstance(frame.f_locals.get("events"), np.ndarray):
                frame = frame.f_back
            events = frame.f_locals["events"]
            later = (events["kind"] <= Kind.TICK) & (events["bar"]["ts"] >= bar.ts + 60_000)
            falls = events["bar"]["close"][later][:4][-1:] < bar.close  # the next tick is known
            out.target = 0.0 if falls.any() else 1.0


class ReadsAhead(Strategy):
    """Reads the file of the feed, and looks `ahead` bars into it."""

    path: str
    ahead: int = 1  # bars

    compiled = False

    def step(p: Any, s: object, bar: Bar, out: Out) -> None:
        if not hasattr(p, "closes"):
            table = pyarrow.parquet.read_table(Path(p.path))
            p.place = {ts: i for i, ts in enumerate(table["ts"].to_pylist())}
            p.closes = table["close"].to_pylist()
        here = p.place.get(bar.ts)
        if here is not None and here + p.ahead < len(p.closes):
            out.target = 1.0 if p.closes[here + p.ahead] > bar.close else 0.0


class _ReadsNext(Strategy):
    """Reads the file of the feed, and knows the next bar."""

    path: str

    compiled = False

    def after(self, bar: Bar) -> Any:
        """Return the next bar, the same one behind the last."""
        if not hasattr(self, "next"):
            rows = pyarrow.parquet.read_table(Path(self.path)).to_pylist()
            self.next = {one["ts"]: other for one, other in pairwise(rows)}
        return self.next.get(bar.ts, dict.fromkeys(("high", "low", "close"), bar.close))


class ReadsLows(_ReadsNext):
    """Buys at the next low, and sells with the bar after that."""

    class State:
        levels: Levels = window(2)

    def step(p: Any, s: State, bar: Bar, out: Out) -> None:
        levels = s.levels
        levels.price[0] = p.after(bar)["low"] * 1.0001
        levels.enter[0] = 0.01 if levels.position == 0.0 else 0.0
        levels.price[1] = bar.close * 0.5  # at the market
        levels.leave[1] = levels.position


class ReadsHighs(_ReadsNext):
    """Takes its profit at the next high."""

    def step(p: Any, s: object, bar: Bar, out: Out) -> None:
        out.target = 1.0 - out.target
        out.take = p.after(bar)["high"] * 0.9999 if out.target > 0.0 else 0.0
        if out.take <= bar.close:
            out.take = 0.0


class ReadsFalls(_ReadsNext):
    """Has a stop where the next bar falls through it, and none where it comes back."""

    def step(p: Any, s: object, bar: Bar, out: Out) -> None:
        out.target = 1.0 - out.target
        stop = bar.close * 0.999
        out.stop = stop if out.target > 0.0 and p.after(bar)["close"] < stop else 0.0


class Rests(Strategy):
    """Buys `apart` below each close, and sells as far above its entry."""

    apart: float  # fraction

    class State:
        levels: Levels = window(2)

    def step(p: Any, s: State, bar: Bar, out: Out) -> None:
        levels = s.levels
        levels.enter[0] = 0.01 if levels.position == 0.0 else 0.0
        levels.price[0] = bar.close * (1.0 - p.apart)
        levels.leave[1] = levels.position
        levels.price[1] = levels.entry * (1.0 + p.apart)


class Leader(Strategy):
    """Leaves the bar it is shown where others find it, forming or just closed."""

    compiled = False
    close = 0.0

    def step(p: Any, s: object, bar: Bar, out: Out) -> None:
        Leader.close = bar.close


class TickLeader(Leader):
    on = "tick"


class Follower(Strategy):
    """Looks at what the leader's symbol is doing at this moment."""

    compiled = False

    class State:
        before: float

    def step(p: Any, s: State, bar: Bar, out: Out) -> None:
        out.target = 1.0 if Leader.close > s.before else 0.0
        s.before = Leader.close


class Remembers(Strategy):
    """Counts in its class, so that a second run goes on where the first one ended."""

    compiled = False
    count = 0

    def step(p: Any, s: object, bar: Bar, out: Out) -> None:
        Remembers.count += 1
        out.target = 1.0 if Remembers.count % 7 == 0 else 0.0
