"""Follows a file: what was decided elsewhere, from the time on at which it was known."""

from engine.core.compile.declare import Strategy
from engine.core.records import Bar, Out


class External(Strategy):
    """Does what the rows of `path` say, each from its `ts` on.

    Columns of the Parquet or CSV file: ts (UTC ms, when the row became known: for one computed from
    a bar that is the bar's close time, not its open time), target, and optionally symbol, stop and
    take (prices, 0 for none). Without a symbol column a row is for every symbol of the instance.
    """

    path: str  # file of the rows

    kind = "trend"  # what the file does is its own; win rates are measured as those of a trend
    on = "target"  # called by rows, not by bars

    def step(p, s: object, bar: Bar, out: Out) -> None:
        return
