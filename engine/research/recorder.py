"""Notes what strategies show while they trade: fields of their own state, at the close of candles.

Nothing is computed a second time. The one run goes in stretches, and between two of them the state
is read where the core keeps it, so that what is drawn is what decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.block import Words, table_of
from engine.core.compile.record import numbers
from engine.core.machine import Curve, Machine, Rows
from engine.research.candles import SYMBOLS_MAX, views


@dataclass(frozen=True)
class Line:
    """A field of the state of one strategy in one symbol, `value` at `ts` (closes of candles, ms).

    `below` is whether it stands on a scale of its own; what is not computed yet is NaN.
    """

    symbol: str
    label: str
    below: bool
    ts: NDArray[np.int64]
    value: NDArray[np.float64]


class Recorder:
    """A machine that drives another, and stops it at the close of every candle that is drawn."""

    def __init__(self, machine: Machine, events: Rows, bars: Mapping[str, Rows]) -> None:
        self.plan, self.block, self.log = machine.plan, machine.block, machine.log
        self._machine = machine
        self._places = _places(machine)
        symbols = dict.fromkeys(symbol for symbol, *_ in self._places)
        closes = [view.closes for symbol in symbols for view in views(symbol, bars[symbol])]
        self._ts = np.unique(np.concatenate([np.empty(0, np.int64), *closes]))
        self._stops = np.searchsorted(events["ts"], self._ts, side="right")
        words = [word for *_, word in self._places]
        self._words = np.array(words, np.int64)
        self._start = self.block[self._words]
        self._found: Words = np.tile(self._start, (len(self._ts), 1))

    def advance(self, events: Rows, first: int, last: int, equity: Curve) -> int:
        """Process events[first:last]; see `core.advance`."""
        row, end = np.searchsorted(self._stops, (first, last), side="right").tolist()
        for stop in self._stops[row:end].tolist():
            first = self._machine.advance(events, first, stop, equity)
            if first < stop:
                return first
            self._found[row] = self.block[self._words]
            row += 1
        return self._machine.advance(events, first, last, equity) if first < last else last

    def lines(self) -> list[Line]:
        """Return what was noted."""
        found = []
        for i, (symbol, label, below, kind, _) in enumerate(self._places):
            words = np.ascontiguousarray(self._found[:, i])
            value = words.view(kind).astype(np.float64)
            changed = words != self._start[i]
            value[: int(changed.argmax()) if changed.any() else len(value)] = np.nan
            found.append(Line(symbol, label, below, self._ts, value))
        return found


def _places(machine: Machine) -> list[tuple[str, str, bool, Any, int]]:
    """Return symbol, label, below, type and word of the block of each field that is shown."""
    found = []
    offsets = table_of(machine.block, "books")["state"].tolist()
    several = len(machine.plan.portfolio.instances) > 1
    for k, offset in enumerate(offsets):
        instance, symbol = machine.plan.book(k)
        strategy = instance.strategy
        if symbol not in machine.plan.portfolio.symbols[:SYMBOLS_MAX]:
            continue
        texts = {name: getattr(strategy, name) for name in strategy.parameters()}
        words = {path: (word, kind) for path, word, kind in numbers(strategy.StateRecord)}
        for below, shown in ((False, strategy.shows), (True, strategy.shows_below)):
            for name, label in shown.items():
                title = label.format(**texts) + (f", {instance.name}" if several else "")
                word, kind = words[name]
                found.append((symbol, title, below, kind, offset + word))
    return found
