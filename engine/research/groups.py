"""The trades of a run summed up: by strategy, symbol, side, reason of the exit, hour, weekday."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.research.columns import to_array
from engine.research.figures import DAY_MS

HOUR_MS = 3_600_000
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Group:
    """Some trades summed up; average, best and worst are returns; profit is net of all costs."""

    names: tuple[str, ...]
    trades: int
    win_rate: float
    profit: float
    fees: float
    average: float
    best: float
    worst: float


def by(trades: pa.Table, *columns: str) -> list[Group]:
    """Return the sums of each distinct text of some columns, in the order of their first trades."""
    rows = list(zip(*(trades[name].to_pylist() for name in columns), strict=True))
    number = {names: i for i, names in enumerate(dict.fromkeys(rows))}
    return _sums(trades, np.array([number[names] for names in rows], np.int64), list(number))


def by_side(trades: pa.Table) -> list[Group]:
    """Return the sums of longs and of shorts."""
    short = to_array(trades["quantity"]) < 0.0
    return _sums(trades, short.astype(np.int64), [("long",), ("short",)])


def by_weekday(trades: pa.Table) -> list[Group]:
    """Return the sums of each weekday of the entry, UTC."""
    days = to_array(trades["opened_at"]) // DAY_MS
    return _sums(trades, (days + 3) % 7, [(name,) for name in WEEKDAYS])  # 1970 began on Thursday


def by_hour(trades: pa.Table) -> list[Group]:
    """Return the sums of each hour of the day of the entry, UTC."""
    hours = to_array(trades["opened_at"]) // HOUR_MS % 24
    return _sums(trades, hours, [(f"{hour:02}:00",) for hour in range(24)])


def _sums(
    trades: pa.Table, group: NDArray[np.int64], names: Sequence[tuple[str, ...]]
) -> list[Group]:
    """Return the sums of each group that has a trade; `group` is the index of each trade's name."""
    if not len(group):
        return []
    profit, fees, gain = (to_array(trades[name]) for name in ("profit", "fees", "return"))
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    count = np.diff(first, append=len(group))
    columns = (
        count,
        np.add.reduceat((profit > 0.0)[order].astype(float), first) / count,
        *(np.add.reduceat(values[order], first) for values in (profit, fees)),
        np.add.reduceat(gain[order], first) / count,
        np.maximum.reduceat(gain[order], first),
        np.minimum.reduceat(gain[order], first),
    )
    found = [names[i] for i in group[order][first].tolist()]
    figures = zip(*(column.tolist() for column in columns), strict=True)
    return [Group(name, *row) for name, row in zip(found, figures, strict=True)]
