"""Rates of funding: the same again and again, or from files that must have no hole."""

from pathlib import Path

import numpy as np
import pytest

from engine.core.records import Event, Kind
from engine.errors import ConfigError, DataError
from engine.feeds.funding import amid, constant
from engine.feeds.rates import recorded
from engine.feeds.tape import merge

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_704_067_200_000  # 2024-01-01


def file(folder: Path, rows: str) -> Path:
    """Return a file of rates, a row `hours rate` each, counted from the start."""
    path = folder / "rates.csv"
    lines = [line.split() for line in rows.strip().splitlines()]
    text = "".join(f"{START + int(float(hours) * HOUR)},{rate}\n" for hours, rate in lines)
    path.write_text("ts,rate\n" + text)
    return path


def said(path: Path, first: int, last: int) -> str:
    """Return the sentence about a file."""
    with pytest.raises(DataError) as refused:
        recorded(path, 0, first, last)
    return "\n".join(refused.value.problems).replace(str(path), "rates.csv")


def test_the_same_rate_is_due_at_each_full_time_behind_the_first() -> None:
    events = constant(3, 0.0001, 8.0, START, START + DAY)
    assert (events["ts"] - START).tolist() == [8 * HOUR, 16 * HOUR, DAY]
    assert set(events["kind"].tolist()) == {Kind.FUNDING}
    assert set(events["symbol"].tolist()) == {3}
    assert set(events["bar"]["open"].tolist()) == {0.0001}


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 9])
def test_amid_a_market_it_stands_where_a_backtest_has_it(pieces: int) -> None:
    # ticks on, before and behind full hours; an hour without any; two of one moment, cut apart
    minutes = [0, 59, 60, 60, 61, 119, 240, 241, 300]
    market = np.zeros(len(minutes), Event.dtype)
    market["ts"] = START + np.array(minutes) * 60_000
    market["kind"] = Kind.TICK
    market["bar"]["close"] = np.arange(len(minutes))
    first, last = int(market["ts"][0]), int(market["ts"][-1])
    due = np.concatenate([constant(s, 1e-4, 1.0, first, last) for s in (0, 2)])
    wanted = merge(market, np.sort(due, order=["ts", "symbol"]))
    cut = np.array_split(market, pieces)
    found = np.concatenate(list(amid(cut, 1e-4, 1.0, {0: first, 2: first})))
    found["seq"] = np.arange(len(found))
    assert found.tobytes() == wanted.tobytes()
    assert len(found) == len(minutes) + 2 * 5


def test_amid_a_market_nothing_is_settled_again() -> None:
    market = np.zeros(2, Event.dtype)
    market["ts"] = START, START + 2 * HOUR
    found = np.concatenate(list(amid([market], 1e-4, 1.0, {0: START + HOUR, 1: START + 3 * HOUR})))
    of = found[found["kind"] == Kind.FUNDING]
    assert [(int(event["symbol"]), int(event["ts"])) for event in of] == [(0, START + 2 * HOUR)]


def test_rates_of_a_file_are_those_of_the_time(tmp_path: Path) -> None:
    path = file(tmp_path, "0 0.0001\n8 -0.0002\n16 0.0003\n24 0.0004")
    events = recorded(path, 1, START, START + 20 * HOUR)
    assert (events["ts"] - START).tolist() == [8 * HOUR, 16 * HOUR]
    assert events["bar"]["open"].tolist() == [-0.0002, 0.0003]


def test_a_hole_is_refused_where_it_matters(tmp_path: Path) -> None:
    path = file(tmp_path, "0 0.1e-3\n8 1e-4\n16 1e-4\n40 1e-4\n48 1e-4\n56 1e-4")
    assert said(path, START, START + 56 * HOUR) == (
        "rates.csv: must have a rate each 8 hours, has none from 2024-01-01T16:00:00Z to"
        " 2024-01-02T16:00:00Z; 1 such holes. Add the rows, or end the test before."
    )
    assert len(recorded(path, 0, START, START + 16 * HOUR)) == 2
    assert len(recorded(path, 0, START + 40 * HOUR, START + 60 * HOUR)) == 2


def test_the_ends_are_holes_too(tmp_path: Path) -> None:
    path = file(tmp_path, "24 1e-4\n32 1e-4\n40 1e-4")
    assert "has none from 2024-01-01T00:00:00Z to" in said(path, START, START + 40 * HOUR)
    assert "to 2024-01-03T12:00:00Z" in said(path, START + 24 * HOUR, START + 60 * HOUR)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("0 0.5\n8 1e-4", "rate must be from -0.05 to 0.05, was 0.5 at 2024-01-01T00:00:00Z"),
        ("0 nan\n8 1e-4", "rate must be from -0.05 to 0.05, was nan"),
        ("8 1e-4\n0 1e-4", "rows must be in time order, row 2 is not later"),
        ("8 1e-4\n8 1e-4", "rows must be in time order, row 2 is not later"),
        ("", "must have the columns ts and rate, and a row, has ts, rate and 0 rows"),
    ],
)
def test_what_is_wrong_is_said(rows: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in said(file(tmp_path, rows), START, START + 8 * HOUR)


def test_a_missing_file_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a file of funding rates, was missing"):
        recorded(tmp_path / "none.csv", 0, START, START + DAY)
