"""backtesting.py, written by others, must see the same trades in real data, and the same money."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from engine.core.machine import Compiled
from engine.core.portfolio import Instance
from engine.core.records import Event, Kind, Sizing
from engine.strategies.ema_cross import EmaCross
from engine.strategies.rsi_reversion import RsiReversion
from tests.market import MINUTE, numbered, portfolio, run

FILES = {
    "bitfinex": "bitfinex_spot_BTCUSD_1m_2018.parquet",
    "btc": "binance_spot_BTC_USDT_1m_2024-07-26_2024-08-25.parquet",
    "eth": "binance_spot_ETH_USDT_1m_2024-07-26_2024-08-25.parquet",
}
EXITS = {"no exits": (0.0, 0.0), "stop and take": (0.005, 0.01)}


def read(path: Path) -> Any:
    """Return BAR events of a file of one-minute bars."""
    table = pq.read_table(path)
    events = np.zeros(table.num_rows, Event.dtype)
    events["kind"] = Kind.BAR
    events["span"] = MINUTE
    events["bar"]["ts"] = table["ts"].to_numpy()
    events["ts"] = events["bar"]["ts"] + MINUTE
    for name in ("open", "high", "low", "close", "volume"):
        events["bar"][name] = table[name].to_numpy()
    return numbered(events)


def ema_wishes(close: Any, fast: int, slow: int) -> Any:
    """Return +1 to enter, -1 to leave, 0 for neither, for each close; with pandas' averages."""
    series = pd.Series(close)
    gap = series.ewm(span=fast, adjust=False).mean() - series.ewm(span=slow, adjust=False).mean()
    now, before = gap.to_numpy(), gap.shift(1, fill_value=0.0).to_numpy()
    wishes = np.where((now > 0) & (before <= 0), 1, np.where((now < 0) & (before >= 0), -1, 0))
    wishes[:slow] = 0
    return wishes


def rsi_wishes(close: Any, length: int, low: float, high: float) -> Any:
    """Return the same for Wilder's index, whose first average is a plain one."""
    change = np.diff(close)
    gains, losses = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    gain, loss = gains[:length].mean(), losses[:length].mean()
    wishes = np.zeros(len(close), np.int64)
    for i in range(length, len(close)):
        if i > length:
            gain = (gain * (length - 1) + gains[i - 1]) / length
            loss = (loss * (length - 1) + losses[i - 1]) / length
        strength = 100.0 * gain / (gain + loss) if gain + loss else 50.0
        wishes[i] = 1 if strength < low else -1 if strength > high else 0
    return wishes


def referee(events: Any, wishes: Any, cash: float, stop: float, take: float) -> tuple[Any, float]:
    """Return backtesting.py's trades (entry and exit bar, prices, size) and final equity."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy

        opens = np.append(events["bar"]["open"], np.nan)

        class Follower(Strategy):  # type: ignore[misc]
            """Acts on changes of the wish, with absolute prices from the next open."""

            wish = 0

            def init(self) -> None:
                pass

            def next(self) -> None:
                i = len(self.data) - 1
                if wishes[i] == 1 and self.wish == 0:
                    self.wish = 1
                    order = self.buy(size=1)
                    if stop:
                        order._replace(
                            sl_price=opens[i + 1] * (1.0 - stop),
                            tp_price=opens[i + 1] * (1.0 + take),
                        )
                elif wishes[i] == -1 and self.wish == 1:
                    self.wish = 0
                    self.position.close()

        frame = pd.DataFrame(
            {n.title(): events["bar"][n] for n in ("open", "high", "low", "close", "volume")},
            index=pd.to_datetime(events["ts"] - MINUTE, unit="ms"),
        )
        stats = Backtest(frame, Follower, cash=cash, commission=0.001).run()
    return stats["_trades"], float(stats["Equity Final [$]"])


@pytest.mark.parametrize("exits", EXITS)
@pytest.mark.parametrize("strategy", ["ema_cross", "rsi_reversion"])
@pytest.mark.parametrize(("name", "cash"), [("bitfinex", 1e6), ("btc", 1e6), ("eth", 1e5)])
def test_the_same_trades_and_the_same_money(
    shared: Path, name: str, cash: float, strategy: str, exits: str
) -> None:
    agree(shared / "ohlcv" / FILES[name], cash, strategy, *EXITS[exits])


def test_the_same_when_funds_run_out(shared: Path) -> None:
    rows = agree(shared / "ohlcv" / FILES["bitfinex"], 1e5, "ema_cross", 0.0, 0.0)
    assert len(rows) == 6_166


def agree(path: Path, cash: float, strategy: str, stop: float, take: float) -> Any:
    """Run a file through both engines, compare, and return our trades."""
    events = read(path)
    if strategy == "ema_cross":
        ours: Any = EmaCross(fast=10, slow=30)
        wishes = ema_wishes(events["bar"]["close"], 10, 30)
    else:
        ours = RsiReversion(length=14, low=30.0, high=70.0)
        wishes = rsi_wishes(events["bar"]["close"], 14, 30.0, 70.0)
    instance = Instance(
        "it", ours, ("X/USD",), MINUTE, Sizing.FIXED, 1.0, stop_loss=stop, take_profit=take
    )
    done = run(Compiled, portfolio(instance, cash=cash, taker=0.001), events)
    trades, equity = referee(events, wishes, cash, stop, take)
    rows = done.logs["trades"]
    opened = events["bar"]["ts"]

    assert len(rows) == len(trades) > 100
    assert (np.searchsorted(opened, rows["opened_at"]) == trades["EntryBar"]).all()
    assert (np.searchsorted(opened, rows["closed_at"]) == trades["ExitBar"]).all()
    np.testing.assert_allclose(rows["entry"], trades["EntryPrice"], rtol=1e-12)
    np.testing.assert_allclose(rows["exit"], trades["ExitPrice"], rtol=1e-12)
    assert (rows["quantity"] == trades["Size"]).all()
    assert done.equity[-1] == pytest.approx(equity, rel=1e-9)
    return rows
