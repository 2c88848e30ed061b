"""Reads a Parquet or CSV file of bars or trades into rows, which kind being told by its columns.

What keeps a file from being read is a finding, never an exception; whether what was read makes
sense is for `quality` to judge.
"""

import csv
import difflib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from engine.core.compile.record import Record, names
from engine.core.records import Bar
from engine.feeds.quality import Finding, Rows


class Tick(Record):
    """A trade print."""

    ts: int
    price: float
    amount: float  # in base units


COLUMNS = {
    "bars": ("ts", "open", "high", "low", "close", "volume"),
    "trades": ("ts", "price", "amount", "side"),
}
RECORDS: Mapping[str, type[Record]] = {"bars": Bar, "trades": Tick}

_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$"


@dataclass(frozen=True)
class File:
    """What a path holds: rows of `RECORDS[kind]`, or else the findings that kept it from that."""

    kind: str
    rows: Rows
    findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class _Source:
    """An opened file: the type of each column, and a way to read one."""

    types: list[tuple[str, pa.DataType]]
    length: int
    column: Callable[[str], pa.ChunkedArray]


def read(path: Path) -> File:
    """Return the rows of a file; needed columns only."""
    if not os.path.isfile(path):
        return _refused(_missing(path))
    if not os.path.getsize(path):
        return _refused(_error("empty", "must have content, has none. Replace the file."))
    is_csv = path.name.lower().endswith((".csv", ".csv.gz"))
    try:
        return _file(_csv(path) if is_csv else _parquet(path))
    except PermissionError:
        return _refused(_error("unreadable", "must be readable, is not. Change its permissions."))
    except (pa.ArrowException, OSError, ValueError, MemoryError):
        return _refused(_ragged(path) if is_csv else _unreadable("Parquet"))


def take(table: Any) -> File:
    """Return the rows of a table in memory: arrays by name, or one of numpy, pyarrow, pandas."""
    if isinstance(table, np.ndarray):
        table = {name: table[name] for name in table.dtype.names or ()}
    try:
        table = pa.table(table)
    except (TypeError, ValueError):
        what = "must be a table, or arrays of one length by name"
        return _refused(_error("unreadable", f"{what}, was {type(table).__name__}. Convert it."))
    types = zip(table.column_names, table.schema.types, strict=True)
    return _file(_Source(list(types), table.num_rows, table.column))


def _refused(*findings: Finding) -> File:
    return File("", np.empty(0, Bar.dtype), findings)


def _error(code: str, sentence: str, row: int = 0, count: int = 1) -> Finding:
    return Finding(code, "error", sentence, count, row)


def _missing(path: Path) -> Finding:
    if os.path.isdir(path):
        return _error("missing", "must be a file, is a folder. Correct the path.")
    try:
        present = sorted(os.listdir(path.parent))
    except (OSError, ValueError):
        return _error("missing", "must be a file, its folder does not exist. Correct the path.")
    near = difflib.get_close_matches(path.name, present, n=3)
    hint = f"the folder has {', '.join(near)}" if near else "the folder has nothing like it"
    return _error("missing", f"must be a file, there is none; {hint}. Correct the path.")


def _parquet(path: Path) -> _Source:
    file = pyarrow.parquet.ParquetFile(path)
    return _Source(
        [(column.name, column.type) for column in file.schema_arrow],
        file.metadata.num_rows,
        lambda name: file.read(columns=[name]).column(0),
    )


def _csv(path: Path) -> _Source:
    with pyarrow.csv.open_csv(path) as reader:
        header = reader.schema.names
    fields = {name for record in RECORDS.values() for name in names(record)}
    needed = [name for name in header if name in fields]
    table = pyarrow.csv.read_csv(
        path, convert_options=pyarrow.csv.ConvertOptions(include_columns=needed)
    )
    types = dict(zip(table.column_names, table.schema.types, strict=True))
    columns = [(name, types.get(name, pa.null())) for name in header]
    return _Source(columns, table.num_rows, table.column)


def _unreadable(kind: str) -> Finding:
    what = f"must be a {kind} file, cannot be read as one. Write or download it again."
    return _error("unreadable", what)


def _ragged(path: Path) -> Finding:
    """Return what is wrong with a CSV file that cannot be read: most often the length of rows."""
    try:
        with pa.input_stream(path) as stream:
            text = io.TextIOWrapper(stream, errors="replace", newline="")
            lengths = [len(row) for row in csv.reader(text) if row]
    except (pa.ArrowException, OSError, ValueError, csv.Error):
        return _unreadable("CSV")
    wrong = [row for row, values in enumerate(lengths) if values != lengths[0]]
    if not wrong:
        return _unreadable("CSV")
    others = f"; {len(wrong)} such rows" if len(wrong) > 1 else ""
    what = f"must have {lengths[0]} values, has {lengths[wrong[0]]}{others}"
    sentence = f"row {wrong[0]}: {what}. Correct these rows or remove them."
    return _error("columns", sentence, wrong[0], len(wrong))


def _file(source: _Source) -> File:
    kind, findings = _kind([name for name, _ in source.types])
    return _refused(*findings) if findings else _rows(source, kind)


def _kind(present: list[str]) -> tuple[str, list[Finding]]:
    """Return which of COLUMNS a file has, or the nearest of them and what is wrong with it."""
    for kind, columns in COLUMNS.items():
        if all(present.count(name) == 1 for name in columns):
            return kind, []
    kind = max(COLUMNS, key=lambda kind: len(set(COLUMNS[kind]) & set(present)))
    columns = COLUMNS[kind]
    problems = [
        f"column {name} must stand in the file once, was there {present.count(name)} times. Keep"
        " one of them."
        for name in columns
        if present.count(name) > 1
    ]
    absent = [name for name in columns if name not in present]
    if absent:
        problems.append(
            f"must have the columns {' '.join(columns)} of {kind}, has {' '.join(present)}."
            f" Add {' '.join(absent)}, or rename what is meant."
        )
    return kind, [_error("columns", problem) for problem in problems]


def _rows(source: _Source, kind: str) -> File:
    rows = np.empty(source.length, RECORDS[kind].dtype)
    findings = []
    for name in names(RECORDS[kind]) if len(rows) else ():
        column = source.column(name)
        if finding := misfit(name, column):
            findings.append(finding)
        else:
            rows[name] = values(column, rows.dtype[name])
    return _refused(*findings) if findings else File(kind, rows)


def misfit(name: str, column: pa.ChunkedArray) -> Finding | None:
    """Return why a column holds no numbers, or for `ts` no whole ones; None where it does."""
    fits = pa.types.is_int64 if name == "ts" else _is_number
    if not fits(column.type):
        return _wrong_type(name, column.type, column)
    if name == "ts" and column.null_count:
        row = pc.index(pc.is_null(column), True).as_py() + 1
        others = f"; {column.null_count} such rows" if column.null_count > 1 else ""
        sentence = f"row {row}: ts must have a value, is empty{others}. Remove these rows."
        return _error("columns", sentence, row, column.null_count)
    return None


def values(column: pa.ChunkedArray, dtype: Any) -> np.ndarray[Any, Any]:
    """Return a column as numpy, nan where it is empty.

    Not through `to_numpy`, which would import pandas if it can.
    """
    column = column.cast(pa.from_numpy_dtype(dtype), safe=False)
    if column.null_count:
        column = pc.fill_null(column, float("nan"))
    empty = [np.empty(0, dtype)]
    return np.concatenate([np.from_dlpack(chunk) for chunk in column.chunks] or empty)


def _is_number(kind: pa.DataType) -> bool:
    """Accept a column of no values too: it is a column of missing numbers."""
    types = pa.types
    return bool(
        types.is_floating(kind)
        or types.is_integer(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def _wrong_type(name: str, kind: pa.DataType, column: pa.ChunkedArray) -> Finding:
    expected = "whole numbers (int64, milliseconds since 1970, UTC)" if name == "ts" else "numbers"
    row, value = 0, ""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        row = (
            pc.index(pc.match_substring_regex(column, _NUMBER, ignore_case=True), False).as_py() + 1
        )
        value = f" ({column[row - 1].as_py()!r} in row {row})" if row else ""
    sentence = f"column {name} must be {expected}, was {kind}{value}. Convert the column."
    return _error("type", sentence, row)
