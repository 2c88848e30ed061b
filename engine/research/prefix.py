"""Catches a strategy that sees the future: what it wants must depend on no later bar, on no bar of
another symbol that is not closed, and on no run before.

Through `step` alone none of this can happen; through ordinary Python it can.
"""

from collections.abc import Iterator

import numpy as np

from engine.clock import utc
from engine.core.assemble import layout
from engine.core.machine import Rows
from engine.core.records import Kind
from engine.errors import StrategyFailed
from engine.research.sample import OfInstances, Played, Sample, called, played

STRETCHES = 6_000  # at most, that events are handed over in; ordinary Python has 3,000 calls …
COMPILED = 32  # … and what is compiled has no way to look ahead

_WISH = ["ts", "book", "target", "limit", "stop", "take", "tag"]
_FILL = ["ts", "book", "price"]  # tells of stops and takes that are moved meanwhile


def differences(sample: Sample) -> Iterator[str]:
    """Yield a sentence for each instance that breaks a promise, with the first moment it does."""
    told: set[str] = set()
    for found in (_unlike_again(sample), _unlike_cut(sample), _unlike_reordered(sample)):
        for name, sentence in found:
            if name not in told:
                yield sentence
            told.add(name)


def _unlike_again(sample: Sample) -> Iterator[tuple[str, str]]:
    for name, row in _unlike(sample, played(sample.portfolio, sample.events)):
        yield (
            name,
            f"{_wish(sample, name, row)} must be the same each time, was another when the same"
            " events were played again. Keep what it remembers in self or State, not in its class"
            " or module, and draw no random numbers.",
        )


def _unlike_cut(sample: Sample) -> Iterator[tuple[str, str]]:
    """Hand the events over in stretches, each of which ends where a strategy decides.

    Somebody who looks ahead finds nothing behind it, and decides differently.
    """
    try:
        cut = played(sample.portfolio, sample.events, _ends(sample))
    except StrategyFailed as error:
        yield (
            "",
            f"{error.problems[0]} On {sample.of} it fails only where later bars are left out: let"
            " step use only the bar it is given and its own state.",
        )
        return
    for name, row in _unlike(sample, cut):
        yield (
            name,
            f"{_wish(sample, name, row)} must not depend on later bars, but changes when they are"
            " left out. Let step use only the bar it is given and its own state.",
        )


def _ends(sample: Sample) -> list[int]:
    """Return behind which events a stretch ends: those that call a strategy, and timers.

    Where these are too many it is as many as may be, evenly chosen.
    """
    events, portfolio = sample.events, sample.portfolio
    is_end = events["kind"] == Kind.TIMER
    for instance in portfolio.instances:
        is_end[called(portfolio, instance, events)] = True
    known = np.flatnonzero(is_end)
    is_compiled = all(type(instance.strategy).compiled for instance in portfolio.instances)
    most = COMPILED if is_compiled else STRETCHES
    spread = np.linspace(0, len(known) - 1, min(most, len(known)))
    return [int(at) + 1 for at in known[spread.astype(int)]]


def _unlike_reordered(sample: Sample) -> Iterator[tuple[str, str]]:
    """Let the symbols' bars of one moment come in the opposite order.

    One that watches another symbol through the core is shown closed bars alone, in the order of
    the universe: it may want something else. So may one that keeps levels, where the money for what
    rests does not suffice for all symbols.
    """
    if len(sample.portfolio.symbols) == 1:
        return
    plan = layout(sample.portfolio)
    free = {i.name for i in sample.portfolio.instances if any(w.symbol for w in i.watched)}
    free |= {plan.book(k)[0].name for k in range(len(plan.books)) if plan.levels(k)[1] > 0}
    events = sample.events
    is_price = events["kind"] <= Kind.TICK
    place = np.where(is_price, -events["symbol"], 1)  # timers and targets stay behind
    turned = events[np.lexsort((place, events["ts"]))]
    turned["seq"] = events["seq"]
    for name, row in _changed(sample.wanted, played(sample.portfolio, turned).wanted, _WISH):
        if name in free:
            continue
        yield (
            name,
            f"{_wish(sample, name, row)} must follow from bars that were closed before, but depends"
            " on which symbol's bar of that moment comes first. Let it look at no bar of another"
            " symbol that is forming or closes at that moment.",
        )


def _unlike(sample: Sample, again: Played) -> Iterator[tuple[str, np.void]]:
    """Yield each instance that wants something else, and the first row in which it does.

    Where none does, those that get something else: one account pays for all, so that what one of
    them wants has a part in what the others get.
    """
    wishes = list(_changed(sample.wanted, again.wanted, _WISH))
    yield from wishes or _changed(sample.filled, again.filled, _FILL)


def _changed(
    before: OfInstances, after: OfInstances, fields: list[str]
) -> Iterator[tuple[str, np.void]]:
    """Yield each instance whose rows differ in some fields, and the first row that does."""
    for name in before:
        one, other = _in_order(before[name]), _in_order(after[name])
        count = min(len(one), len(other))
        same = one[fields][:count] == other[fields][:count]
        first = count if same.all() else int(np.argmin(same))
        rows = [rows[first] for rows in (one, other) if first < len(rows)]
        if rows:
            yield name, min(rows, key=lambda row: int(row["ts"]))


def _in_order(rows: Rows) -> Rows:
    return rows[np.lexsort((rows["book"], rows["ts"]))]


def _wish(sample: Sample, name: str, row: np.void) -> str:
    when = utc(int(row["ts"]))
    return f"{name}: on {sample.of}, what it wants in {sample.symbol(row)} at {when}"
