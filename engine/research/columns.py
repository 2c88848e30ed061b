"""Arrow columns from numpy and back, without the import of pandas that pyarrow does where it can.

It would cost half a second and 60 MB for nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa


def to_table(columns: Mapping[str, Any]) -> pa.Table:
    """Return a table of columns, each an Arrow array, numbers in an array, or texts and Nones."""
    arrays = [
        values
        if isinstance(values, pa.Array)
        else numbers(values)
        if isinstance(values, np.ndarray)
        else texts(values)
        for values in columns.values()
    ]
    return pa.Table.from_arrays(arrays, names=list(columns))


def numbers(values: np.ndarray[Any, Any], valid: np.ndarray[Any, Any] | None = None) -> pa.Array:
    """Return 8-byte numbers as a column; null where `valid` is given and False."""
    values = np.ascontiguousarray(values)
    mask = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(values)])


def texts(values: Sequence[str | None]) -> pa.Array:
    """Return texts as a column; None is null."""
    encoded = [(value or "").encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    valid = np.packbits(np.array([value is not None for value in values], bool), bitorder="little")
    buffers = [pa.py_buffer(valid), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def take(table: pa.Table, chosen: np.ndarray[Any, Any]) -> pa.Table:
    """Return the rows of a table at indices, or where a mask is True."""
    return table.take(numbers(np.flatnonzero(chosen) if chosen.dtype == bool else chosen))


def to_array(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return a column of numbers without nulls as an array, which may not be written to."""
    chunks = [np.from_dlpack(chunk) for chunk in column.chunks]
    if len(chunks) == 1:
        return chunks[0]
    return np.concatenate([np.empty(0, column.type.to_pandas_dtype()), *chunks])
