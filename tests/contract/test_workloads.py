"""The workloads that other engines were measured with: the same trades, the same equity."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.core.machine import Compiled
from engine.core.portfolio import Instance
from engine.core.records import Sizing
from engine.strategies.ema_cross import EmaCross
from tests.market import MINUTE, bar_events, portfolio, run


@pytest.fixture(scope="module")
def bars(shared: Path) -> Any:
    """Return the million bars of the workloads as events."""
    spec = importlib.util.spec_from_file_location("workload", shared / "workload.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.make(1_000_000, 42)
    return bar_events(np.stack([made[n] for n in ("open", "high", "low", "close", "volume")], 1))


@pytest.mark.parametrize(
    ("bars_used", "stop", "take", "trades", "equity"),
    [
        (1_000_000, 0.0, 0.0, 18_408, 5802.4282447),
        (1_000_000, 0.02, 0.04, 18_408, 5798.2929282),
        (1_000_000, 0.005, 0.01, 18_408, 5845.8905754),
        (100_000, 0.0, 0.0, 1_882, 9602.3491307),
        (100_000, 0.02, 0.04, 1_882, 9591.6213133),
        (100_000, 0.005, 0.01, 1_883, 9580.1713754),
    ],
)
def test_workload_a(
    bars: Any, bars_used: int, stop: float, take: float, trades: int, equity: float
) -> None:
    instance = Instance(
        "it",
        EmaCross(fast=10, slow=30),
        ("X/USD",),
        MINUTE,
        Sizing.FIXED,
        1.0,
        stop_loss=stop,
        take_profit=take,
    )
    done = run(Compiled, portfolio(instance, taker=0.001), bars[:bars_used])
    assert len(done.logs["trades"]) == trades
    assert done.equity[-1] == pytest.approx(equity, abs=5e-8)
