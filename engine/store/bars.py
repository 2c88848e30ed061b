"""Bars of any symbol and timeframe, gathered from what the journal holds.

Works while an engine writes, and when it is dead. What was read is kept as minute bars, so that a
second look costs what was appended since; what nobody looks at is not read.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engine.core.records import Bar, Kind
from engine.errors import JournalBroken
from engine.store.journal import Run, run_in
from engine.store.segment import Rows, Segment, segments

MINUTE_MS = 60_000
READ_BYTES_MAX = 256 << 20  # of events that one call reads: about a second
LOOKS = 10  # before what cannot be read is said to be broken


@dataclass(frozen=True)
class Stretch:
    """Some bars, oldest first.

    bars     rows of `Bar`
    is_cut   older ones that were asked for are still to be read: ask again
    trouble  sentence that says why older ones cannot be read, None where they can
    """

    bars: Rows
    is_cut: bool = False
    trouble: str | None = None


def gathered(bars: Rows, span: int) -> Rows:
    """Return bars of `span` ms from shorter ones, or from parts of the same, in any order of time.

    Those of one stretch count in the order in which they are given.
    """
    opens = bars["ts"] // span * span
    if len(opens) and (np.diff(opens) < 0).any():
        order = np.argsort(opens, kind="stable")
        bars, opens = bars[order], opens[order]
    first = np.flatnonzero(np.diff(opens, prepend=opens[:1] - 1))
    made = np.empty(len(first), Bar.dtype)
    made["ts"] = opens[first]
    made["open"] = bars["open"][first]
    made["close"] = bars["close"][np.append(first[1:], len(bars))[: len(first)] - 1]
    for name, added in (("high", np.maximum), ("low", np.minimum), ("volume", np.add)):
        made[name] = added.reduceat(bars[name], first) if len(first) else 0.0
    return made


@dataclass
class _Read:
    """What was read of a segment: symbol → its minute bars.

    end      seq of the first event of a later run: from there on nothing counts; None without one
    is_over  nothing will be appended
    """

    segment: Segment
    end: int | None
    is_over: bool = False
    first_ts: int | None = None
    minutes: dict[str, Rows] = field(default_factory=dict)

    def take(self, events: Rows, symbols: tuple[str, ...]) -> None:
        """Add the prices that events tell."""
        if self.end is not None:
            events = events[events["seq"] < self.end]
        events = events[events["kind"] <= Kind.TICK]
        if not len(events):
            return
        if self.first_ts is None:
            self.first_ts = int(events["bar"]["ts"][0])
        order = np.argsort(events["symbol"], kind="stable")
        index, first = np.unique(events["symbol"][order], return_index=True)
        for k, rows in zip(index.tolist(), np.split(events["bar"][order], first[1:]), strict=True):
            before = self.minutes.get(symbols[k], _NONE)
            last = np.concatenate([before[-1:], gathered(rows, MINUTE_MS)])
            self.minutes[symbols[k]] = np.concatenate([before[:-1], gathered(last, MINUTE_MS)])


_NONE: Rows = np.empty(0, Bar.dtype)


class Bars:
    """The bars that the journal below `root` holds; for any number of threads."""

    def __init__(self, root: Path, read_bytes_max: int = READ_BYTES_MAX) -> None:
        self._root = root
        self._read_bytes_max = read_bytes_max
        self._known: dict[Path, _Read] = {}  # folder / seq of the first event
        self._runs: dict[Path, Run | JournalBroken] = {}
        self._lock = threading.Lock()

    def symbols(self) -> list[str]:
        """Return the symbols of all runs, those of the newest first."""
        found: list[str] = []
        with self._lock, suppress(JournalBroken):
            for _, run, _ in self._newest_first():
                found += run.symbols
        return list(dict.fromkeys(found))

    def of(self, symbol: str, span: int, count: int, until: int | None = None) -> Stretch:
        """Return the last bars of `span` ms, at most `count`, that open before `until` (ms).

        The last of them may still be forming. Minutes without a price have no bar.
        """
        with self._lock:
            for _ in range(LOOKS):  # a file may have been compressed or have expired meanwhile
                found = self._minutes(symbol, span, count, until)
                if found.trouble is None:
                    break
        return replace(found, bars=gathered(found.bars, span))

    def _minutes(self, symbol: str, span: int, count: int, until: int | None) -> Stretch:
        """Return the minute bars that make up what is asked of `of`."""
        parts: list[Rows] = []
        since: int | None = None
        size, trouble, is_cut = 0, None, False
        try:
            for read, added in self._segments():
                size += added
                minutes = read.minutes.get(symbol, _NONE)
                minutes = minutes if until is None else minutes[minutes["ts"] < until]
                if since is None and len(minutes):
                    since = int(minutes["ts"][-1]) // span * span - (count - 1) * span
                parts.append(minutes if since is None else minutes[minutes["ts"] >= since])
                if since is not None and read.first_ts is not None and read.first_ts <= since:
                    break
                is_cut = size > self._read_bytes_max
                if is_cut:
                    break
        except JournalBroken as wrong:
            trouble = str(wrong)
        return Stretch(np.concatenate([_NONE, *parts[::-1]]), is_cut, trouble)

    def _segments(self) -> Iterator[tuple[_Read, int]]:
        """Yield what was read of each segment, newest first, and how many bytes that took now."""
        for folder, run, end in self._newest_first():
            found = [one for one in segments(folder) if end is None or one.first < end]
            for segment in reversed(found):
                is_last = segment is found[-1]
                read, size = self._read(folder, segment, end, run.symbols)
                read.is_over = segment.is_compressed or not is_last or end is not None
                if read.segment.whole < read.segment.size and not is_last:
                    raise segment.broken(read.segment.next, "they are garbled")
                yield read, size

    def _read(
        self, folder: Path, segment: Segment, end: int | None, symbols: tuple[str, ...]
    ) -> tuple[_Read, int]:
        """Bring what is known of a segment up to date; return it, and the bytes that were read."""
        place = folder / str(segment.first)
        known = self._known.get(place)
        if known is None or (known.end != end and end is not None and known.segment.next > end):
            known = self._known[place] = _Read(segment, end)
        known.end = end
        if known.is_over:
            return known, 0
        known.segment.path, known.segment.is_compressed = segment.path, segment.is_compressed
        before = known.segment.whole
        for events in known.segment.read_on():
            known.take(events, symbols)
        return known, known.segment.whole - before

    def _newest_first(self) -> Iterator[tuple[Path, Run, int | None]]:
        """Yield folder, run, and where a later run took over, of each run.

        Unlike a lineage they go on behind an edit, which begins a journal anew. Raises
        JournalBroken in the end where the folder of a run does not say what it holds.
        """
        folders = {path.parent for path in self._root.glob("*/run.json")}
        self._runs = {
            folder: self._runs[folder] if folder in self._runs else _run_in(folder)
            for folder in folders
        }
        self._known = {at: read for at, read in self._known.items() if at.parent in folders}
        known = [(folder, run) for folder, run in self._runs.items() if isinstance(run, Run)]
        end: int | None = None
        for folder, run in sorted(known, key=_begun, reverse=True):
            yield folder, run, end
            end = run.first_seq if end is None else min(end, run.first_seq)
        for wrong in self._runs.values():
            if isinstance(wrong, JournalBroken):
                raise wrong


def _run_in(folder: Path) -> Run | JournalBroken:
    try:
        return run_in(folder)
    except JournalBroken as wrong:
        return wrong


def _begun(one: tuple[Path, Run]) -> tuple[int, int]:
    _, run = one
    return run.started_at, run.first_seq
