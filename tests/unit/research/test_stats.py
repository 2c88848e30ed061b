import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from engine.research import formulas, stats
from engine.research.figures import DAY_MS
from engine.research.sums import total

NAMES = """total_return cagr volatility sharpe sortino calmar max_drawdown max_drawdown_days
    win_rate profit_factor payoff_ratio expectancy trades exposure turnover fees best_trade
    worst_trade avg_trade avg_bars_held sqn kelly psr"""

OF_TRADES = """win_rate profit_factor payoff_ratio expectancy best_trade worst_trade avg_trade
    avg_bars_held sqn kelly"""

YEAR = math.sqrt(365)
NONE = np.empty(0, np.int64)
IDLE: dict[str, Any] = {"notional": 0.0, "fees": 0.0, "opened_at": NONE, "closed_at": NONE}


def table(profits: list[float], gains: list[float], bars: list[int]) -> pa.Table:
    return pa.table(
        {
            "profit": pa.array(profits, pa.float64()),
            "return": pa.array(gains, pa.float64()),
            "bars_held": pa.array(bars, pa.int64()),
        }
    )


def computed(
    cash: float,
    equity: list[float],
    ts: list[int] | None = None,
    trades: pa.Table | None = None,
    **activity: Any,
) -> dict[str, float | None]:
    """Return the statistics of an equity that is known at the end of consecutive days."""
    times = np.array(ts or [DAY_MS * (day + 1) for day in range(len(equity))], np.int64)
    return stats.compute(
        cash,
        times,
        np.array(equity),
        table([], [], []) if trades is None else trades,
        **IDLE | activity,
    )


def test_the_names_are_those_of_the_design() -> None:
    assert set(computed(100.0, [100.0])) == set(NAMES.split())


def test_four_days_worked_by_hand() -> None:
    """Returns +10 %, -10 %, 0 %, +10 %: mean 0.025, deviation sqrt(0.0275 / 3) = 0.0957427."""
    found = computed(100.0, [110.0, 99.0, 99.0, 108.9])
    expected = {
        "total_return": 0.089,
        "cagr": 1.089 ** (365 / 4) - 1,
        "volatility": 0.0957427 * YEAR,
        "sharpe": 0.025 / 0.0957427 * YEAR,
        "sortino": 0.025 / 0.05 * YEAR,
        "calmar": (1.089 ** (365 / 4) - 1) / 0.1,
        "max_drawdown": -0.1,
        "max_drawdown_days": 3.0,
        "psr": 0.66410,  # daily Sharpe 0.261116, skewness -0.493379, kurtosis 1.628099
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_four_trades_worked_by_hand() -> None:
    trades = table([40.0, -10.0, 0.0, -20.0], [0.4, -0.1, 0.0, -0.2], [5, 1, 2, 4])
    found = computed(100.0, [110.0], trades=trades)
    expected = {
        "trades": 4,
        "win_rate": 0.25,
        "profit_factor": 40 / 30,
        "payoff_ratio": 40 / 15,
        "expectancy": 2.5,
        "best_trade": 0.4,
        "worst_trade": -0.2,
        "avg_trade": 0.025,
        "avg_bars_held": 3.0,
        "sqn": 2 * 2.5 / math.sqrt(2075 / 3),
        "kelly": 0.25 - 0.75 * 15 / 40,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)


def test_activity_worked_by_hand() -> None:
    """Two days pass from the first to the last equity, whose daily mean is 120."""
    noon = np.array([DAY_MS + DAY_MS // 2])
    found = computed(
        100.0,
        [110.0, 120.0, 130.0],
        notional=300.0,
        fees=1.5,
        opened_at=noon - DAY_MS // 2,
        closed_at=noon,
    )
    assert (found["turnover"], found["fees"], found["exposure"]) == (2.5, 1.5, 0.25)


def test_a_drawdown_is_seen_within_a_day_and_from_the_starting_cash() -> None:
    found = computed(100.0, [80.0, 120.0], ts=[1_000, 2_000])
    assert found["max_drawdown"] == pytest.approx(-0.2)
    assert found["sharpe"] is None  # one day


def test_the_longest_drawdown_ends_where_the_high_is_regained() -> None:
    hours = [hour * 3_600_000 for hour in range(1, 8)]
    equity = [100.0, 120.0, 110.0, 119.0, 120.0, 119.0, 118.0]
    assert computed(100.0, equity, ts=hours)["max_drawdown_days"] == pytest.approx(3 / 24)
    assert computed(100.0, equity[:3], ts=hours[:3])["max_drawdown_days"] == pytest.approx(1 / 24)
    assert computed(100.0, equity[:2], ts=hours[:2])["max_drawdown_days"] == 0.0


def test_midnight_ends_the_day_before_and_a_silent_day_keeps_its_equity() -> None:
    """Days close at 110, 110 (silent) and 121: returns 10 %, 0 %, 10 %."""
    found = computed(
        100.0, [105.0, 110.0, 121.0], ts=[DAY_MS // 2, DAY_MS, 2 * DAY_MS + DAY_MS // 2]
    )
    mean, deviation = 0.2 / 3, math.sqrt(0.02 / 3 / 2)
    assert found["sharpe"] == pytest.approx(mean / deviation * YEAR)


LOST = "cagr volatility sharpe sortino calmar psr turnover"


@pytest.mark.parametrize(
    ("equity", "profits", "undefined"),
    [
        ([], [], "cagr volatility sharpe sortino calmar psr exposure turnover"),
        ([100.0], [], "volatility sharpe sortino calmar psr exposure"),
        ([100.0, 100.0], [], "sharpe sortino calmar psr"),
        ([101.0, 102.01, 103.0301], [], "sharpe sortino calmar psr"),
        ([101.0, 99.0, 103.0], [1.0, 2.0], "profit_factor payoff_ratio kelly"),
        ([101.0, 99.0, 103.0], [-1.0, -2.0], "payoff_ratio kelly"),
        ([101.0, 99.0, 103.0], [3.0, 3.0], "profit_factor payoff_ratio kelly sqn"),
        ([101.0, 0.0, 103.0], [1.0, -1.0], LOST),
        ([101.0, 50.0, -3.0], [1.0, -1.0], LOST),
        ([-1.0, -2.0, -3.0], [1.0, -1.0], LOST),
    ],
)
def test_what_cannot_be_defined_is_none(
    equity: list[float], profits: list[float], undefined: str
) -> None:
    trades = table(profits, profits, [1] * len(profits))
    found = computed(100.0, equity, trades=trades)
    none = {name for name, value in found.items() if value is None}
    if not profits:
        undefined += " " + OF_TRADES
    assert none == set(undefined.split())


NUMBERS = st.floats(-1e300, 1e300)


@hypothesis.given(
    cash=st.floats(1e-9, 1e300),
    equity=st.lists(NUMBERS, max_size=30),
    profits=st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 1 << 40)), max_size=20),
    activity=st.tuples(NUMBERS, NUMBERS),
)
def test_every_statistic_is_finite_or_none(
    cash: float,
    equity: list[float],
    profits: list[tuple[float, float, int]],
    activity: tuple[float, float],
) -> None:
    trades = table(*(list(column) for column in zip(*profits, strict=True))) if profits else None
    notional, fees = activity
    found = computed(cash, equity, trades=trades, notional=notional, fees=fees)
    json.dumps(found, allow_nan=False)


def test_time_in_the_market_counts_overlaps_once() -> None:
    opened, closed = np.array([50, 0, 5, 100]), np.array([60, 10, 8, 100])
    assert stats.in_market(opened, closed) == 20
    assert stats.in_market(np.array([0, 5, 10]), np.array([20, 8, 30])) == 30
    assert stats.in_market(np.array([], np.int64), np.array([], np.int64)) == 0


def test_drawdowns_count_from_the_highest_equity_so_far() -> None:
    found = stats.drawdowns(100.0, np.array([90.0, 110.0, 99.0]))
    assert found == pytest.approx([-0.1, 0.0, -0.1])


# ── compiled ──────────────────────────────────────────────────────────────────────────────────


def drawn(seed: int) -> tuple[Any, ...]:
    """Return what `measure` takes, but for the figures: a run of 3,000 hours and 200 trades."""
    draw = np.random.default_rng(seed)
    ts = 3_600_000 * np.arange(1, 3_001)
    equity = 1e5 * np.exp(np.cumsum(draw.normal(0.0, 0.01, 3_000)))
    rows = np.zeros(200, [("profit", "f8"), ("gain", "f8"), ("bars", "i8")])  # as logs have them
    rows["profit"] = draw.normal(0.0, 100.0, 200)
    rows["gain"], rows["bars"] = rows["profit"] / 1e4, draw.integers(0, 50, 200)
    opened = draw.choice(ts, 200)
    columns = (rows["profit"], rows["gain"], rows["bars"])
    return (1e5, ts, equity, *columns, 1e6, 3.0, opened, opened + 40 * 3_600_000)


def measured(measure: Any, run: tuple[Any, ...]) -> list[float]:
    figures = np.empty(len(formulas.STATS))
    measure(*run, figures)
    return figures.tolist()


def test_compiled_and_interpreted_are_the_same_digits() -> None:
    for seed in range(3):
        run = drawn(seed)
        assert measured(stats.compiled(), run) == measured(stats.measure, run)


def test_threads_measure_side_by_side() -> None:
    runs = [drawn(seed) for seed in range(8)]
    alone = [measured(stats.compiled(), run) for run in runs]
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(measured, [stats.compiled()] * 400, runs * 50)
    assert list(found) == alone * 50


def test_every_figure_has_the_place_of_its_name() -> None:
    run = formulas.Run(
        cash=100.0,
        ts=np.array([1, 2, 3]) * DAY_MS,
        equity=np.array([110.0, 99.0, 120.0]),
        closes=np.array([110.0, 99.0, 120.0]),
        returns=np.array([0.1, -0.1, 0.2]),
        profits=np.array([30.0, -10.0, 20.0]),
        won=np.array([30.0, 20.0]),
        lost=np.array([10.0]),
        gains=np.array([0.3, -0.1, 0.25]),
        bars_held=np.array([1.0, 2.0, 9.0]),
        notional=300.0,
        fees=1.5,
        in_market_ms=DAY_MS,
    )
    figures = np.empty(len(formulas.STATS))
    formulas.write(run, figures)
    expected = [getattr(formulas, name)(run) for name in formulas.STATS]
    assert figures.tolist() == expected
    assert len(set(expected)) == len(expected)  # so that a wrong place is seen


def test_sums_lose_nothing_to_large_numbers() -> None:
    assert total(np.array([1e16, 1.0, -1e16])) == 1.0
    trades = table([1e12 + profit for profit in (1.0, 2.0, 3.0)], [0.1] * 3, [1] * 3)
    found = computed(100.0, [100.0], trades=trades)
    assert found["expectancy"] == 1e12 + 2.0
    assert found["sqn"] == pytest.approx(math.sqrt(3) * (1e12 + 2.0) / 1.0, rel=1e-15)
