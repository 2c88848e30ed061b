"""The commands of the README, run as a person types them, and the figures they must give."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [
    "universe.symbols=[BTC/USD]", "feed=tape", "feed.timeframe=1m", "strategy=[ema_cross]",
    "strategy.ema_cross.timeframe=1m", "strategy.ema_cross.fast=10", "strategy.ema_cross.slow=30",
    "sizing=fixed", "sizing.quantity=1", "costs.taker=0.001", "costs.maker=0.001",
    "costs.slippage_bps=0", "risk=[]",
]  # fmt: skip
EXITS = ["strategy.ema_cross.exits.stop_loss=0.005", "strategy.ema_cross.exits.take_profit=0.01"]


def chanquant(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the console script from the project root."""
    script = Path(sys.executable).with_name("chanquant")
    return subprocess.run([script, *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("more", "trades", "equity"),
    [
        (['account.cash="1000000"'], 9_056, 872_471.155203),
        (['account.cash="1000000"', *EXITS], 9_056, 877_227.2593),
        (['account.cash="100000"'], 6_166, 3_235.538773),
    ],
)
def test_bitfinex_2018(
    shared: Path, tmp_path: Path, more: list[str], trades: int, equity: float
) -> None:
    file = shared / "ohlcv" / "bitfinex_spot_BTCUSD_1m_2018.parquet"
    done = chanquant(
        "backtest", "--json", *COMMAND, f"feed.files={{BTC/USD: {file}}}",
        f"report.directory={tmp_path}", *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["trades"] == trades
    assert result["final_equity"] == pytest.approx(equity, abs=5e-5)
    folder = Path(result["folder"])
    assert sorted(file.name for file in folder.iterdir()) == [
        "config.yaml", "equity.parquet", "orders.parquet", "report.html", "result.json",
        "trades.parquet",
    ]  # fmt: skip
    written = json.loads((folder / "result.json").read_text())
    assert written | {"folder": result["folder"]} == result
    _tables_agree(folder, result)


def _tables_agree(folder: Path, result: dict[str, Any]) -> None:
    trades, orders, equity = (
        pq.read_table(folder / f"{name}.parquet") for name in ("trades", "orders", "equity")
    )
    assert trades.num_rows == result["trades"]
    assert equity["equity"][-1].as_py() == result["final_equity"]
    assert np.isclose(orders["fee"].to_numpy().sum(), result["fees"], rtol=1e-12)
    asked = {"up_cross": "signal", "down_cross": "signal"}
    for reason, tag in zip(orders["reason"].to_pylist(), orders["tag"].to_pylist(), strict=True):
        assert asked.get(tag) == (reason if reason == "signal" else None)
    statuses = orders["status"].to_pylist()
    assert statuses.count("refused") == result["refused"]
    assert statuses.count("filled") + statuses.count("refused") == len(statuses)


def test_python_dash_m_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine", "--version"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == chanquant("--version").stdout


def test_a_pipe_that_closes_early_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{Path(sys.executable).with_name('chanquant')} data --help | true"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
