"""Bars that decide inside longer ones: declared, and by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.api import backtest, compose
from engine.errors import ConfigError, DataError
from engine.feeds.generated import generate
from engine.feeds.tape import Tape

FIRST = 1_704_067_200_000  # 2024-01-01 UTC
MINUTE, HOUR = 60_000, 3_600_000
HALF = HOUR // 2
GIVEN = (
    *("universe.symbols=[X/USD]", "strategy=[ema_cross,multi_timeframe]", "risk=[]"),
    *("strategy.multi_timeframe.trend_timeframe=1h", "venue.latency_ms=90000"),
    "strategy.ema_cross.exits={stop_loss: 0.01, take_profit: 0.01}",
)


@pytest.mark.parametrize("is_file", [False, True])
def test_it_is_byte_for_byte_a_shorter_feed(tmp_path: Path, is_file: bool) -> None:
    bars = generate("X/USD", 20_000, MINUTE, 5)
    path = tmp_path / "X_USD_1m.parquet"
    pq.write_table(pa.table({name: bars[name] for name in bars.dtype.names or ()}), path)
    source = [f"feed.path='{tmp_path}/{{symbol}}_{{timeframe}}.parquet'"] if is_file else []
    detailed, shorter = (
        backtest(compose([*GIVEN, *source, *given]), None if is_file else {"X/USD": bars})
        for given in (
            ("feed.timeframe=15m", "feed.detail_timeframe=1m"),
            (
                *("feed.timeframe=1m", "strategy.ema_cross.timeframe=15m"),
                "strategy.multi_timeframe.timeframe=15m",
            ),
        )
    )
    assert len(detailed.trades) > 10
    assert detailed.trades["bars_held"].to_pylist() == shorter.trades["bars_held"].to_pylist()
    for name in ("trades", "orders", "equity", "stats", "scenarios", "kpi"):
        assert getattr(detailed, name) == getattr(shorter, name), name
    differ = {"run_id", "config_hash", "started_at", "seconds"}
    facts = [{k: v for k, v in one.facts.items() if k not in differ} for one in (detailed, shorter)]
    assert facts[0] == facts[1]


def test_the_finer_bars_tell_which_of_stop_and_take_came_first(tmp_path: Path) -> None:
    # bought at 100, the open of the second hour: stop 98, take 103; the hour goes from 97 to 104,
    # its first half from 99 to 104 and its second one from 97 to 103
    halves = [(100, 100, 100, 100)] * 2 + [(100, 104, 99, 103), (103, 103, 97, 97)]
    hours = [(100, 100, 100, 100), (100, 104, 97, 97)]
    wishes = tmp_path / "wishes.parquet"
    pq.write_table(pa.table({"ts": [FIRST + HOUR], "target": [1.0]}), wishes)
    given = [
        *("universe.symbols=[X/USD]", "strategy=[external]", "risk=[]", "costs=free"),
        *(f"strategy.external.path={wishes}", "sizing=fixed", "feed.timeframe=1h"),
        "strategy.external.exits={stop_loss: 0.02, take_profit: 0.03}",
    ]
    for prices, span, more, leaves in (
        (hours, HOUR, [], (98.0, "stop_loss")),
        (halves, HALF, ["feed.detail_timeframe=30m"], (103.0, "take_profit")),
    ):
        columns = zip(*prices, strict=True)
        bars = dict(zip(("open", "high", "low", "close"), map(list, columns), strict=True))
        ts = [FIRST + i * span for i in range(len(prices))]
        table = {"ts": ts, **bars, "volume": [1.0] * len(ts)}
        (trade,) = backtest(compose([*given, *more]), {"X/USD": table}).trades.to_pylist()
        assert (trade["entry_price"], trade["exit_price"], trade["exit_reason"]) == (100, *leaves)


@pytest.mark.parametrize(
    ("minutes", "fitting"), [(5, "5m"), (60, "null"), (7, "null"), (120, "null")]
)
def test_files_must_be_of_it(
    minutes: int, fitting: str, bars: Callable[..., Any], save: Callable[..., str]
) -> None:
    """What is told to be set is a key that is there, to a value that it takes."""
    table = bars(50, step=minutes * MINUTE)
    file = save("longer.parquet", table)
    told = (
        rf"bars must be 1m apart, were \w+; 50 such rows\. Set feed\.detail_timeframe to {fitting},"
        r" or name files of 1m bars\."
    )
    with pytest.raises(DataError, match=told):
        Tape("1h", files={"X/USD": file}, detail_timeframe="1m").load(["X/USD"], [HOUR])
    typed = ["universe.symbols=[X/USD]", "feed.timeframe=1h", "feed.detail_timeframe=1m"]
    with pytest.raises(DataError, match=told):
        backtest(compose(typed), {"X/USD": table})


def test_trades_need_none(trades: Callable[..., Any], save: Callable[..., str]) -> None:
    file = save("trades.parquet", trades(10, 20))
    with pytest.raises(ConfigError, match=r"feed\.detail_timeframe: must be null where the files"):
        Tape("1h", files={"X/USD": file}, detail_timeframe="1m").load(["X/USD"], [HOUR])
