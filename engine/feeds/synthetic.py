"""Plays a made-up market: as fast as it is read, in real time, or anything between.

What it plays is a pure function of seed, symbol and time, so that a restart goes on anywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from engine.core.portfolio import parse_timeframe
from engine.core.records import Bar, Event
from engine.errors import ConfigError
from engine.feeds import period
from engine.feeds.market import MINUTE, NEVER, Market, as_words
from engine.feeds.quality import Rows

if TYPE_CHECKING:
    from engine.feeds.tape import Recording

CHUNK = 8_192  # events
PACED_CHUNK = 512  # of a market that is paced, so that making a chunk holds nobody up
PAST_INTERVAL = 5_000  # ms; strategies are warmed up on no more ticks than this


@dataclass(frozen=True)
class Synthetic:
    """A market of any symbols, with one tick of each in `interval_ms`.

    timeframe    length of the bars that strategies see, whole minutes
    seed         another seed is another market; the same one is the same, on every machine
    interval_ms  divides a minute; a finer one shows more of the same prices
    start        first moment, an ISO date or time in UTC, None for `history` before now
    end          first moment left out, None for never
    history      how much of the market before it starts strategies are warmed up on
    speed        1.0 is real time, 60.0 a minute each second, None as fast as it is read
    """

    timeframe: str = "1m"
    seed: int = 1
    interval_ms: int = 5_000
    start: str | None = None
    end: str | None = None
    history: str = "3d"
    speed: float | None = 1.0

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each parameter that cannot be used, starting with its name."""
        for name, length in (("timeframe", self.timeframe), ("history", self.history)):
            try:
                if parse_timeframe(length) % MINUTE:
                    yield f"{name}: must be whole minutes, was {length}. Choose 1m or a longer one."
            except ValueError as wrong:
                yield f"{name}: {wrong}."
        if self.interval_ms < 1 or MINUTE % self.interval_ms:
            yield (
                f"interval_ms: must divide a minute, {MINUTE}, was {self.interval_ms}. Choose such"
                " as 10, 250, 1000, 5000."
            )
        if self.speed is not None and not 0.0 < self.speed < float("inf"):
            yield (
                f"speed: must be above 0, was {self.speed}. Choose 1.0 for real time, or null for"
                " as fast as possible."
            )
        yield from period.problems(self.start, self.end)

    def beginning(self, now_ms: int) -> int:
        """Return when the market begins for somebody who starts at `now_ms`, in ms."""
        if self.start is not None:
            return period.milliseconds(self.start)
        return now_ms - parse_timeframe(self.history)

    def after(self, symbols: Sequence[str], ts: int, skip: int = 0) -> Iterator[Rows]:
        """Yield the events from `ts` (ms) on, without the first `skip` of exactly that time.

        Ends at `end`, or never. Their seq is 0: whoever takes them numbers them.
        """
        market = Market(symbols, self.seed, self.interval_ms)
        slots = market.slots(CHUNK if self.speed is None else PACED_CHUNK)
        end = NEVER if self.end is None else period.milliseconds(self.end)
        for events in market.events(ts, end, slots):
            left_out = min(skip, int(np.searchsorted(events["ts"], ts + 1)))
            if left_out < len(events):
                yield events[left_out:]

    def past(self, symbols: Sequence[str], until: int) -> Rows:
        """Return the events of `history` before `until` (ms), all marked as history."""
        interval = max(self.interval_ms, PAST_INTERVAL)
        start = until - parse_timeframe(self.history)
        events = _gathered(Market(symbols, self.seed, interval), start, until)
        events["history"] = 1
        return events

    def load(self, symbols: Sequence[str], spans: Sequence[int]) -> "Recording":
        """Return everything from `start` to `end` at once, numbered from 0.

        A timer at each full minute closes the bars of any `spans`. Raises ConfigError for
        parameters, all at once.
        """
        from engine.feeds.tape import Recording  # which brings pyarrow along, never while live

        wrong = [*self.problems()]
        for name, text in (("start", self.start), ("end", self.end)):
            if text is None:
                wrong.append(f"{name}: must be set in a backtest, was null. Set a UTC date.")
        if wrong or self.start is None or self.end is None:
            raise ConfigError(*(f"feed.{problem}" for problem in wrong))
        market = Market(symbols, self.seed, self.interval_ms)
        events = _gathered(market, period.milliseconds(self.start), period.milliseconds(self.end))
        events["seq"] = np.arange(len(events))
        bars = {symbol: np.empty(0, Bar.dtype) for symbol in symbols}
        return Recording(events, bars, _sha256(events), [], made_up=True)


def _gathered(market: Market, start: int, end: int) -> Rows:
    """Return all events from `start` to before `end` (ms) in one array."""
    events = np.empty(market.most(start, end), Event.dtype)  # what is not used costs no memory
    words = as_words(events)
    count = 0
    for rows in market.events(start, end, market.slots(CHUNK)):
        words[count : count + len(rows)] = as_words(rows)
        count += len(rows)
    return events[:count]


def _sha256(events: Rows) -> str:
    """Return the hash of what differs from one event to another."""
    digest = sha256()
    for column in (events["ts"], events["symbol"], events["bar"]["close"], events["bar"]["volume"]):
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
