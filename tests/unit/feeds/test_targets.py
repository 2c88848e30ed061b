"""Rows of an external strategy: what they become, and what is said about wrong ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from engine.api import backtest, compose
from engine.core.records import Kind
from engine.errors import ChanQuantError, ConfigError, DataError
from engine.feeds.targets import targets
from tests.golden import golden

FIRST = 1_704_067_200_000  # 2024-01-01 UTC
MINUTE = 60_000
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Return a function that writes columns to a file below the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, **columns: Any) -> Path:
        table = pa.table(columns)
        pyarrow.csv.write_csv(table, name) if name.endswith(".csv") else pq.write_table(table, name)
        return Path(name)

    return write


def times(*minutes: int) -> list[int]:
    """Return ms of minutes after the first."""
    return [FIRST + minute * MINUTE for minute in minutes]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_rows_become_events(save: Save, name: str) -> None:
    path = save(name, ts=times(1, 2), target=[0.5, 0.0], stop=[90.0, 0.0], take=[110.0, 0.0])
    events = targets(path, 3, ["A/B", "C/B"], ["X/B", "A/B", "C/B"])
    assert events["ts"].tolist() == times(1, 1, 2, 2)
    assert events["symbol"].tolist() == [1, 2, 1, 2]
    assert set(events["kind"].tolist()) == {Kind.TARGET}
    assert set(events["instance"].tolist()) == {3}
    assert events["bar"]["open"].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert events["bar"]["low"].tolist() == [90.0, 90.0, 0.0, 0.0]
    assert events["bar"]["high"].tolist() == [110.0, 110.0, 0.0, 0.0]


def test_a_symbol_column_addresses_one_symbol(save: Save) -> None:
    path = save("t.parquet", ts=times(1, 2), target=[0.5, 1.0], symbol=["C/B", "A/B"])
    events = targets(path, 0, ["A/B", "C/B"], ["A/B", "C/B"])
    assert list(zip(events["symbol"].tolist(), events["bar"]["open"].tolist(), strict=True)) == [
        (1, 0.5),
        (0, 1.0),
    ]


def test_wrong_files(save: Save) -> None:
    good = {"ts": times(1, 2), "target": [0.5, 1.0]}
    wrong: dict[str, dict[str, Any]] = {
        "columns.csv": {"time": times(1), "target": [1.0]},
        "range.parquet": good | {"target": [0.5, 1.5]},
        "nan.parquet": good | {"target": [np.nan, 1.0]},
        "order.parquet": good | {"ts": times(2, 1)},
        "seconds.parquet": good | {"ts": [FIRST // 1000, FIRST // 1000 + 60]},
        "text.parquet": good | {"target": ["long", "flat"], "stop": ["low", "low"]},
        "no_time.parquet": {"ts": [FIRST, None], "target": [0.5, 1.0]},
        "float_time.parquet": {"ts": [float(FIRST), np.nan], "target": [0.5, 1.0]},
        "no_rows.parquet": {"ts": pa.array([], pa.int64()), "target": pa.array([], pa.float64())},
        "odd_symbols.parquet": good | {"symbol": [1, None]},
        "several.parquet": good
        | {"target": [2.0, 3.0], "stop": [-1.0, 1.0], "symbol": ["Z", "A/B"]},
    }
    told: list[str] = []
    for name, columns in wrong.items():
        with pytest.raises(DataError) as caught:
            targets(save(name, **columns), 0, ["A/B"], ["A/B"])
        told += caught.value.problems
    Path("broken.parquet").write_bytes(b"PAR1 no parquet")
    for name, error in (("broken.parquet", DataError), ("missing.csv", ConfigError)):
        with pytest.raises(error) as refused:
            targets(Path(name), 0, ["A/B"], ["A/B"])
        told += refused.value.problems
    golden("data/targets.txt", "\n".join(told))


def test_a_backtest_follows_the_file(save: Save) -> None:
    minutes = range(6)
    bars = {
        name: [100.0 + i + step for i in minutes]
        for name, step in (("open", 0.0), ("high", 2.0), ("low", -2.0), ("close", 1.0))
    }
    tape = {"BTC/USDT": {"ts": times(*minutes), **bars, "volume": [1.0] * 6}}
    save("var.parquet", ts=times(1, 4), target=[1.0, 0.0])  # known at the close of bars 0 and 3
    given = ["strategy=[external]", "strategy.external.path=var.parquet", "sizing=fixed"]
    result = backtest(compose([*given, "costs.slippage_bps=0", "risk=[]"]), tape)
    trade = result.trades.to_pylist()[0]
    assert (trade["opened_at"], trade["closed_at"]) == tuple(times(1, 4))
    assert (trade["entry_price"], trade["exit_price"]) == (101.0, 104.0)


def test_all_wrong_files_of_a_run_are_told_at_once(save: Save) -> None:
    save("late.parquet", ts=times(1), target=[7.0])
    conf = Path("conf/strategy")
    conf.mkdir(parents=True)
    for name in ("late", "lost"):
        (conf / f"{name}.yaml").write_text(
            f"{name}:\n  _target_: engine.strategies.external.External\n  path: {name}.parquet\n"
        )
    prices = {name: [1.0] for name in ("open", "high", "low", "close", "volume")}
    tape = {"BTC/USDT": {"ts": times(0), **prices}}
    with pytest.raises(ChanQuantError) as caught:
        backtest(compose(["strategy=[late,lost]"]), tape)
    assert len(caught.value.problems) == 2
