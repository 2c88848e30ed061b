"""Small journals for tests, and what can happen to them."""

from pathlib import Path
from typing import Any

import numpy as np

from engine.core.records import Event
from engine.store.journal import Journal, Run, begin, read
from engine.store.segment import segments

ROW = Event.dtype.itemsize
HEADER, FRAME = 16, 24  # bytes before the first frame, and before the rows of each


def events(first: int, count: int) -> Any:
    """Return events whose every word is other than that of its neighbours."""
    words = np.arange(first * Event.words, (first + count) * Event.words) * 7
    rows = words.view(Event.dtype)
    rows["seq"] = np.arange(first, first + count)
    return rows


def written(
    root: Path,
    run: str = "a",
    continues: str | None = None,
    first: int = 0,
    frames: Any = (3, 1, 4),
) -> Path:
    """Write a run of one plain segment with frames of so many events; return its folder."""
    folder = begin(root, Run(run, continues, first, 0, ("X/USD",)))
    journal = Journal(folder)
    for count in frames:
        journal.append(events(journal.next, count))
        first += count
    journal.sync()
    return folder


def rotated(root: Path, frames: Any = (3, 1, 4), **given: Any) -> Path:
    """Write a run with a compressed segment for each frame; return its folder."""
    folder = written(root, frames=(), **given)
    journal = Journal(folder, segment_bytes=1)
    for count in frames:
        journal.append(events(journal.next, count))
        journal.sync()
    journal.close()
    return folder


def all_of(root: Path, run: str = "a", after: int = -1) -> Any:
    """Return the events of a lineage as one array."""
    chunks = list(read(root, run, after))
    return np.concatenate(chunks) if chunks else np.empty(0, Event.dtype)


def only(folder: Path) -> Path:
    """Return the path of a run's one segment."""
    (segment,) = segments(folder)
    return segment.path


def garble(path: Path, at: int, to: int | None = None) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] = data[at] ^ 0x55 if to is None else to
    path.write_bytes(data)
