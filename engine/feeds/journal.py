"""Replays what a run has journaled: the same events, in the same order, with the same seq."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.core.portfolio import parse_timeframe
from engine.core.records import Bar, Event
from engine.errors import ConfigError, DataError, did_you_mean
from engine.feeds.tape import Recording
from engine.store import journal


@dataclass(frozen=True)
class Journal:
    """The events of a run and of those it went on from, its timers among them.

    run        id of the run, such as `chanquant status` shows it
    directory  folder of the store that holds the journal
    timeframe  of strategies that name none, as it was when the run was made
    """

    run: str
    directory: str = "var"
    timeframe: str = "1m"

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each parameter that cannot be used, starting with its name."""
        try:
            parse_timeframe(self.timeframe)
        except ValueError as wrong:
            yield f"timeframe: {wrong}."

    def load(self, symbols: Sequence[str], spans: Sequence[int]) -> Recording:
        """Return the events of the run; timers of all `spans` were journaled with them.

        Raises ConfigError for parameters, an unknown run and other symbols, DataError for a run
        without events, JournalBroken where events are missing or garbled.
        """
        root = Path(self.directory) / "journal"
        wrong = [f"feed.{problem}" for problem in (*self.problems(), *self._unknown(root))]
        if wrong:
            raise ConfigError(*wrong)
        runs = [journal.run_in(folder) for folder in journal.lineage(root, self.run)]
        for run in runs:
            if run.symbols != tuple(symbols):
                raise ConfigError(
                    f"universe.symbols: must be those of run {run.run}, in its order,"
                    f" {', '.join(run.symbols)}, were {', '.join(symbols)}. Correct them."
                )
        if runs[0].continues is not None:
            raise DataError(
                f"{root / self.run}: must be whole from its beginning, goes on from"
                f" {runs[0].continues}, which has expired. Choose a later run, or raise"
                " store.journal_days before the next one."
            )
        events = np.empty(journal.last_seq(root, self.run) + 1 - runs[0].first_seq, Event.dtype)
        if not len(events):
            raise DataError(f"{root / self.run}: must hold events, holds none. Choose another run.")
        filled = 0
        for rows in journal.read(root, self.run):
            taken = rows[: len(events) - filled]  # a run that goes on has more by now
            events[filled : filled + len(taken)] = taken
            filled += len(taken)
        digest = hashlib.sha256(events.view(np.uint8).data).hexdigest()
        bars = {symbol: np.empty(0, Bar.dtype) for symbol in symbols}
        return Recording(events, bars, digest, [], journal.start(root / runs[0].run))

    def _unknown(self, root: Path) -> Iterator[str]:
        known = sorted(path.parent.name for path in root.glob("*/run.json"))
        if self.run not in known:
            near = did_you_mean(self.run, known) or "."
            latest = f"the latest is {known[-1]}" if known else "there is none yet"
            yield f"run: must name a run in {root}, was {self.run}{near} Correct it; {latest}."
