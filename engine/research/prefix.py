"""Catches a strategy that sees the future: what it wants must depend on no later bar, on no bar of
another symbol that is not closed, and on no run before.

Through `step` alone none of this can happen; through ordinary Python it can.
"""

from collections.abc import Iterator

import numpy as np

from engine.clock import utc
from engine.core.machine import Rows
from engine.core.records import Kind
from engine.errors import StrategyFailed
from engine.research.sample import Sample, Wanted, wanted

CUTS = 4  # places where the events are cut off, of each strategy in ordinary Python

_WISH = ["ts", "book", "target", "stop", "take", "tag"]


def differences(sample: Sample) -> Iterator[str]:
    """Yield a sentence for each instance that breaks a promise, with the first moment it does."""
    told: set[str] = set()
    for found in (_unlike_again(sample), _unlike_cut(sample), _unlike_reordered(sample)):
        for name, sentence in found:
            if name not in told:
                yield sentence
            told.add(name)


def _unlike_again(sample: Sample) -> Iterator[tuple[str, str]]:
    for name, row in _changed(sample.wanted, wanted(sample.portfolio, sample.events)):
        yield (
            name,
            f"{_wish(sample, name, row)} must be the same each time, was another when the same"
            " events were played again. Keep what it remembers in self or State, not in its class"
            " or module, and draw no random numbers.",
        )


def _unlike_cut(sample: Sample) -> Iterator[tuple[str, str]]:
    for cut in sorted(_cuts(sample)):
        last = utc(int(sample.events["ts"][cut - 1]))
        before = {name: rows[rows["seq"] < cut] for name, rows in sample.wanted.items()}
        try:
            part = wanted(sample.portfolio, sample.events[:cut])
        except StrategyFailed as error:
            yield (
                "",
                f"{error.problems[0]} On {sample.of} it fails only where what comes after {last} is"
                " left out: let step use only the bar it is given and its own state.",
            )
            return
        for name, row in _changed(before, part):
            yield (
                name,
                f"{_wish(sample, name, row)} must not depend on later bars, but changes when those"
                f" after {last} are left out. Let step use only the bar it is given and its own"
                " state.",
            )


def _cuts(sample: Sample) -> set[int]:
    """Return where the events are cut off: behind one that a strategy wants something on.

    Somebody who looks one bar ahead decides differently there. What is compiled has no way to.
    """
    found = {len(sample.events) // 2}
    is_compiled = all(type(i.strategy).compiled for i in sample.portfolio.instances)
    each = [rows["seq"] for rows in sample.wanted.values()]
    for moments in [np.concatenate(each)] if is_compiled else each:
        known = np.unique(moments)
        if len(known):
            spread = np.linspace(0, len(known) - 1, CUTS).astype(int)
            found |= {int(seq) + 1 for seq in known[spread]}
    return found - {0, len(sample.events)}


def _unlike_reordered(sample: Sample) -> Iterator[tuple[str, str]]:
    """Let the symbols' bars of one moment come in the opposite order.

    One that watches another symbol through the core is shown closed bars alone, in the order of
    the universe: it may want something else.
    """
    if len(sample.portfolio.symbols) == 1:
        return
    watching = {i.name for i in sample.portfolio.instances if any(w.symbol for w in i.watched)}
    events = sample.events
    is_price = events["kind"] <= Kind.TICK
    place = np.where(is_price, -events["symbol"], 1)  # timers and targets stay behind
    turned = events[np.lexsort((place, events["ts"]))]
    turned["seq"] = events["seq"]
    for name, row in _changed(sample.wanted, wanted(sample.portfolio, turned)):
        if name in watching:
            continue
        yield (
            name,
            f"{_wish(sample, name, row)} must follow from bars that were closed before, but depends"
            " on which symbol's bar of that moment comes first. Let it look at no bar of another"
            " symbol that is forming or closes at that moment.",
        )


def _changed(before: Wanted, after: Wanted) -> Iterator[tuple[str, np.void]]:
    """Yield each instance that wants something else, and the first row in which it does."""
    for name in before:
        one, other = _in_order(before[name]), _in_order(after[name])
        count = min(len(one), len(other))
        same = one[_WISH][:count] == other[_WISH][:count]
        first = count if same.all() else int(np.argmin(same))
        rows = [rows[first] for rows in (one, other) if first < len(rows)]
        if rows:
            yield name, min(rows, key=lambda row: int(row["ts"]))


def _in_order(rows: Rows) -> Rows:
    return rows[np.lexsort((rows["book"], rows["ts"]))]


def _wish(sample: Sample, name: str, row: np.void) -> str:
    when = utc(int(row["ts"]))
    return f"{name}: on {sample.of}, what it wants in {sample.symbol(row)} at {when}"
