"""Findings in bars and trades beyond those that a bad file is refused for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from engine.core.records import Bar
from engine.feeds.files import RECORDS, read
from engine.feeds.generated import generate
from engine.feeds.quality import Finding, inspect, length, usual_step

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

Make = Callable[..., dict[str, Any]]
Save = Callable[[str, dict[str, Any]], str]


def found(columns: dict[str, Any], span: int, kind: str = "bars") -> list[Finding]:
    rows = np.empty(len(columns["ts"]), RECORDS[kind].dtype)
    for name in rows.dtype.names or ():
        rows[name] = columns[name]
    return inspect(rows, span)


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_good_bars_and_trades_have_no_findings(bars: Make, trades: Make) -> None:
    assert found(bars(100), MINUTE) == []
    assert found(trades(0, 0, 5, 90_000), MINUTE, "trades") == []


def test_gaps_are_counted_and_the_longest_is_told(bars: Make) -> None:
    columns = bars(6)
    columns["ts"] += MINUTE * np.array([0, 1, 1, 4, 4, 4])
    (gaps,) = found(columns, MINUTE)
    assert (gaps.code, gaps.severity, gaps.count, gaps.row) == ("gaps", "warning", 2, 3)
    assert gaps.figures == {"missing": 4, "longest": 3}
    assert gaps.sentence == (
        "row 3 (2018-01-01T00:03:00Z): 3 bars of 1m are missing after it, the longest gap, 4 in"
        " all; 2 such rows. No strategy is called in a gap."
    )


def test_a_jump_that_stays_is_an_outlier_and_one_that_reverts_a_spike(bars: Make) -> None:
    columns = bars(300, price=10_000.0)
    for name in ("open", "high", "low", "close"):
        columns[name][200:] *= 1.1
    columns["close"][100] *= 1.02
    columns["high"][100] *= 1.02
    spike, outlier = found(columns, MINUTE)
    assert (spike.code, spike.severity, spike.count, spike.row) == ("spikes", "warning", 1, 101)
    assert "close moved by +2.01%, 202 times the usual, and back." in spike.sentence
    assert (outlier.code, outlier.severity, outlier.count) == ("outliers", "warning", 1)
    assert outlier.row == 201
    assert "the price moved by +10.01%, 968 times the usual." in outlier.sentence


@pytest.mark.parametrize(("name", "factor"), [("high", 1.1), ("low", 0.9)])
def test_a_wick_is_an_outlier(name: str, factor: float, bars: Make) -> None:
    columns = bars(100, price=10_000.0)
    columns[name][50] *= factor
    (outlier,) = found(columns, MINUTE)
    assert (outlier.code, outlier.count, outlier.row) == ("outliers", 1, 51)


def test_prices_that_rarely_move_have_no_outliers(bars: Make) -> None:
    columns = bars(100)
    for name in ("open", "high", "low", "close"):
        columns[name][:] = 100.0
    assert found(columns, MINUTE) == []
    for name in ("open", "high", "low", "close"):
        columns[name][60:] = 101.0
    assert found(columns, MINUTE) == []


def test_the_usual_move_is_that_of_the_neighbourhood(bars: Make) -> None:
    rng = np.random.default_rng(7)
    level = np.cumsum(rng.normal(0.0, np.repeat([1e-5, 1e-3], 2_000)))
    columns = bars(4_000)
    for name in ("open", "high", "low", "close"):
        columns[name] = np.exp(level)
    assert found(columns, MINUTE) == []
    columns["close"] = columns["close"] * np.exp(1e-3 * (np.arange(4_000) >= 500))
    columns["high"] = columns["low"] = columns["open"] = columns["close"]
    assert [(one.code, one.row) for one in found(columns, MINUTE)] == [("outliers", 501)]


def test_errors_come_before_warnings(bars: Make) -> None:
    columns = bars(6)
    columns["ts"] += MINUTE * np.array([0, 1, 1, 4, 4, 4])
    columns["volume"][5] = np.nan
    assert codes(found(columns, MINUTE)) == ["not_a_number", "gaps"]


def test_nothing_that_depends_on_the_timeframe_is_said_without_one(bars: Make) -> None:
    columns = bars(6)
    columns["ts"] += np.array([0, 1, 2, 3, 500_000, 500_000])
    assert found(columns, 0) == []


def test_daily_bars_of_another_zone(bars: Make) -> None:
    columns = bars(3, step=DAY)
    columns["ts"] -= 8 * HOUR
    (misaligned,) = found(columns, DAY)
    assert misaligned.sentence.endswith(
        "ts must be a multiple of 1d, was 16h past; 3 such rows. All rows are off by 16h: if ts is"
        " local time, convert it to UTC."
    )


def test_the_usual_step_is_the_most_common_one(bars: Make) -> None:
    columns = bars(6, step=HOUR)
    columns["ts"][4:] += MINUTE
    assert usual_step(columns["ts"]) == HOUR
    assert usual_step(columns["ts"][:1]) == 0


def test_lengths_in_words() -> None:
    lengths = [length(ms) for ms in (60_000, 5_400_000, 86_400_000, 7_000, 1_500)]
    assert lengths == ["1m", "90m", "1d", "7s", "1500ms"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=some.lists(
        some.tuples(some.integers(0, 9_999), some.integers(0, 255)), min_size=1, max_size=9
    ),
    name=some.sampled_from(["a.parquet", "a.csv"]),
    whole=some.booleans(),
)
def test_no_content_is_a_traceback(
    changes: list[tuple[int, int]], name: str, whole: bool, save: Save
) -> None:
    rows = generate("A/B", 50, MINUTE, 1)
    save(name, {column: rows[column] for column in rows.dtype.names or ()})
    content = bytearray(Path(name).read_bytes())
    for place, byte in changes:
        content[place % len(content)] = byte
    Path(name).write_bytes(content if whole else content[: len(content) // 2])
    file = read(Path(name))
    assert file.findings or isinstance(inspect(file.rows, MINUTE), list)


@settings(deadline=None)
@given(some.binary(min_size=48 * 25, max_size=48 * 25), some.sampled_from([0, MINUTE]))
def test_no_numbers_are_a_traceback(content: bytes, span: int) -> None:
    for finding in inspect(np.frombuffer(content, Bar.dtype), span):
        assert finding.sentence


def test_the_gaps_of_a_real_year(shared: Path) -> None:
    file = read(shared / "ohlcv/bitfinex_spot_BTCUSD_1m_2018.parquet")
    findings = inspect(file.rows, MINUTE)
    assert codes(findings) == ["gaps", "spikes", "outliers"]
    assert findings[0].count == 3_992
    assert findings[0].figures == {"missing": 5_101, "longest": 67}


def test_real_files_pass(shared: Path) -> None:
    paths = [*shared.glob("ohlcv/*.parquet"), *shared.glob("freqtrade/*.parquet")]
    paths = [path for path in paths if "funding_rate" not in path.name]
    assert len(paths) > 20
    for path in paths:
        file = read(path)
        assert file.findings == ()
        findings = inspect(file.rows, usual_step(file.rows["ts"]))
        assert [one.sentence for one in findings if one.severity == "error"] == [], path
