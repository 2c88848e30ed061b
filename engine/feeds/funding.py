"""Funding of perpetuals as events: the same rate again and again, also amid a market that goes on.

Recorded rates are read by `rates`, which brings pyarrow along.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from engine.core.records import Event, Kind

HOUR = 3_600_000  # ms

Rows = np.ndarray[Any, np.dtype[np.void]]


def constant(symbol: int, ratio: float, hours: float, first: int, last: int) -> Rows:
    """Return FUNDING events of one rate at each full `hours` of the day behind `first` ms."""
    ts = times(hours, first, last)
    return due(symbol, ts, np.full(len(ts), ratio))


def times(hours: float, first: int, last: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return each full `hours` of the day behind `first` ms, up to `last`."""
    step = int(hours * HOUR)
    return np.arange(first // step + 1, last // step + 1, dtype=np.int64) * step


def amid(
    market: Iterable[Rows], ratio: float, hours: float, settled: Mapping[int, int]
) -> Iterator[Rows]:
    """Yield the events of a market in the order of time, with FUNDING of one rate among them.

    `settled` says of each perpetual, by its index, up to which time (ms) it is settled. Funding
    stands behind all else of its time, as in a backtest: that of the last time waits for what comes
    next, or for the end.
    """
    done = dict(settled)
    last = None
    for events in market:
        last = int(events["ts"][-1])
        yield _merged(events, _until(done, ratio, hours, last - 1))
    if last is not None and len(rest := _until(done, ratio, hours, last)):
        yield rest


def _until(done: dict[int, int], ratio: float, hours: float, last: int) -> Rows:
    """Return what is due up to `last` (ms), in the order of time and symbol, and take note."""
    found = [due(0, np.empty(0, np.int64), np.empty(0))]
    for symbol, upto in done.items():
        found.append(constant(symbol, ratio, hours, upto, last))
        done[symbol] = max(upto, last)
    rows = np.concatenate(found)
    return rows[np.argsort(rows["ts"], kind="stable")]


def _merged(events: Rows, funding: Rows) -> Rows:
    if not len(funding):
        return events
    both = np.concatenate([events, funding])
    return both[np.argsort(both["ts"], kind="stable")]


def due(symbol: int, ts: Any, rates: Any) -> Rows:
    """Return FUNDING events of one perpetual at the times `ts`, ms."""
    events = np.zeros(len(ts), Event.dtype)
    events["kind"] = Kind.FUNDING
    events["symbol"] = symbol
    events["ts"] = ts
    events["bar"]["ts"] = ts
    events["bar"]["open"] = rates
    return events
