"""Makes up bars that look like a market: for the first run, the documentation and tests.

A seed and a symbol give the same bars everywhere; the host's clock plays no part.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from engine.core.records import Bar
from engine.feeds.quality import Floats, Rows

START = 1_704_067_200_000  # 2024-01-01 UTC, when the first bar opens
MINUTE = 60_000

_MARK = {b"chanquant": b"generated"}


def generate(symbol: str, bars: int, span: int, seed: int) -> Rows:
    """Return `bars` rows of `Bar` of `span` ms.

    Drift and volatility change with the regime, volatility clusters on top of that, some opens jump
    away from the close before, and now and then bars are missing.
    """
    rng = np.random.Generator(np.random.PCG64([seed, *symbol.encode()]))
    step = 1 + np.where(rng.random(bars) < 1 / 5_000, rng.integers(1, 30, bars), 0)
    regime = np.cumsum(rng.random(bars) < 1 / 3_000)
    usual = 5e-4 * np.sqrt(span / MINUTE)
    drift = usual * rng.normal(0.0, 0.015, bars)[regime]
    kernel = 0.98 ** np.arange(250)
    swing = np.convolve(rng.standard_normal(bars), kernel / np.sqrt((kernel**2).sum()))[:bars]
    stress = np.exp(rng.normal(0.0, 0.3, bars)[regime] + 0.4 * swing)
    sigma = usual * stress

    move = drift + sigma * rng.standard_normal(bars)
    jumps = (step > 1) | (rng.random(bars) < 0.02)
    jump = np.where(jumps, sigma * np.sqrt(step) * rng.standard_normal(bars), 0.0)
    level = rng.uniform(np.log(100.0), np.log(50_000.0)) + np.cumsum(jump + move)
    opened = np.append(level[0] - move[0], level[:-1] + jump[1:])
    wick = sigma * np.abs(rng.standard_normal((2, bars)))

    rows = np.empty(bars, Bar.dtype)
    rows["ts"] = START + span * (np.cumsum(step) - step[0])
    rows["open"] = _price(opened)
    rows["close"] = _price(level)
    rows["high"] = _price(np.maximum(opened, level) + wick[0])
    rows["low"] = _price(np.minimum(opened, level) - wick[1])
    rows["volume"] = np.round(rng.lognormal(2.0, 0.7, bars) * stress, 4)
    return rows


def write(path: Path, rows: Rows) -> None:
    """Write rows of `Bar` as Parquet, which `is_generated` then knows; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = [(name, pa.from_numpy_dtype(rows.dtype[name])) for name in rows.dtype.names or ()]
    # Not pa.array(), which would import pandas if it can.
    columns = [
        pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(rows[name].tobytes())])
        for name, kind in fields
    ]
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields, _MARK))
    partial = path.with_name(f"{path.name}.partial")
    pyarrow.parquet.write_table(table, partial, compression="zstd")
    partial.replace(path)


def is_ours(path: Path) -> bool:
    """Return whether the path is free or holds a generated file, which may be replaced."""
    return not path.exists() or is_generated(path)


def is_generated(path: Path) -> bool:
    """Return whether the path holds a generated file."""
    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError, ValueError):
        return False
    return _MARK.items() <= metadata.items()


def _price(level: Floats) -> Floats:
    return np.maximum(np.round(np.exp(level), 2), 0.01)
