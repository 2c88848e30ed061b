"""Recorded rates of funding: files that must have no hole."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.clock import utc
from engine.errors import ConfigError, DataError
from engine.feeds.funding import Rows, due
from engine.feeds.targets import column, read_table

HOLE = 1.5  # times the usual distance between two rates
RATE_MAX = 0.05  # of one settlement; venues cap theirs below


def recorded(path: Path, symbol: int, first: int, last: int) -> Rows:
    """Return FUNDING events of a file with the columns ts (UTC ms) and rate, `first` to `last`.

    Raises ConfigError where there is no such file, DataError with all that is wrong in it: rates
    must cover the whole time without a hole, since a rate that is missing flatters one side.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: must be a file of funding rates, was missing. Correct it.")
    table = read_table(path)
    problems = list(_problems(path, table, first, last))
    if problems:
        raise DataError(*problems)
    ts, rate = column(table, "ts", np.int64), column(table, "rate", np.float64)
    inside = (ts > first) & (ts <= last)
    return due(symbol, ts[inside], rate[inside])


def _problems(path: Path, table: pa.Table, first: int, last: int) -> Iterator[str]:
    missing = [name for name in ("ts", "rate") if name not in table.column_names]
    if missing or not table.num_rows:
        has = ", ".join(table.column_names) or "none"
        yield (
            f"{path}: must have the columns ts and rate, and a row, has {has} and {table.num_rows}"
            " rows. Rename or add them."
        )
        return
    ts, rate = column(table, "ts", np.int64), column(table, "rate", np.float64)
    bad = np.flatnonzero(~(np.abs(rate) <= RATE_MAX))
    if len(bad):
        yield (
            f"{path}: rate must be from -{RATE_MAX} to {RATE_MAX}, was {rate[bad[0]]:g} at"
            f" {utc(int(ts[bad[0]]))}; {len(bad)} such rows. Write fractions, not percent."
        )
    steps = np.diff(ts)
    if (steps <= 0).any():
        row = int(np.flatnonzero(steps <= 0)[0]) + 2
        yield f"{path}: rows must be in time order, row {row} is not later. Sort them by ts."
        return
    usual = float(np.median(steps)) if len(steps) else float(max(last - first, 1))
    edges = np.concatenate(([min(first, ts[0])], ts, [max(last, ts[-1])]))
    gaps = np.flatnonzero((np.diff(edges) > HOLE * usual) & (edges[1:] > first))
    gaps = gaps[edges[gaps] < last]
    if len(gaps):
        begins, ends = edges[gaps[0]], edges[gaps[0] + 1]
        yield (
            f"{path}: must have a rate each {usual / 3_600_000:g} hours, has none from"
            f" {utc(int(begins))} to {utc(int(ends))}; {len(gaps)} such holes. Add the rows, or end"
            " the test before."
        )
