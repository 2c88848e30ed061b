"""Recorded rates of funding: files that must have a row at each time that it is due."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.clock import utc
from engine.errors import ConfigError, DataError
from engine.feeds.funding import HOUR, Rows, due, times
from engine.feeds.quality import length, usual_step
from engine.feeds.targets import column, read_table, unreadable

RATE_MAX = 0.05  # of one settlement; venues cap theirs below
_MINUTE = 60_000  # ms by which venues write their full hours late, and more
_ENOUGH = 3  # rows within a test that say how far apart they are

Integers = np.ndarray[Any, np.dtype[np.int64]]


def recorded(path: Path, symbol: int, hours: float, first: int, last: int) -> Rows:
    """Return FUNDING events of a file with the columns ts (UTC ms) and rate, `first` to `last`.

    Raises ConfigError where there is no such file, DataError with all that is wrong in it: rates
    must stand at each full `hours` of the day within that time, and nowhere else, since a rate that
    is missing flatters one side.
    """
    if not path.is_file():
        raise ConfigError(
            f"{path}: must be a file of funding rates, was missing. Correct costs.funding_files."
        )
    table = read_table(path)
    problems = list(_problems(path, table, hours, first, last))
    if problems:
        raise DataError(*problems)
    ts = _full(column(table, "ts", np.int64), int(hours * HOUR))
    inside = (ts > first) & (ts <= last)
    return due(symbol, ts[inside], column(table, "rate", np.float64)[inside])


def _full(ts: Integers, step: int) -> Integers:
    """Return the nearest full `step` of each time."""
    return (ts + step // 2) // step * step


def _problems(path: Path, table: pa.Table, hours: float, first: int, last: int) -> Iterator[str]:
    if wrong := [*unreadable(path, table, ("ts", "rate"))]:
        yield from wrong
        return
    ts, rate = column(table, "ts", np.int64), column(table, "rate", np.float64)
    bad = np.flatnonzero(~(np.abs(rate) <= RATE_MAX))
    if len(bad):
        expected = f"from -{RATE_MAX} to {RATE_MAX}, was {rate[bad[0]]:g}"
        remedy = "Write fractions, not percent."
        if not np.isfinite(rate[bad[0]]):
            expected, remedy = f"a finite number, was {rate[bad[0]]:g}", "Correct them."
        yield (
            f"{path}: rate must be {expected} at {utc(int(ts[bad[0]]))} in row {bad[0] + 1}"
            f"{_others(bad, 'rows')}. {remedy}"
        )
    again = np.flatnonzero(np.diff(_full(ts, _MINUTE)) == 0)
    if len(again):
        row = int(again[0]) + 2
        yield f"{path}: row {row} has the ts of row {row - 1}{_others(again, 'rows')}. Remove one."
        return
    yield from _untimely(path, ts, hours, first, last)


def _untimely(path: Path, ts: Integers, hours: float, first: int, last: int) -> Iterator[str]:
    """Yield what stands at other times than funding is due, and when it is due and nothing does."""
    step, needed = int(hours * HOUR), times(hours, first, last)
    inside = (ts > first) & (ts <= last)
    full = _full(ts, step)
    odd = np.flatnonzero(inside & (np.abs(ts - full) > _MINUTE))
    lacking = np.setdiff1d(needed, full)
    usual = usual_step(_full(ts[inside] if inside.sum() >= _ENOUGH else ts, _MINUTE))
    each = f"{path}: must have a rate at each full {hours:g} hours of the day (UTC)"
    if usual not in (0, step) and (len(odd) or len(lacking)):
        yield (
            f"{each}, as costs.funding_hours says, has one each {usual / HOUR:g} hours. Write"
            f" costs.funding_hours={usual / HOUR:g} if that is what the venue does, or else replace"
            " the file."
        )
    elif len(odd):
        row = int(odd[0])
        yield (
            f"{each} and at no other time, row {row + 1} ({utc(int(ts[row]))}) was"
            f" {length(int(ts[row] % step))} past{_others(odd, 'rows')}. Convert ts to UTC, or see"
            " costs.funding_hours."
        )
    else:
        yield from (f"{each}, {what}" for what in _holes(lacking, int(full[0]), int(full[-1])))


def _holes(lacking: Integers, begins: int, ends: int) -> Iterator[str]:
    """Yield what to do about times without a row: before the first one, amid them, behind them."""
    for times_of, remedy in (
        (lacking[lacking < begins], f"start the test at {utc(begins)}"),
        (lacking[(lacking > begins) & (lacking < ends)], "end the test before"),
        (lacking[lacking > ends], f"end the test at {utc(ends)}"),
    ):
        if len(times_of):
            yield (
                f"has none at {utc(int(times_of[0]))}{_others(times_of, 'times')}. Add the rows, or"
                f" {remedy}."
            )


def _others(found: Integers, what: str) -> str:
    return f"; {len(found)} such {what}" if len(found) > 1 else ""
