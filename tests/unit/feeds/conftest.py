"""Hand-made bars and trades, and a way to write them as a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

Columns = dict[str, Any]

FIRST = 1_514_764_800_000  # 2018-01-01 UTC


@pytest.fixture
def bars() -> Callable[..., Columns]:
    """Return a maker of `count` bars that rise by 1 from `price` on, one each `step` ms."""

    def make(
        count: int = 5, step: int = 60_000, first: int = FIRST, price: float = 100.0
    ) -> Columns:
        close = price + np.arange(count)
        return {
            "ts": first + step * np.arange(count),
            "open": close - 0.5,
            "high": close + 1.0,
            "low": close - 1.0,
            "close": close,
            "volume": np.full(count, 2.0),
        }

    return make


@pytest.fixture
def trades() -> Callable[..., Columns]:
    """Return a maker of trades at the given ms after `FIRST`, at prices that rise by 1."""

    def make(*after: int) -> Columns:
        count = len(after)
        return {
            "ts": FIRST + np.array(after, np.int64),
            "price": 100.0 + np.arange(count),
            "amount": np.full(count, 0.5),
            "side": ["buy"] * count,
        }

    return make


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Columns], str]:
    """Return a writer of Parquet or CSV files, by the name's ending, into the present folder."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, columns: Columns) -> str:
        table = pa.table(columns)
        if name.endswith(".csv"):
            pyarrow.csv.write_csv(table, name)
        else:
            pyarrow.parquet.write_table(table, name)
        return name

    return write
