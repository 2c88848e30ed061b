"""What a strategy keeps, bar by bar: indicators are looked at where they lie, in its state."""

from typing import Any

import numpy as np

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.compile.declare import Strategy
from engine.core.portfolio import Instance
from engine.core.records import Event, Kind, Sizing
from tests.market import MINUTE, numbered, portfolio


def states(machine: type, strategy: Strategy, events: Any) -> Any:
    """Return the state after each event, as a structured array of the fields of its `State`."""
    instance = Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    made = machine(layout(portfolio(instance)))
    first = int(table_of(made.block, "books")["state"][0])
    record = strategy.StateRecord
    kept = np.empty((len(events), record.words), np.int64)
    equity = np.empty(len(events))
    for i in range(len(events)):
        assert made.advance(events, i, i + 1, equity) == i + 1
        kept[i] = made.block[first : first + record.words]
    return kept.view(record.dtype)[:, 0]


def bars_of(close: Any, **columns: Any) -> Any:
    """Return BAR events of a minute each; columns that are not given are the close, or 0.0."""
    events = np.zeros(len(close), Event.dtype)
    events["kind"] = Kind.BAR
    events["span"] = MINUTE
    events["bar"]["ts"] = np.arange(len(close)) * MINUTE
    events["ts"] = events["bar"]["ts"] + MINUTE
    for name in ("open", "high", "low", "close"):
        events["bar"][name] = columns.get(name, close)
    events["bar"]["volume"] = columns.get("volume", 0.0)
    return numbered(events)
