"""A feed of bars that goes on in time, as no shipped one does: it plays recorded files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.core.machine import Rows
from engine.feeds.tape import Tape

PIECE = 997  # events: bars of one moment are cut apart
SPANS = (60_000, 180_000, 300_000, 900_000)


@dataclass(frozen=True)
class Playing:
    """Plays the files at `path`, a pattern as of `Tape`, as fast as they are read."""

    path: str
    timeframe: str = "1m"
    history: str = "1d"
    speed: float | None = None

    def problems(self) -> Iterator[str]:
        """Yield nothing: a test knows what it types."""
        yield from ()

    def beginning(self, _now_ms: int) -> int:
        """Return when the market begins, in ms: with the first bar."""
        return 0

    def after(self, symbols: Sequence[str], ts: int, skip: int = 0) -> Iterator[Rows]:
        """Yield the events from `ts` (ms) on, without the first `skip` of exactly that time."""
        events = Tape(self.timeframe, self.path).load(symbols, SPANS).events
        events = events[np.searchsorted(events["ts"], ts) + skip :]
        for first in range(0, len(events), PIECE):
            yield events[first : first + PIECE].copy()
