"""Measures how much history a strategy needs: started later, it must come to want the same."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.core.machine import Rows
from engine.core.portfolio import Instance
from engine.core.records import Kind
from engine.research.sample import Sample, played

STARTS = (0.13, 0.26, 0.39, 0.52)  # of the events are left out: no whole parts of one another
TOLERANCE = 1e-3  # relative difference of a price that is still the same
SIGNALS = 10  # at least so many after a later start, to say that it never comes to the same


@dataclass(frozen=True)
class WarmUp:
    """How a strategy that starts later differs from one that has run all the time.

    bars        closed bars from the later start on until both want the same for good, of the worst
                start; None where that never happened, or where too few signals tell
    differ      how many of the `signals` of both differ before that
    difference  mean of the relative differences of target, stop and take at these `differ`
    settles     False where it never comes to want the same
    """

    bars: int | None
    differ: int
    signals: int
    difference: float
    settles: bool = True


def warm_ups(sample: Sample) -> dict[str, WarmUp]:
    """Return for each instance, but those that follow a file, the worst of all later starts."""
    found: dict[str, list[WarmUp]] = {}
    for share in STARTS:
        first, start = _later(sample, share)
        late = played(sample.portfolio, sample.events[first:]).wanted
        for instance in sample.portfolio.instances:
            if instance.strategy.on != "target":
                whole = sample.wanted[instance.name]
                one = _compared(instance, start, whole, late[instance.name])
                found.setdefault(instance.name, []).append(one)
    return {name: max(ones, key=_badness) for name, ones in found.items()}


def _badness(one: WarmUp) -> tuple[bool, int]:
    return not one.settles, -1 if one.bars is None else one.bars


def _later(sample: Sample, share: float) -> tuple[int, int]:
    """Return the first event of a later start and its time, where bars of all timeframes open."""
    events, longest = sample.events, max(sample.portfolio.spans)
    at = int(events["ts"][int(len(events) * share)])
    start = -(-at // longest) * longest
    is_before = (events["kind"] <= Kind.TICK) & (events["bar"]["ts"] < start)
    before = np.flatnonzero(is_before)
    return (int(before[-1]) + 1 if len(before) else 0), start


def _compared(instance: Instance, start: int, whole: Rows, late: Rows) -> WarmUp:
    """Return how the wishes in all symbols differ from `start` (ms) on."""
    settled, signals, is_known, settles = start, 0, True, True
    apart: list[float] = []
    for book in np.unique(np.concatenate([whole["book"], late["book"]])):
        one, other = whole[whole["book"] == book], late[late["book"] == book]
        times = np.unique(np.concatenate([one["ts"][one["ts"] > start], other["ts"]]))
        points = np.append(start, times)
        differences = _differences(_at(one, points), _at(other, points))
        wrong = np.flatnonzero(differences)
        signals += len(times)
        apart += differences[1:][differences[1:] > 0.0].tolist()
        if len(wrong) and wrong[-1] == len(times):  # to the end
            is_known = False
            settles = settles and len(times) < SIGNALS
        elif len(wrong):
            settled = max(settled, int(times[wrong[-1]]))
    bars = -(-(settled - start) // instance.span) if is_known else None
    return WarmUp(bars, len(apart), signals, float(np.mean(apart)) if apart else 0.0, settles)


def _at(rows: Rows, points: Any) -> Rows:
    """Return what was wanted at each moment: the last row until then, nothing before the first."""
    known = np.concatenate([np.zeros(1, rows.dtype), rows])
    found: Rows = known[np.searchsorted(rows["ts"], points, side="right")]
    return found


def _differences(one: Rows, other: Rows) -> Any:
    """Return the largest relative difference of what is wanted, 0.0 where all are the same.

    Where nothing is to be held, prices mean nothing.
    """
    found = np.zeros(len(one))
    for name in ("target", "limit", "stop", "take"):
        a, b = one[name], other[name]
        scale = np.maximum(np.abs(a), np.abs(b))
        apart = np.abs(a - b) / np.where(scale > 0.0, scale, 1.0)
        if name != "target":
            apart[(apart <= TOLERANCE) | ((one["target"] == 0.0) & (other["target"] == 0.0))] = 0.0
        found = np.maximum(found, apart)
    return found
