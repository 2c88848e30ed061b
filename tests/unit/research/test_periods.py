import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engine.research import periods, stats
from engine.research.columns import to_table
from engine.research.figures import DAY_MS

JANUARY = 1_514_764_800_000  # 2018-01-01


def no_trades() -> object:
    empty = np.empty(0)
    return to_table({"closed_at": np.empty(0, np.int64), "profit": empty, "fees": empty})


def test_months_and_years_are_made_from_the_ends_of_days() -> None:
    # The last day of December 2017 closes at 90 (midnight belongs to it), January at 108.
    ts = np.array([JANUARY - DAY_MS // 2, JANUARY, JANUARY + 1, JANUARY + 30 * DAY_MS + 5])
    equity = np.array([95.0, 90.0, 99.0, 108.0])
    run = periods.days(100.0, ts, equity)
    assert run.ts[[0, 1]].tolist() == [JANUARY - DAY_MS, JANUARY]
    assert run.close[[0, 1, -1]].tolist() == [90.0, 99.0, 108.0]
    assert run.gain[[0, 1]] == pytest.approx([-0.1, 0.1])  # 90 / 100 - 1, 99 / 90 - 1
    december, january = periods.months(100.0, run)
    assert (december.name, january.name) == ("2017-12", "2018-01")
    assert (december.profit, january.profit) == (-10.0, 18.0)
    assert [december.gain, january.gain] == pytest.approx([-0.1, 0.2])
    trades = to_table(
        {
            "closed_at": np.array([JANUARY - 1, JANUARY, JANUARY + DAY_MS]),
            "profit": np.array([-9.0, 4.0, -1.0]),
            "fees": np.array([1.0, 0.5, 0.25]),
        }
    )
    old, new = periods.years(100.0, ts, equity, trades)
    assert old.months[:11] == (None,) * 11
    assert old.months[11] == old.gain == old.drawdown == pytest.approx(-0.1)  # below the cash
    assert (old.name, old.trades, old.win_rate, old.profit) == ("2017", 1, 0.0, -9.0)
    assert new.months[0] == new.gain == pytest.approx(0.2)  # 108 / 90 - 1
    assert (new.drawdown, new.trades, new.win_rate) == (0.0, 2, 0.5)
    assert (new.profit, new.fees) == (3.0, 0.75)


def test_a_run_without_rows_has_no_periods() -> None:
    ts, equity = np.empty(0, np.int64), np.empty(0)
    run = periods.days(100.0, ts, equity)
    assert periods.months(100.0, run) == []
    assert periods.years(100.0, ts, equity, no_trades()) == []
    assert periods.falls(ts, equity, 10) == []


def test_returns_of_a_lost_account_are_none() -> None:
    ts = JANUARY + DAY_MS * np.arange(1, 70)
    equity = np.where(np.arange(69) < 31, 50.0, 0.0)
    months = periods.months(100.0, periods.days(100.0, ts, equity))
    assert [month.gain for month in months] == [-0.5, -1.0, None]
    owing = periods.days(100.0, ts, np.where(np.arange(69) < 31, 50.0, -10.0))
    assert [month.gain for month in periods.months(100.0, owing)] == [-0.5, -1.2, None]
    ts, equity = ts + 340 * DAY_MS, np.full(69, -10.0)
    lost, after = periods.years(100.0, ts, equity, no_trades())
    assert [lost.gain, after.gain] == [-1.1, None]
    assert [lost.drawdown, after.drawdown] == [-1.1, 0.0]  # nothing was left to fall


def test_drawdowns_reach_from_high_to_regain() -> None:
    ts = np.arange(8) * DAY_MS
    equity = np.array([100.0, 90.0, 95.0, 100.0, 110.0, 77.0, 99.0, 99.0])
    first, second = periods.falls(ts, stats.drawdowns(100.0, equity), 10)
    assert (first.start, first.bottom, first.end) == (4 * DAY_MS, 5 * DAY_MS, None)
    assert [first.depth, first.days] == pytest.approx([-0.3, 3.0])  # 77 / 110 - 1, to the end
    assert (second.start, second.bottom, second.end) == (0, DAY_MS, 3 * DAY_MS)
    assert [second.depth, second.days] == pytest.approx([-0.1, 3.0])
    assert periods.falls(ts, stats.drawdowns(100.0, equity), 1) == [first]


@hypothesis.settings(deadline=None)  # the first call loads compiled code
@hypothesis.given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=50))
def test_the_worst_drawdowns_are_those_of_the_statistics(values: list[float]) -> None:
    equity = np.array(values)
    ts = JANUARY + 1 + DAY_MS // 3 * np.arange(len(equity))
    empty = np.empty(0)
    columns = {"profit": empty, "return": empty, "bars_held": np.empty(0, np.int64)}
    known = stats.compute(
        values[0],
        ts,
        equity,
        to_table(columns),
        notional=0.0,
        fees=0.0,
        opened_at=ts[:0],
        closed_at=ts[:0],
    )
    falls = periods.falls(ts, stats.drawdowns(values[0], equity), 100)
    assert min((fall.depth for fall in falls), default=0.0) == known["max_drawdown"]
    longest = max((fall.days for fall in falls), default=0.0)
    assert longest == pytest.approx(known["max_drawdown_days"])


def test_the_last_window_is_that_of_the_statistics() -> None:
    gain = np.random.default_rng(7).normal(0.001, 0.02, 120)
    ratio, volatility = periods.rolling(gain, 90)
    assert len(ratio) == len(volatility) == 31
    last = gain[-90:]
    assert volatility[-1] == pytest.approx(last.std(ddof=1) * math.sqrt(365))
    assert ratio[-1] == pytest.approx(last.mean() / last.std(ddof=1) * math.sqrt(365))


def test_a_window_without_variance_has_no_ratio() -> None:
    ratio, volatility = periods.rolling(np.zeros(91), 90)
    assert np.isnan(ratio).all()
    assert not volatility.any()
    assert len(periods.rolling(np.zeros(89), 90)[0]) == 0
