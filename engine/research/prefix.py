"""Catches a strategy that sees the future: what it wants on the first bars must not depend on later
ones. Through `step` alone that cannot happen; through ordinary Python and files it can.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engine.clock import utc
from engine.core.assemble import layout
from engine.core.machine import Compiled, Rows
from engine.core.portfolio import Instance, Instrument, Portfolio
from engine.errors import CheckFailed
from engine.feeds.generated import generate
from engine.feeds.tape import interleave
from engine.research.backtest import replay

BARS = 3_000
CUTS = (BARS // 3, BARS // 2, BARS - 1)


def check(portfolio: Portfolio) -> None:
    """Run each strategy on generated bars, whole and cut off; raise CheckFailed on a difference."""
    problems = [p for instance in portfolio.instances for p in _differences(portfolio, instance)]
    if problems:
        raise CheckFailed(*problems)


def _differences(portfolio: Portfolio, instance: Instance) -> Iterator[str]:
    """Yield a sentence for the first bar whose signals change when later bars are taken away."""
    alone = replace(instance, symbols=instance.symbols[:1])
    span = math.gcd(*alone.spans)
    recorded = [generate(grid.symbol, BARS, span, 1) for grid in _read(portfolio, alone)]
    events = interleave(recorded, span, sorted(alone.spans))
    known = np.unique(events["ts"])
    whole = _signals(portfolio, alone, events)
    for cut in CUTS:
        last = int(np.searchsorted(events["ts"], known[cut - 1], side="right"))
        part = _signals(portfolio, alone, events[:last])
        before = whole[whole["seq"] < last]
        if part.tobytes() != before.tobytes():
            count = min(len(part), len(before))
            same = part[:count] == before[:count]
            first = count if same.all() else int(np.argmin(same))
            row = (before if first < len(before) else part)[first]
            yield (
                f"{instance.name}: what it wants at {utc(int(row['ts']))} must not depend on later"
                f" bars, but changes when those after bar {cut} are left out. Let step use only"
                " the bar it is given and its own state."
            )
            return


def _signals(portfolio: Portfolio, instance: Instance, events: Rows) -> Rows:
    """Return what a fresh copy of one instance wants on some events, alone on its symbol."""
    fresh = replace(instance, strategy=copy.deepcopy(instance.strategy))
    grids = _read(portfolio, instance)
    alone = replace(portfolio, instruments=grids, instances=(fresh,), rules=())
    return replay(Compiled(layout(alone)), events.copy()).logs["signals"]


def _read(portfolio: Portfolio, instance: Instance) -> tuple[Instrument, ...]:
    """Return the instruments that an instance trades or watches, in the order of the universe."""
    names = {*instance.symbols, *(watched.symbol for watched in instance.watched)}
    return tuple(grid for grid in portfolio.instruments if grid.symbol in names)
