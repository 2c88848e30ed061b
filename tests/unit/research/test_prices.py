from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from engine.research import prices
from engine.research.recorder import Line
from engine.research.result import Result

Finished = Callable[..., Result]

MINUTE = 60_000
START = 1_514_764_800_000  # of the finished runs


def test_a_mark_stands_for_all_trades_of_a_candle(finished: Finished) -> None:
    trades = [
        ("a", "BTC/USD", 10, 20),
        ("a", "BTC/USD", 2_401, 2_402),
        ("b", "BTC/USD", 2_403, 2_404),
    ]
    whole, last = prices.charts(finished(3_000, trades)).items()
    assert whole[0] == "BTC/USD, 2m candles merged from 1m"
    assert last[0] == "BTC/USD, the last 2,000 bars of 1m"
    entries = last[1]["data"][1]
    assert entries["x"] == [START + 2_401 * MINUTE, START + 2_403 * MINUTE]
    assert [count for count, _ in entries["customdata"]] == [1, 1]

    together = finished(6_000, [("a", "BTC/USD", 3_000, 3_001), ("b", "BTC/USD", 3_002, 3_002)])
    price, entries, gains = prices.charts(together)["BTC/USD, 3m candles merged from 1m"]["data"]
    bars = together.bars["BTC/USD"]
    assert entries["x"] == [START + 3_000 * MINUTE]
    assert entries["customdata"] == [(2, (bars["open"][3_000] + bars["open"][3_002]) / 2)]
    assert entries["y"][0] < bars["low"][3_000:3_003].min()
    assert together.trades["profit"][1].as_py() < 0 < sum(together.trades["profit"].to_pylist())
    assert (gains["name"], gains["x"]) == ("Long exit with gain", [START + 3_000 * MINUTE])
    assert gains["y"][0] > bars["high"][3_000:3_003].max()
    assert len(price["x"]) == 2_000


def test_each_symbol_shows_its_own_trades_and_no_bars_no_chart(finished: Finished) -> None:
    result = finished(
        trades=[("a", "BTC/USD", 10, 20), ("a", "ETH/USD", 30, 50), ("a", "ETH/USD", 60, 70)],
        symbols=["BTC/USD", "ETH/USD", "XRP/USD"],
    )
    result.bars["XRP/USD"] = result.bars["XRP/USD"][:0]
    found = prices.charts(result)
    assert list(found) == ["BTC/USD, 1m candles", "ETH/USD, 1m candles"]
    assert [len(figure["data"][1]["x"]) for figure in found.values()] == [1, 2]


def test_no_line_goes_to_a_price_of_0(finished: Finished) -> None:
    closes = np.array([START + n * MINUTE for n in range(1, 6)], np.int64)
    value = np.array([np.nan, 0.0, 101.0, 0.0, 102.0])
    over = Line("BTC/USD", "average entry", False, closes, value)
    below = Line("BTC/USD", "gap", True, closes, value)
    result = replace(finished(5, []), lines=[over, below])
    drawn = prices.charts(result)["BTC/USD, 1m candles"]["data"]
    lines = {line["name"]: line["y"] for line in drawn if line.get("mode") == "lines"}
    assert lines == {
        "average entry": [None, None, 101.0, None, 102.0],
        "gap": [None, 0.0, 101.0, 0.0, 102.0],
    }


def test_what_is_bought_points_up_below_and_what_is_sold_down_above(finished: Finished) -> None:
    result = finished(trades=[("a", "BTC/USD", 45, 70), ("a", "BTC/USD", 10, 40)])
    at = result.trades.schema.get_field_index("quantity")
    trades = result.trades.set_column(at, "quantity", pa.array([10.0, -10.0]))
    (chart,) = prices.charts(replace(result, trades=trades)).values()
    bars = result.bars["BTC/USD"]
    found = {
        mark["name"]: (
            (mark["x"][0] - START) // MINUTE,
            mark["marker"]["symbol"],
            mark["y"][0] > bars["high"][(mark["x"][0] - START) // MINUTE],
        )
        for mark in chart["data"][1:]
    }
    gain, loss = trades["profit"].to_pylist()
    assert gain > 0.0 > loss
    assert found == {
        "Long entry": (45, "triangle-up", False),
        "Long exit with gain": (70, "triangle-down", True),
        "Short entry": (10, "triangle-down", True),
        "Short exit with loss": (40, "triangle-up", False),
    }


def test_a_position_that_is_still_open_has_an_entry(finished: Finished) -> None:
    held = {"symbol": "BTC/USD", "opened_at": START + 5 * MINUTE, "quantity": -2.0}
    other = {"symbol": "ETH/USD", "opened_at": START, "quantity": 1.0, "entry_price": 7.0}
    positions = [held | {"entry_price": 99.5}, other]
    (chart,) = prices.charts(finished(trades=[], open_positions=positions)).values()
    (mark,) = chart["data"][1:]
    assert (mark["name"], mark["x"]) == ("Short entry", [START + 5 * MINUTE])
    assert mark["customdata"] == [(1, 99.5)]
