"""Catches a strategy that knows the future from a file: the price then goes where it went.

No replay can show that, since the file is the same however the events are cut. What shows is that
nobody is right that often. (`docs/guide/checks.md`)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.clock import utc
from engine.core.portfolio import Instance
from engine.core.records import Kind
from engine.research.figures import timeframe
from engine.research.sample import Sample
from engine.strategies.external import External

SHARE = 0.75  # of all rises of the target, and of all falls, after which the price went as they did
SIGMAS = 4.0  # by so much each must be more than a coin would be right: 16 of 16, 70 of 100

_HOUR = 3_600_000
_HORIZONS = (5 * 60_000, 15 * 60_000, 30 * 60_000, *(n * _HOUR for n in (1, 2, 4, 8, 12, 24, 168)))
_BARS = 20  # horizons are 1 to 20 of the strategy's bars, and those above that are longer


@dataclass(frozen=True)
class _Score:
    """After how many changes of the target the price went the same way within `horizon` ms."""

    horizon: int
    risen: int
    rises: int
    fallen: int
    falls: int
    first: int  # ms, of the changes

    @property
    def share(self) -> float:
        """The smaller share of those that went the same way, or the opposite way; 0.0 by chance."""
        missed = self.rises - self.risen, self.falls - self.fallen
        return max(self._share(self.risen, self.fallen), self._share(*missed))

    @property
    def bias(self) -> float:
        """By how much the share of all that went the same way is away from a half."""
        count = self.rises + self.falls
        return abs((self.risen + self.fallen) / count - 0.5) if count else 0.0

    def _share(self, up: int, down: int) -> float:
        shares = []
        for count, of in ((up, self.rises), (down, self.falls)):
            if not of or 2 * count - of < SIGMAS * math.sqrt(of):
                return 0.0
            shares.append(count / of)
        return min(shares)


def oracles(sample: Sample) -> Iterator[str]:
    """Yield a sentence for each instance whose target knows where the price is going."""
    for instance in sample.portfolio.instances:
        spans = {instance.span * n for n in range(1, _BARS + 1)}
        horizons = sorted(spans | {n for n in _HORIZONS if n > instance.span})
        changes = _changes(sample, instance)
        best = max((_score(changes, n) for n in horizons), key=lambda score: score.share)
        if best.share >= SHARE:
            yield _told(sample, instance, best)


def suspects(sample: Sample) -> Iterator[str]:
    """Yield a warning for each file of targets whose rows may carry the time their bar opened.

    What is computed from a bar goes with that bar, far more than with the next one.
    """
    for instance in sample.portfolio.instances:
        if isinstance(instance.strategy, External):
            changes = _changes(sample, instance)
            after, before = (_score(changes, span) for span in (instance.span, -instance.span))
            count = after.rises + after.falls
            excess = abs(2 * (after.risen + after.fallen) - count)
            if excess >= SIGMAS * math.sqrt(count) > 0.0 and after.bias > before.bias:
                bar = timeframe(instance.span)
                yield (
                    f"{instance.name}: should follow from bars that are closed, but the {bar} after"
                    f" tells {0.5 + after.bias:.0%} of {count:,} changes of its target, the {bar}"
                    f" before {0.5 + before.bias:.0%}. Make sure that ts in"
                    f" {instance.strategy.path} is when bars closed, not when they opened."
                )


def _told(sample: Sample, instance: Instance, score: _Score) -> str:
    is_same = score.risen * 2 > score.rises
    risen = score.risen if is_same else score.rises - score.risen
    fallen = score.fallen if is_same else score.falls - score.fallen
    up, down = ("rose", "fell") if is_same else ("fell", "rose")
    remedy = (
        f"Give each row of {instance.strategy.path} the time at which its bar closed, not the one"
        " at which it opened."
        if isinstance(instance.strategy, External)
        else "Let step use only the bar it is given: a file that it reads must hold nothing newer."
    )
    return (
        f"{instance.name}: on {sample.of}, what it wants must follow from bars that are closed, but"
        f" within {timeframe(score.horizon)} the price {up} after {risen} of {score.rises} rises of"
        f" its target, and {down} after {fallen} of {score.falls} falls, from {utc(score.first)}"
        f" on. {remedy}"
    )


def _changes(sample: Sample, instance: Instance) -> list[tuple[Any, ...]]:
    """Return, for each symbol, when the target rose or fell, the price then, and all prices."""
    rows = sample.wanted[instance.name]
    found = []
    for book in np.unique(rows["book"]):
        of_book = rows[rows["book"] == book]
        change = np.diff(of_book["target"], prepend=0.0)
        symbol = sample.portfolio.symbols.index(sample.symbol(of_book[0]))
        events = sample.events
        of_symbol = (events["kind"] <= Kind.TICK) & (events["symbol"] == symbol)
        prices = events["ts"][of_symbol], events["bar"]["close"][of_symbol]
        found.append((of_book["ts"], change, of_book["price"], *prices))
    return found


def _score(changes: list[tuple[Any, ...]], horizon: int) -> _Score:
    """Count, in each stretch of the length of the horizon, one rise and one fall at most.

    Neighbours would be right or wrong together. A horizon below 0 looks at where the price came
    from.
    """
    risen = rises = fallen = falls = 0
    first = []
    for ts, change, price, known, close in changes:
        for is_rise in (True, False):
            at = np.flatnonzero(change > 0.0 if is_rise else change < 0.0)
            at = at[np.diff(ts[at] // abs(horizon), prepend=-1) > 0]
            end = ts[at] + horizon
            at = at[(end >= known[0]) & (end <= known[-1]) & (price[at] > 0.0)]
            there = close[np.searchsorted(known, ts[at] + horizon, side="right") - 1]
            at, there = at[there != price[at]], there[there != price[at]]
            same = int(((there > price[at]) == (is_rise == (horizon > 0))).sum())
            first += [int(ts[at[0]])] if len(at) else []
            if is_rise:
                risen, rises = risen + same, rises + len(at)
            else:
                fallen, falls = fallen + same, falls + len(at)
    return _Score(horizon, risen, rises, fallen, falls, min(first, default=0))
