"""Rates of funding: the same again and again, or from files that must have no hole."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.core.records import Event, Kind
from engine.errors import ConfigError, DataError
from engine.feeds.funding import amid, constant
from engine.feeds.rates import recorded
from engine.feeds.tape import merge
from tests.golden import golden

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


def said(path: Path, first: int, last: int, hours: float = 8.0) -> str:
    """Return the sentences about a file."""
    with pytest.raises(DataError) as refused:
        recorded(path, 0, hours, first, last)
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
    events = recorded(path, 1, 8.0, START, START + 20 * HOUR)
    assert (events["ts"] - START).tolist() == [8 * HOUR, 16 * HOUR]
    assert events["bar"]["open"].tolist() == [-0.0002, 0.0003]


def test_a_hole_is_refused_where_it_matters(tmp_path: Path) -> None:
    path = file(tmp_path, "0 0.1e-3\n8 1e-4\n16 1e-4\n40 1e-4\n48 1e-4\n56 1e-4")
    assert said(path, START, START + 56 * HOUR) == (
        "rates.csv: must have a rate at each full 8 hours of the day (UTC), has none at"
        " 2024-01-02T00:00:00Z; 2 such times. Add the rows, or end the test before."
    )
    assert len(recorded(path, 0, 8.0, START, START + 16 * HOUR)) == 2
    assert len(recorded(path, 0, 8.0, START + 40 * HOUR, START + 60 * HOUR)) == 2


def test_the_ends_are_holes_too(tmp_path: Path) -> None:
    path = file(tmp_path, "24 1e-4\n32 1e-4\n40 1e-4")
    assert said(path, START, START + 40 * HOUR).endswith(
        "has none at 2024-01-01T08:00:00Z; 2 such times. Add the rows, or start the test at"
        " 2024-01-02T00:00:00Z."
    )
    assert said(path, START + 24 * HOUR, START + 60 * HOUR).endswith(
        "has none at 2024-01-03T00:00:00Z; 2 such times. Add the rows, or end the test at"
        " 2024-01-02T16:00:00Z."
    )
    assert len(said(path, START, START + 60 * HOUR).splitlines()) == 2
    assert len(recorded(path, 0, 8.0, START + 24 * HOUR, START + 47 * HOUR)) == 2


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    first = "ts,rate\n"
    texts = {
        "high": f"{first}{START},0.5\n{START + 8 * HOUR},1e-4\n",
        "nan": f"{first}{START},1e-4\n{START + 8 * HOUR},nan\n",
        "text": f"{first}{START},1e-4\n{START + 8 * HOUR},high\n",
        "no_time": f"{first}{START},1e-4\n,1e-4\n",
        "of_dates": f"{first}2024-01-01 00:00:00,1e-4\n",
        "order": f"{first}{START + 8 * HOUR},1e-4\n{START},1e-4\n",
        "twice": f"{first}{START},1e-4\n{START + 8 * HOUR},1e-4\n{START + 8 * HOUR},1e-4\n",
        "columns": f"ts,funding_rate\n{START},1e-4\n",
        "two_columns": f"ts,rate,rate\n{START},1e-4,1e-4\n",
        "no_rows": first,
        "nothing": "",
    }
    told = []
    for name, text in texts.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(DataError) as refused:
            recorded(path, 0, 8.0, START, START + 8 * HOUR)
        told += [problem.replace(f"{tmp_path}/", "") for problem in refused.value.problems]
    golden("data/rates.txt", "\n".join(told))


def test_rows_stand_at_the_hours_of_the_costs(tmp_path: Path) -> None:
    end = START + 10 * DAY
    rows = {
        "each_4": (range(0, 241, 4), 8.0),
        "each_16": (range(0, 241, 16), 8.0),
        "shifted": (range(3, 244, 8), 8.0),
        "one_more": (sorted([*range(0, 241, 8), 50]), 8.0),
        "each_8": (range(0, 241, 8), 4.0),
    }
    told = []
    for name, (hours, due) in rows.items():
        path = file(tmp_path, "\n".join(f"{hour} 1e-4" for hour in hours))
        told.append(f"{name} {said(path, START, end, due)}")
    seconds = tmp_path / "rates.csv"
    seconds.write_text("ts,rate\n" + "".join(f"{START // 1000 + i * 28_800},0\n" for i in range(9)))
    told.append(f"seconds {said(seconds, START, end)}")
    golden("data/rates_untimely.txt", "\n".join(told))


def test_a_row_a_moment_late_is_that_of_the_full_hour(tmp_path: Path) -> None:
    path = file(tmp_path, "0 1e-4\n8.00001 2e-4\n15.9999 3e-4\n24 4e-4")
    events = recorded(path, 0, 8.0, START, START + DAY)
    assert (events["ts"] - START).tolist() == [8 * HOUR, 16 * HOUR, DAY]


def test_a_file_of_freqtrade_is_read(shared: Path, tmp_path: Path) -> None:
    table = pq.read_table(shared / "freqtrade/XRP_USDT_USDT_8h_funding_rate.parquet")
    pq.write_table(table.rename_columns(["ts", "rate"]), tmp_path / "rates.parquet")
    first, last = table["ts"][0].as_py(), table["ts"][-1].as_py()
    found = recorded(tmp_path / "rates.parquet", 0, 8.0, first, last)
    assert len(found) == table.num_rows - 1


def test_a_missing_file_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a file of funding rates, was missing"):
        recorded(tmp_path / "none.csv", 0, 8.0, START, START + DAY)
