"""The statistics against other people's figures: empyrical's own tests, and real markets.

Each of empyrical's 227 cases is compared, stands in `DEVIATIONS` with the reason why it differs,
or belongs to a test of `NOT_OURS`. Returns are put on consecutive days here. Where a case is of a
benchmark, a risk-free rate or a required return, its excess returns are what is measured.

Two differences hold for all cases. A year has 365 days here and 252 days, 52 weeks or 12 months
there: an expected value is scaled by what its formula says. A missing return is left out here, but
counts as a day in the years of empyrical's cagr and calmar: it is 0 there.
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from engine.research import stats
from engine.research.figures import DAY_MS
from tests.conftest import SHARED

FILE = SHARED / "reference" / "empyrical_0.5.5_test_cases.json"
DOCUMENT: dict[str, Any] = (
    json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"cases": []}
)
PERIODS = {"daily": 252, "weekly": 52, "monthly": 12}  # of a year
YEAR = math.sqrt(365)

# (empyrical's test, which of its cases, counted from 0) → why the answers differ
DEVIATIONS = {
    ("test_max_drawdown", 0): "no returns: NaN there; an account that nothing happened to fell 0",
    ("test_sharpe_ratio", 7): "no variance: infinity there, None here",
    ("test_sortino", 5): "no losing day: infinity there, None here",
    ("test_sortino", 7): "no losing day: infinity there, None here",
}

NOT_OURS = {
    "no benchmark here": """test_alpha test_alpha_beta test_alpha_beta_correlation
        test_alpha_beta_equality test_alpha_beta_translation test_alpha_beta_with_nan_inputs
        test_beta test_beta_fragility_heuristic test_capture_ratio test_down_alpha_beta
        test_down_capture test_gpd_risk_estimates test_roll_alpha_beta test_roll_down_capture
        test_roll_up_capture test_roll_up_down_capture test_up_alpha_beta test_up_capture
        test_up_down_capture""",
    "not among our statistics": """test_downside_risk test_downside_risk_noisy
        test_downside_risk_std test_downside_risk_trans test_omega test_omega_returns
        test_stability_of_timeseries test_tail_ratio""",
    "tables of returns, no statistics": "test_aggregate_returns test_simple_returns",
}

Floats = NDArray[np.float64]
Given = dict[str, Any]


# ── the cases as they stand in the file ───────────────────────────────────────────────────────


def numbered() -> dict[tuple[str, int], Given]:
    """Return the parameters of each case by its test and its number within that."""
    counts: Counter[str] = Counter()
    found = {}
    for case in DOCUMENT["cases"]:
        name = case["test"]
        found[name, counts[name]] = dict(zip(case["params"], case["args"], strict=False))
        counts[name] += 1
    return found


CASES = numbered()


def values(given: Any) -> Any:
    """Return a number as it is and a series as an array, in which a missing value is NaN."""
    return np.array(given["series"], float) if isinstance(given, dict) else given


def of(returns: Floats, missing: float | None = None) -> dict[str, float | None]:
    """Return the statistics of daily returns; those missing are left out, or stand for a value."""
    known = returns[~np.isnan(returns)] if missing is None else np.nan_to_num(returns, nan=missing)
    nothing, none = np.empty(0), np.empty(0, np.int64)
    return stats.compute(
        100.0,
        DAY_MS * np.arange(1, len(known) + 1),
        100.0 * np.cumprod(1.0 + known, dtype=np.float64),
        pa.table({"profit": nothing, "return": nothing, "bars_held": none}),
        notional=0.0,
        fees=0.0,
        opened_at=none,
        closed_at=none,
    )


def sharpe(returns: Floats) -> float:
    found = of(returns)["sharpe"]
    assert found is not None
    return found


def sortino(returns: Floats) -> float:
    found = of(returns)["sortino"]
    assert found is not None
    return found


def cagr(returns: Floats) -> float:
    """Return the rate of empyrical's years of 252 days."""
    found = of(returns, missing=0.0)["cagr"]
    assert found is not None
    return float((1.0 + found) ** (252 / 365) - 1.0)


# ── cases with an expected value ──────────────────────────────────────────────────────────────


def same(expected: float, _scale: float) -> float:
    return expected


def rooted(expected: float, scale: float) -> float:
    return expected * math.sqrt(scale)


def compounded(expected: float, scale: float) -> float:
    return float((1.0 + expected) ** scale - 1.0)


def compounded_over_fall(expected: float, scale: float) -> float:
    return compounded(expected * 0.1, scale) / 0.1  # the returns of its cases fell by 0.1


VALUES: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "test_annual_ret": ("cagr", compounded),
    "test_annual_volatility": ("volatility", rooted),
    "test_calmar": ("calmar", compounded_over_fall),
    "test_excess_sharpe": ("sharpe", lambda expected, _: expected * YEAR),  # of a day there
    "test_max_drawdown": ("max_drawdown", same),
    "test_sharpe_ratio": ("sharpe", rooted),
    "test_sortino": ("sortino", rooted),
}


def pairs(given: Given) -> list[tuple[Floats, Any]]:
    """Return the returns of a case over what is to be exceeded, and what is expected of them.

    A frame has several columns.
    """
    hurdle = [values(given[k]) for k in given if k in ("risk_free", "required_return")]
    hurdle += [values(given[k]) for k in given if k == "factor_returns"]
    returns = given["returns"]
    if "frame" in returns:
        columns = [np.array(column, float) for column in returns["frame"].values()]
        return list(zip(columns, given["expected"]["series"], strict=True))
    return [(values(returns) - sum(hurdle), given["expected"])]


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("case", [k for k in CASES if k[0] in VALUES], ids="{0[0]}-{0[1]}".format)
def test_a_value_of_empyrical(case: tuple[str, int]) -> None:
    given, (name, rescaled) = CASES[case], VALUES[case[0]]
    scale = 365 / PERIODS[given.get("period", "daily")]
    for returns, expected in pairs(given):
        found = of(returns, missing=0.0 if name in ("cagr", "calmar") else None)[name]
        if case in DEVIATIONS:
            assert expected in (None, math.inf), "DEVIATIONS is stale"
            assert found == (0.0 if name == "max_drawdown" else None)
        elif expected is None:
            assert found is None
        else:
            assert found == pytest.approx(rescaled(expected, scale), rel=1e-9, abs=1e-12)


# ── cases with a list of values, or of a relation ─────────────────────────────────────────────


def cum_returns(returns: Floats, starting_value: float, expected: list[float]) -> None:
    for day, value in enumerate(expected, 1):
        gained = of(returns[:day])["total_return"]
        assert gained == pytest.approx(
            value / starting_value - 1 if starting_value else value, abs=1e-4
        )
    assert of(returns)["total_return"] is not None


def rolling(name: str, scale: float) -> Callable[..., None]:
    """Return the check of a statistic over each window of so many days."""

    def check(returns: Floats, window: int, expected: list[float]) -> None:
        starts = range(len(returns) - window + 1)
        found = [of(returns[k : k + window])[name] for k in starts]
        assert found == pytest.approx([value * scale for value in expected], abs=1e-4)

    return check


def max_drawdown_translation(returns: Floats, constant: float) -> None:
    low, middle, high = (
        of(returns + shift)["max_drawdown"] or 0.0 for shift in (-constant, 0.0, constant)
    )
    assert low <= middle <= high


def cagr_translation(returns: Floats, constant: float) -> None:
    assert cagr(returns - constant) < cagr(returns) < cagr(returns + constant)


def cagr_with_nan_inputs(returns: Floats) -> None:
    assert math.isfinite(cagr(returns))


def cagr_noisy(returns: Floats, add_noise: Floats) -> None:
    for noisy in (returns + add_noise, returns - add_noise):
        np.testing.assert_approx_equal(cagr(returns), cagr(noisy), 1)


def translation_same(ratio: Callable[[Floats], float]) -> Callable[..., None]:
    def check(returns: Floats, required_return: float, translation: float) -> None:
        for shift in (-translation, translation):
            moved = ratio((returns + shift) - (required_return + shift))
            assert moved == pytest.approx(ratio(returns - required_return), rel=1e-8)

    return check


def translation_diff(ratio: Callable[[Floats], float]) -> Callable[..., None]:
    def check(
        returns: Floats,
        required_return: float,
        translation_returns: float,
        translation_required: float,
    ) -> None:
        shift = translation_returns - translation_required
        still = ratio(returns - required_return)
        moved = [ratio(returns - required_return + sign * shift) for sign in (-1, 1)]
        assert abs(moved[0] / still - 1) > 1e-6
        assert abs(moved[1] / still - 1) > 1e-6

    return check


def sharpe_translation_1(returns: Floats, required_return: float, translation: float) -> None:
    lower, same, higher = (
        sharpe(returns - (required_return + shift)) for shift in (-translation, 0.0, translation)
    )
    assert lower > same > higher


def sharpe_noise(small: float, large: float) -> None:
    draw = np.random.default_rng(1337)
    calm, wild = (draw.normal(0.01, size, 1000) - 0.001 for size in (small, large))
    assert sharpe(calm) > sharpe(wild)


def sortino_add_noise(returns: Floats, required_return: float) -> None:
    """Two winning days in turn become losing ones."""
    (first, second) = np.flatnonzero(returns > required_return)[[3, -4]]
    found = [sortino(returns)]
    for day in (first, second):
        returns[day] = -0.01
        found.append(sortino(returns))
    assert found == sorted(set(found), reverse=True)


def sortino_sub_noise(returns: Floats, required_return: float) -> None:
    """Two losing days in turn become those of nothing."""
    (first, second) = np.flatnonzero(returns < required_return)[[3, -4]]
    found = [sortino(returns)]
    for day in (first, second):
        returns[day] = required_return
        found.append(sortino(returns))
    assert found == sorted(found)


def excess_sharpe_noisy(noise_line: Floats, benchmark: Floats) -> None:
    """The fewer days are the benchmark's own, the more differs from it."""
    found = []
    for days in (250, 500, 750):
        active = np.where(np.arange(len(benchmark)) < days, noise_line - benchmark, 0.0)
        found.append(abs(sharpe(active)))
    assert found == sorted(set(found))


def excess_sharpe_trans(returns: Floats, add_noise: Floats, translation: Floats) -> None:
    active = (returns + add_noise) - returns
    assert sharpe(active - translation) < sharpe(active) < sharpe(active + translation)


RELATIONS: dict[str, Callable[..., None]] = {
    "test_cagr_noisy": cagr_noisy,
    "test_cagr_translation": cagr_translation,
    "test_cagr_with_nan_inputs": cagr_with_nan_inputs,
    "test_cum_returns": cum_returns,
    "test_excess_sharpe_noisy": excess_sharpe_noisy,
    "test_excess_sharpe_trans": excess_sharpe_trans,
    "test_max_drawdown_translation": max_drawdown_translation,
    "test_roll_max_drawdown": rolling("max_drawdown", 1.0),
    "test_roll_sharpe_ratio": rolling("sharpe", math.sqrt(365 / 252)),
    "test_sharpe_noise": sharpe_noise,
    "test_sharpe_translation_1": sharpe_translation_1,
    "test_sharpe_translation_diff": translation_diff(sharpe),
    "test_sharpe_translation_same": translation_same(sharpe),
    "test_sortino_add_noise": sortino_add_noise,
    "test_sortino_sub_noise": sortino_sub_noise,
    "test_sortino_translation_diff": translation_diff(sortino),
    "test_sortino_translation_same": translation_same(sortino),
}


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(
    "case", [k for k in CASES if k[0] in RELATIONS], ids="{0[0]}-{0[1]}".format
)
def test_a_relation_of_empyrical(case: tuple[str, int]) -> None:
    RELATIONS[case[0]](**{name: values(value) for name, value in CASES[case].items()})


def test_no_case_of_empyrical_is_left_out(shared: Path) -> None:
    not_ours = {name for names in NOT_OURS.values() for name in names.split()}
    groups = (VALUES.keys(), RELATIONS.keys(), not_ours)
    assert sum(map(len, groups)) == len(set().union(*groups))  # none stands in two of them
    assert set().union(*groups) == {name for name, _ in CASES}
    counts = [sum(name in group for name, _ in CASES) for group in groups]
    assert counts == [46, 42, 139]
    assert sum(counts) == len(DOCUMENT["cases"]) == 227
    assert {*DEVIATIONS} <= {*CASES}


# ── real markets ──────────────────────────────────────────────────────────────────────────────


def closes_of_whole_days(path: Path) -> Floats:
    candles = pq.read_table(path)
    days = candles["ts"].to_numpy() // DAY_MS
    last = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    _, counts = np.unique(days, return_counts=True)
    closes: Floats = candles["close"].to_numpy()[last[counts == 24]]
    return closes


def test_real_markets_agree_with_empyrical_reloaded(shared: Path) -> None:
    """The goldens leave out days with gaps, so their closes are put on consecutive days here."""
    goldens = json.loads((shared / "reference" / "perf_stats_golden.json").read_text())
    assert goldens
    for golden in goldens:
        closes = closes_of_whole_days(shared / golden["source"].removeprefix("open/"))
        assert len(closes) == golden["n"] + 1
        found = of(closes[1:] / closes[:-1] - 1.0)
        golden["volatility"] = golden.pop("annual_volatility")
        alike = set(golden) & set(found)
        assert len(alike) == 7
        assert {name: found[name] for name in alike} == pytest.approx(
            {name: golden[name] for name in alike}, rel=1e-9
        )
