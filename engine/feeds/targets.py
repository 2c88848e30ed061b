"""Reads the rows of an `external` strategy: what was decided elsewhere, and when it was known."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from engine.clock import utc
from engine.core.records import Event, Kind
from engine.errors import ConfigError, DataError
from engine.feeds.files import misfit, values
from engine.feeds.quality import inspect

_PRICES = {"take": "high", "stop": "low"}

Rows = np.ndarray[Any, np.dtype[np.void]]


def targets(path: Path, instance: int, symbols: Sequence[str], universe: Sequence[str]) -> Rows:
    """Return TARGET events, in time order, of an instance that trades `symbols`.

    Raises ConfigError where there is no such file, DataError with all that is wrong in it.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: must be a file of targets, was missing. Correct the path.")
    table = read_table(path)
    problems = list(_problems(path, table, symbols))
    if problems:
        raise DataError(*problems)
    return np.sort(
        np.concatenate([_events(table, instance, s, universe.index(s)) for s in symbols]),
        order=["ts"],
        kind="stable",
    )


def read_table(path: Path) -> pa.Table:
    """Return a Parquet or CSV file; raise DataError with one sentence where it is neither."""
    if not path.stat().st_size:
        raise DataError(f"{path}: must have content, has none. Replace the file.")
    try:
        read = pyarrow.csv.read_csv if path.suffix == ".csv" else pyarrow.parquet.read_table
        return read(path)
    except (pa.ArrowException, OSError) as error:
        what = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path}: cannot be read: {what}. Write the file again.") from None


def unreadable(
    path: Path, table: pa.Table, needed: Sequence[str], others: Sequence[str] = ()
) -> Iterator[str]:
    """Yield a sentence for each column of numbers that cannot be read, and for each wrong `ts`."""
    present = table.column_names
    if missing := [name for name in needed if name not in present]:
        has = ", ".join(present) or "none"
        yield (
            f"{path}: must have the columns {' and '.join(needed)}, has {has}. Rename or add"
            f" {' and '.join(missing)}."
        )
    wrong = 0
    for name in dict.fromkeys(name for name in present if name in (*needed, *others)):
        if (count := present.count(name)) > 1:
            wrong += 1
            once = f"column {name} must stand in the file once, was there {count} times"
            yield f"{path}: {once}. Keep one of them."
        elif table.num_rows and (finding := misfit(name, table[name])):
            wrong += 1
            yield f"{path}: {finding.sentence}"
    if not missing and not wrong:
        rows = np.zeros(table.num_rows, [("ts", np.int64)])
        rows["ts"] = column(table, "ts", np.int64)
        yield from (f"{path}: {finding.sentence}" for finding in inspect(rows, 0))


def _problems(path: Path, table: pa.Table, symbols: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each thing that is wrong with the rows."""
    if wrong := [*unreadable(path, table, ("ts", "target"), tuple(_PRICES))]:
        yield from wrong
        return
    ts, target = column(table, "ts", np.int64), column(table, "target", np.float64)
    bad = np.flatnonzero(~(np.abs(target) <= 1.0))
    if len(bad):
        row, value = bad[0], target[bad[0]]
        yield (
            f"{path}: target must be from -1 to 1, was {value:g} in row {row + 1}"
            f" ({utc(int(ts[row]))}); {len(bad)} such rows. Correct them."
        )
    for name in _PRICES:
        prices = column(table, name, np.float64)
        if not (prices >= 0.0).all():
            row = int(np.flatnonzero(~(prices >= 0.0))[0])
            value = f"{prices[row]:g} in row {row + 1}"
            yield f"{path}: {name} must be 0 or a price, was {value}. Correct it."
    if "symbol" in table.column_names:
        unknown = sorted(map(str, set(table["symbol"].to_pylist()) - set(symbols)))
        if unknown:
            yield (
                f"{path}: symbol must be one of {', '.join(symbols)}, was {', '.join(unknown)}."
                " Add it to the instance, or take the rows out."
            )


def column(table: pa.Table, name: str, dtype: Any) -> Any:
    """Return a column as an array; zeros where the file has none."""
    if name not in table.column_names:
        return np.zeros(table.num_rows, dtype)
    return values(table[name], np.dtype(dtype))


def _events(table: pa.Table, instance: int, symbol: str, index: int) -> Rows:
    if "symbol" in table.column_names:
        table = table.filter(pa.compute.equal(table["symbol"], symbol))
    events = np.zeros(table.num_rows, Event.dtype)
    events["kind"] = Kind.TARGET
    events["instance"] = instance
    events["symbol"] = index
    events["ts"] = column(table, "ts", np.int64)
    events["bar"]["open"] = column(table, "target", np.float64)
    for name, field in _PRICES.items():
        events["bar"][field] = column(table, name, np.float64)
    return events
