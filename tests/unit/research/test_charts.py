from collections.abc import Callable

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engine.research import charts, periods
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


def test_bars_of_a_distribution_meet_at_zero_and_lose_nothing() -> None:
    values = np.array([-0.021, -0.019, -0.0001, 0.0, 0.0001, 0.012, 0.05])
    figure = charts.distribution(values, "days")
    assert figure
    below, above = figure["data"]
    assert sum(below["y"]) == 3
    assert sum(above["y"]) == 4  # 0.0 made no loss
    for bars, side in ((below, -1.0), (above, 1.0)):
        for low, high in bars["customdata"]:
            assert min(low * side, high * side) >= 0.0
            assert round(low / bars["width"]) == pytest.approx(low / bars["width"])
    assert (below["marker"]["color"], above["marker"]["color"]) == ("@loss", "@profit")


@hypothesis.given(st.lists(st.floats(-0.9, 5.0), min_size=2, max_size=60))
def test_a_distribution_has_a_bounded_number_of_bars(numbers: list[float]) -> None:
    figure = charts.distribution(np.array(numbers), "trades")
    assert figure
    bars = [edges for data in figure["data"] for edges in data["customdata"]]
    assert len(bars) <= charts.BARS_MAX + 1
    assert sum(sum(data["y"]) for data in figure["data"]) == len(numbers)


def test_too_few_values_have_no_distribution() -> None:
    assert charts.distribution(np.array([0.1]), "days") is None
    assert charts.distribution(np.array([np.nan, np.inf, 0.1]), "days") is None


def test_a_short_run_has_no_moving_window(finished: Finished) -> None:
    def run(count: int) -> periods.Days:
        result = finished(count, [], span=86_400_000)
        ts, equity = (result.equity[name].to_numpy() for name in ("ts", "equity"))
        return periods.days(10_000.0, ts, equity)

    assert charts.rolling(run(89)) is None
    figure = charts.rolling(run(90))
    assert figure
    ratio, volatility = figure["data"]
    assert (ratio["y"], volatility["y"]) == ([None], [0.0])  # flat: no ratio
    assert ratio["x"] == [START + 90 * 86_400_000]  # the end of the last day
