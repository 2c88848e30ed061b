"""A small finished run, made by hand, for the tests of what people see of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.core.records import Bar
from engine.research import stats
from engine.research.result import Result

MINUTE = 60_000
START = 1_514_764_800_000  # 2018-01-01
CASH = 10_000.0

Trade = tuple[str, str, int, int]  # strategy, symbol, bars of entry and exit


def prices(count: int, span: int) -> Any:
    """Return bars of `span` ms that swing between 90 and 110."""
    bars = np.zeros(count, Bar.dtype)
    close = 100.0 + 10.0 * np.sin(np.arange(count) / 9.0)
    bars["ts"] = START + span * np.arange(count)
    bars["open"] = bars["close"] = close
    bars["high"], bars["low"], bars["volume"] = close + 0.5, close - 0.5, 1.0
    return bars


def trades_table(trades: list[Trade], bars: Any) -> pa.Table:
    """Return round trips of 10 units at the open of their bars, with a fee of 1 each."""
    entry = np.array([trade[2] for trade in trades], np.int64)
    leave = np.array([trade[3] for trade in trades], np.int64)
    bought, sold = bars["open"][entry], bars["open"][leave]
    profit = 10.0 * (sold - bought) - 1.0
    return pa.table(
        {
            "strategy": pa.array([trade[0] for trade in trades], pa.string()),
            "symbol": pa.array([trade[1] for trade in trades], pa.string()),
            "opened_at": bars["ts"][entry],
            "closed_at": bars["ts"][leave],
            "quantity": np.full(len(trades), 10.0),
            "entry_price": bought,
            "exit_price": sold,
            "fees": np.ones(len(trades)),
            "funding": np.zeros(len(trades)),
            "profit": profit,
            "return": profit / (10.0 * bought),
            "equity_at_entry": np.full(len(trades), CASH),
            "bars_held": leave - entry,
            "exit_reason": pa.array(["stop_loss"] * len(trades), pa.string()),
        }
    )


@pytest.fixture
def finished() -> Callable[..., Result]:
    """Return a maker of results: how many bars how long, which trades, which facts differ."""

    def make(
        count: int = 300, trades: list[Trade] | None = None, span: int = MINUTE, **facts: Any
    ) -> Result:
        bars = prices(count, span)
        if trades is None:
            trades = [("ema_cross", "BTC/USD", 10, 40), ("ema_cross", "BTC/USD", 45, 70)]
        table = trades_table(trades, bars)
        profit = np.zeros(count)
        np.add.at(profit, [trade[3] for trade in trades], table["profit"].to_numpy())
        ts, equity = bars["ts"] + span, CASH + np.cumsum(profit)
        known: dict[str, Any] = {
            "run_id": "20180101-000000-abcdef01",
            "code_version": "0.1.0",
            "config_hash": "c0ffee" * 8,
            "data_hash": "deda" * 16,
            "started_at": "2018-02-01T00:00:00Z",
            "bars": count,
            "symbols": ["BTC/USD"],
            "strategies": ["ema_cross"],
            "compiled": True,
            "fill_on": "next",
            "made_up": False,
            "currency": "USD",
            "cash": CASH,
            "trades": len(trades),
            "final_equity": float(equity[-1]),
            "fees": float(len(trades)),
            "costs": {"fees": float(len(trades)), "slippage": 0.5, "funding": 0.0},
            "open_positions": [],
            "warnings": [],
            "seconds": 0.25,
        } | facts
        figures = stats.compute(
            CASH,
            ts,
            equity,
            table,
            notional=2_000.0 * len(trades),
            fees=known["fees"],
            opened_at=table["opened_at"].to_numpy(),
            closed_at=table["closed_at"].to_numpy(),
        )
        return Result(
            facts=known,
            stats=figures,
            kpi={},
            equity=pa.table(
                {"ts": ts, "equity": equity, "drawdown": stats.drawdowns(CASH, equity)}
            ),
            trades=table,
            orders=pa.table({}),
            bars=dict.fromkeys(known["symbols"], bars),
            config="",
        )

    return make
