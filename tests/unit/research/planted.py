"""Strategies that know what they must not know, in the ways that ordinary Python has."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet

from engine.core.compile.declare import Strategy
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
