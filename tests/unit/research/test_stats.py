import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from engine.research import stats
from engine.research.figures import DAY_MS

NAMES = """total_return cagr volatility sharpe sortino calmar max_drawdown max_drawdown_days
    win_rate profit_factor payoff_ratio expectancy trades exposure turnover fees best_trade
    worst_trade avg_trade avg_bars_held sqn kelly psr"""

OF_TRADES = """win_rate profit_factor payoff_ratio expectancy best_trade worst_trade avg_trade
    avg_bars_held sqn kelly"""

YEAR = math.sqrt(365)


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
        **{"notional": 0.0, "fees": 0.0, "in_market_ms": 0} | activity,
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
    found = computed(
        100.0, [110.0, 120.0, 130.0], notional=300.0, fees=1.5, in_market_ms=DAY_MS // 2
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
        ([101.0, 0.0, 103.0], [1.0, -1.0], "volatility sharpe sortino psr"),
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
    equity=st.lists(st.floats(0.0, 1e300), max_size=30),
    profits=st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 1 << 40)), max_size=20),
    activity=st.tuples(NUMBERS, NUMBERS, st.integers(0, 1 << 50)),
)
def test_every_statistic_is_finite_or_none(
    cash: float,
    equity: list[float],
    profits: list[tuple[float, float, int]],
    activity: tuple[float, float, int],
) -> None:
    trades = table(*(list(column) for column in zip(*profits, strict=True))) if profits else None
    notional, fees, in_market_ms = activity
    found = computed(
        cash, equity, trades=trades, notional=notional, fees=fees, in_market_ms=in_market_ms
    )
    json.dumps(found, allow_nan=False)


def test_time_in_the_market_counts_overlaps_once() -> None:
    opened, closed = np.array([50, 0, 5, 100]), np.array([60, 10, 8, 100])
    assert stats.in_market(opened, closed) == 20
    assert stats.in_market(np.array([0, 5, 10]), np.array([20, 8, 30])) == 30
    assert stats.in_market(np.array([], np.int64), np.array([], np.int64)) == 0


def test_drawdowns_count_from_the_highest_equity_so_far() -> None:
    found = stats.drawdowns(100.0, np.array([90.0, 110.0, 99.0]))
    assert found == pytest.approx([-0.1, 0.0, -0.1])


# ── against other people's figures ────────────────────────────────────────────────────────────


def closes_of_whole_days(path: Path) -> list[float]:
    candles = pq.read_table(path)
    days = candles["ts"].to_numpy() // DAY_MS
    last = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    _, counts = np.unique(days, return_counts=True)
    return [float(price) for price in candles["close"].to_numpy()[last[counts == 24]]]


def test_real_markets_agree_with_empyrical_reloaded(shared: Path) -> None:
    """The goldens leave out days with gaps, so their closes are put on consecutive days here."""
    goldens = json.loads((shared / "reference" / "perf_stats_golden.json").read_text())
    assert goldens
    for golden in goldens:
        closes = closes_of_whole_days(shared / golden["source"].removeprefix("open/"))
        assert len(closes) == golden["n"] + 1
        found = computed(closes[0], closes[1:])
        golden["volatility"] = golden.pop("annual_volatility")
        alike = set(golden) & set(found)
        assert len(alike) == 7
        assert {name: found[name] for name in alike} == pytest.approx(
            {name: golden[name] for name in alike}, rel=1e-9
        )


def test_cases_of_empyrical(shared: Path) -> None:
    """All daily cases of the six statistics that are defined alike, with these differences:

    - a year has 252 days there, 365 here: expected values are scaled by what the formula says;
    - a missing first return counts as a day of empyrical's years but not of its deviations, so
      it is 0 here for cagr and calmar and left out otherwise; elsewhere there is none;
    - infinity there (no variance, no loss) is None here, as is NaN;
    - nothing at all: empyrical's drawdown is NaN, ours of an untouched account is 0;
    - a risk-free rate, a required return other than 0, and whole frames do not exist here.
    """
    scale = 365 / 252
    scaled: dict[str, tuple[str, Callable[[float], float]]] = {
        "test_annual_ret": ("cagr", lambda value: (1 + value) ** scale - 1),
        "test_annual_volatility": ("volatility", lambda value: value * math.sqrt(scale)),
        "test_sharpe_ratio": ("sharpe", lambda value: value * math.sqrt(scale)),
        "test_sortino": ("sortino", lambda value: value * math.sqrt(scale)),
        "test_calmar": ("calmar", lambda value: ((1 + value / 10) ** scale - 1) * 10),  # fell 0.1
        "test_max_drawdown": ("max_drawdown", lambda value: value),
    }
    document = json.loads((shared / "reference" / "empyrical_0.5.5_test_cases.json").read_text())
    seen = 0
    for case in document["cases"]:
        if case["test"] not in scaled:
            continue
        given = dict(zip(case["params"], case["args"], strict=True))
        plain = all(given.get(name, 0.0) == 0.0 for name in ("risk_free", "required_return"))
        if not plain or given.get("period", "daily") != "daily" or "frame" in given["returns"]:
            continue
        name, rescale = scaled[case["test"]]
        series = given["returns"]["series"]
        if name in ("cagr", "calmar"):
            series = [value or 0.0 for value in series]
        returns = np.array([value for value in series if value is not None])
        found = computed(100.0, list(100.0 * np.cumprod(1.0 + returns)))[name]
        expected = given["expected"]
        if name == "max_drawdown" and not series:
            assert (found, expected) == (0.0, None)
        elif expected is None or expected in ("inf", math.inf):
            assert found is None, case
        else:
            assert found == pytest.approx(rescale(expected), rel=1e-9, abs=1e-12), case
        seen += 1
    assert seen == 26
