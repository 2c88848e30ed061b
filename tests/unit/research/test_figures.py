import math

import numpy as np
import pytest

from engine.research.figures import Unit, apart, listed, moments, shown, timeframe


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, Unit.RATIO, "–"),
        (math.nan, Unit.GAIN, "–"),
        (-math.inf, Unit.MONEY, "–"),
        (9056, Unit.COUNT, "9,056"),
        (0.12345, Unit.GAIN, "+12.35 %"),
        (-0.00001, Unit.GAIN, "+0.00 %"),
        (0.5, Unit.SHARE, "50.00 %"),
        (-1.005, Unit.RATIO, "-1.00"),
        (872471.155203, Unit.MONEY, "872,471.16"),
        (0.0, Unit.MONEY, "0.00"),
        (0.00123, Unit.MONEY, "0.0012"),
        (-5.0, Unit.PROFIT, "-5.00"),
        (13880.0, Unit.PRICE, "13,880"),
        (1000.0, Unit.PRICE, "1,000"),
        (123_456_700.0, Unit.PRICE, "123,456,700"),
        (0.0000123456789, Unit.PRICE, "0.000012345679"),
        (1234567.891, Unit.PRICE, "1,234,567.9"),
        (1e-20, Unit.PRICE, "0"),
        (363.19, Unit.DAYS, "363.2 days"),
    ],
)
def test_a_number_is_written_for_people(value: float | None, unit: Unit, text: str) -> None:
    assert shown(value, unit) == text


def test_what_differs_is_told_apart() -> None:
    assert apart(1.5, 1.75, Unit.RATIO) == ("1.50", "1.75", "0.25")
    assert apart(0.1499, 0.15, Unit.SHARE) == ("14.99 %", "15.00 %", "0.01 %")
    assert apart(1.7951, 1.8, Unit.RATIO) == ("1.795", "1.800", "0.005")
    assert apart(1.799951, 1.8, Unit.RATIO) == ("1.79995", "1.80000", "0.00005")
    assert apart(1.8, math.nextafter(1.8, 2.0), Unit.RATIO)[2].endswith("002")
    assert apart(1.8, 1.8, Unit.RATIO)[0] == "1.8000000000000000444"  # no endless search


def test_times_show_seconds_only_where_there_are_any() -> None:
    minutes = np.array([1_514_764_800_000, 1_514_764_860_000])
    assert moments(minutes) == ["2018-01-01 00:00", "2018-01-01 00:01"]
    assert moments(minutes + 1_500) == ["2018-01-01 00:00:01", "2018-01-01 00:01:01"]


@pytest.mark.parametrize(
    ("span", "text"),
    [(60_000, "1m"), (5_400_000, "90m"), (14_400_000, "4h"), (86_400_000, "1d"), (1_500, "1500ms")],
)
def test_a_timeframe_is_written_as_in_yaml(span: int, text: str) -> None:
    assert timeframe(span) == text


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
