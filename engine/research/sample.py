"""The events that strategies are checked on: made up, and the first ones of the feed.

How much is looked at is bounded by the numbers below; ordinary Python is slow, so that there its
calls are the bound.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.core.assemble import layout
from engine.core.block import joined
from engine.core.machine import Compiled, Rows
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Kind
from engine.feeds.generated import generate
from engine.feeds.quality import Integers
from engine.feeds.tape import Recording, Tape, interleave, place
from engine.research.backtest import replay, with_targets
from engine.research.fresh import fresh

BARS = 3_000  # made up for each symbol, of the longest timeframe
EVENTS = 300_000  # at most, in a sample
CALLS = 3_000  # at most of ordinary Python, all its instances and symbols together

_TICK = np.dtype([("ts", np.int64), ("price", np.float64), ("amount", np.float64)])

OfInstances = dict[str, Rows]  # instance → its rows of a log of the core


class Played(NamedTuple):
    """What strategies wanted (signals), and what came of it (fills)."""

    wanted: OfInstances
    filled: OfInstances


@dataclass(frozen=True)
class Sample:
    """Events of all symbols of a portfolio.

    of       where they are from
    is_real  whether they have happened
    calls    instance → how often they call its step
    wanted   what fresh copies of the strategies want on them
    filled   what is bought and sold then
    """

    of: str
    is_real: bool
    portfolio: Portfolio
    events: Rows
    calls: dict[str, int]
    wanted: OfInstances
    filled: OfInstances

    def symbol(self, row: np.void) -> str:
        """Return the symbol of a row of the core's log."""
        return layout(self.portfolio).book(int(row["book"]))[1]


def made_up(portfolio: Portfolio) -> Sample:
    """Return generated bars of each symbol, or ticks where a strategy is called on ticks.

    Raises StrategyFailed where one fails.
    """
    span = math.gcd(*portfolio.spans)
    most = EVENTS // len(portfolio.symbols)
    count = min(BARS * max(portfolio.spans) // span, most)
    rows = [generate(symbol, count, span, 1) for symbol in portfolio.symbols]
    if any(instance.strategy.on == "tick" for instance in portfolio.instances):
        rows = [_ticks(bars[: most // 4], span) for bars in rows]
    events = interleave(rows, span, portfolio.spans)
    return sample("made-up prices", False, portfolio, events)


def recorded(portfolio: Portfolio, recording: Recording) -> Sample:
    """Return the first events of a recording, with the rows of external strategies.

    Raises ConfigError and DataError for those rows, StrategyFailed where a strategy fails.
    """
    events = with_targets(layout(portfolio), recording.events)
    return sample("the feed", True, portfolio, events)


def sample(of: str, is_real: bool, portfolio: Portfolio, events: Rows) -> Sample:
    """Return the first of some events, numbered from 0, and what is wanted on them.

    Raises StrategyFailed where a strategy fails.
    """
    calling = {one.name: called(portfolio, one, events) for one in portfolio.instances}
    python = [one.name for one in portfolio.instances if not type(one.strategy).compiled]
    slow = np.sort(np.concatenate([calling[name] for name in python])) if python else np.empty(0)
    end = min(EVENTS, int(slow[CALLS]) if len(slow) > CALLS else len(events))
    shown = events[:end]
    calls = {name: int(np.searchsorted(at, end)) for name, at in calling.items()}
    return Sample(of, is_real, portfolio, shown, calls, *played(portfolio, shown))


def missing(feed: Tape, symbols: Sequence[str]) -> list[Path]:
    """Return which files of a feed are not there."""
    patterns = {symbol: (feed.files or {}).get(symbol, feed.path) for symbol in symbols}
    paths = [place(p, symbol, feed.of_files) for symbol, p in patterns.items() if p is not None]
    return [path for path in paths if not path.exists()]


def played(portfolio: Portfolio, events: Rows, ends: Sequence[int] = ()) -> Played:
    """Return what fresh copies of the strategies want and get on some events, without rules.

    All run together, since one may look at what another one left behind. The events are handed over
    in stretches, each up to one of `ends`, as copies: ordinary Python can reach what lies behind
    them in memory. Raises StrategyFailed where a strategy fails.
    """
    plan = layout(replace(fresh(portfolio), rules=()))
    machine = Compiled(plan)
    stretches = pairwise([0, *ends, len(events)])
    found = [replay(machine, events[first:last].copy()) for first, last in stretches]
    of = np.array([place.instance for place in plan.books])
    logs = []
    for name in ("signals", "fills"):
        rows = joined(name, [done.logs[name] for done in found])
        of_rows = of[rows["book"]]
        logs.append({one.name: rows[of_rows == i] for i, one in enumerate(portfolio.instances)})
    return Played(*logs)


def called(portfolio: Portfolio, instance: Instance, events: Rows) -> Integers:
    """Return the events, ascending, each of which closes a bar of an instance, or is its tick."""
    found: list[Integers] = []
    for symbol in instance.symbols:
        of_symbol = events["symbol"] == portfolio.symbols.index(symbol)
        if instance.strategy.on == "target":
            at = np.flatnonzero(of_symbol & (events["kind"] == Kind.TARGET))
        elif instance.strategy.on == "tick":
            at = np.flatnonzero(of_symbol & (events["kind"] == Kind.TICK))
        else:
            at = np.flatnonzero(of_symbol & (events["kind"] <= Kind.TICK))
            bucket = events["bar"]["ts"][at] // instance.span
            at = at[np.append(np.diff(bucket) > 0, np.ones(min(1, len(at)), bool))]
        found.append(at)
    return np.sort(np.concatenate(found))


def _ticks(bars: Rows, span: int) -> Rows:
    """Return four ticks of each bar, at its prices."""
    ticks = np.empty((len(bars), 4), _TICK)
    for i, name in enumerate(("open", "high", "low", "close")):
        ticks["ts"][:, i] = bars["ts"] + i * span // 4
        ticks["price"][:, i] = bars[name]
        ticks["amount"][:, i] = bars["volume"] / 4.0
    return ticks.reshape(-1)
