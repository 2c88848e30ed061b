from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engine.core.records import Bar
from engine.research import charts
from engine.research.result import Result

Finished = Callable[..., Result]

MINUTE = 60_000
START = 1_514_764_800_000  # of the finished runs


@hypothesis.given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60), st.integers(4, 8))
def test_a_thinned_line_keeps_its_ends_and_extremes(numbers: list[float], most: int) -> None:
    values = np.array(numbers)
    kept = charts.extremes(values, most)
    assert len(kept) <= max(most, 2)
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == (0, len(values) - 1)
    assert (values[kept].min(), values[kept].max()) == (values.min(), values.max())


def test_a_short_line_is_kept_whole() -> None:
    assert charts.extremes(np.zeros(4_000), 4_000).tolist() == list(range(4_000))
    assert len(charts.extremes(np.arange(520_499.0), 4_000)) <= 4_000


def rows(*candles: tuple[float, ...]) -> Any:
    return np.array([(minute * MINUTE, *rest) for minute, *rest in candles], Bar.dtype)


def test_candles_are_merged_into_the_shortest_usual_timeframe() -> None:
    bars = rows(
        (2, 10, 12, 9, 11, 1),
        (3, 11, 15, 11, 14, 2),
        (4, 14, 14, 8, 9, 3),
        (7, 9, 10, 9, 10, 4),
        (8, 10, 11, 10, 11, 5),
    )
    merged, span = charts.merge(bars, 3)
    assert span == 3 * MINUTE
    assert (
        merged.tolist()
        == rows((0, 10, 12, 9, 11, 1), (3, 11, 15, 8, 9, 5), (6, 9, 11, 9, 11, 9)).tolist()
    )


@pytest.mark.parametrize("step", [MINUTE, 7 * MINUTE, 1_000, 86_400_000])
def test_merged_candles_lose_no_extreme_and_no_volume(step: int) -> None:
    count = 1_000
    wave = np.sin(np.arange(count) * 0.7)
    bars = np.zeros(count, Bar.dtype)
    bars["ts"] = START + step * np.cumsum(np.where(np.arange(count) % 100, 1, 40))
    bars["open"] = bars["close"] = wave
    bars["high"], bars["low"], bars["volume"] = wave + 1, wave - 1, 1.0
    merged, span = charts.merge(bars, 50)
    assert len(merged) <= 50
    assert not (merged["ts"] % span).any()
    assert (merged["high"].max(), merged["low"].min()) == (bars["high"].max(), bars["low"].min())
    assert merged["volume"].sum() == count
    assert (merged["open"][0], merged["close"][-1]) == (bars["open"][0], bars["close"][-1])


def test_a_mark_stands_for_all_trades_of_a_candle(finished: Finished) -> None:
    trades = [
        ("a", "BTC/USD", 10, 20),
        ("a", "BTC/USD", 2_401, 2_402),
        ("b", "BTC/USD", 2_403, 2_404),
    ]
    whole, last = charts.prices(finished(3_000, trades)).items()
    assert whole[0] == "BTC/USD, 2m candles merged from 1m"
    assert last[0] == "BTC/USD, the last 2,000 bars of 1m"
    entries = last[1]["data"][1]
    assert entries["x"] == [START + 2_401 * MINUTE, START + 2_403 * MINUTE]
    assert [count for count, _ in entries["customdata"]] == [1, 1]

    together = finished(6_000, [("a", "BTC/USD", 3_000, 3_001), ("b", "BTC/USD", 3_002, 3_002)])
    price, entries, gains, losses = charts.prices(together)["BTC/USD, 3m candles merged from 1m"][
        "data"
    ]
    bars = together.bars["BTC/USD"]
    assert entries["x"] == [START + 3_000 * MINUTE]
    assert entries["customdata"] == [(2, (bars["open"][3_000] + bars["open"][3_002]) / 2)]
    assert entries["y"][0] < bars["low"][3_000:3_003].min()
    assert together.trades["profit"][1].as_py() < 0 < sum(together.trades["profit"].to_pylist())
    assert (gains["x"], losses["x"]) == ([START + 3_000 * MINUTE], [])
    assert gains["y"][0] > bars["high"][3_000:3_003].max()
    assert len(price["x"]) == 2_000


def test_each_symbol_shows_its_own_trades_and_no_bars_no_chart(finished: Finished) -> None:
    result = finished(
        trades=[("a", "BTC/USD", 10, 20), ("a", "ETH/USD", 30, 50), ("a", "ETH/USD", 60, 70)],
        symbols=["BTC/USD", "ETH/USD", "XRP/USD"],
    )
    result.bars["XRP/USD"] = result.bars["XRP/USD"][:0]
    found = charts.prices(result)
    assert list(found) == ["BTC/USD, 1m candles", "ETH/USD, 1m candles"]
    assert [len(figure["data"][1]["x"]) for figure in found.values()] == [1, 2]


def test_holding_the_symbol_is_beside_the_equity(finished: Finished) -> None:
    result = finished()
    holding, equity, drawdown = charts.equity(result)["data"]
    bars = result.bars["BTC/USD"]
    gain = bars["close"][-1] / bars["close"][0] - 1
    assert holding["name"] == (f"Holding BTC/USD: {gain:+.2%}".replace("%", " %"))
    assert holding["x"][0] == START + MINUTE  # known when the first bar closed
    assert holding["y"][-1] == pytest.approx(10_000 * (1 + gain))
    assert equity["y"] == result.equity["equity"].to_pylist()
    assert drawdown["y"] == result.equity["drawdown"].to_pylist()
    assert drawdown["yaxis"] == "y2"


def test_holding_is_shown_where_the_equity_stays_legible(finished: Finished) -> None:
    upswings = [("a", "BTC/USD", bar, bar + 25) for bar in (45, 102, 158, 215, 271)]
    assert "visible" not in charts.equity(finished(trades=upswings))["data"][0]


def test_holding_starts_hidden_where_it_would_flatten_the_equity(finished: Finished) -> None:
    for result in (finished(), finished(trades=[])):
        assert charts.equity(result)["data"][0]["visible"] == "legendonly"
