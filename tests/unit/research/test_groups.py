from typing import Any

import pyarrow as pa

from engine.research import groups
from engine.research.groups import Group

HOUR = 3_600_000
MONDAY = 1_514_764_800_000  # 2018-01-01


def table(**columns: Any) -> pa.Table:
    count = len(columns["profit"])
    known: dict[str, Any] = {
        "strategy": ["a"] * count,
        "symbol": ["X"] * count,
        "opened_at": [MONDAY] * count,
        "fees": [1.0] * count,
        "return": [0.1] * count,
    }
    return pa.table(known | columns)


def test_sums_keep_the_order_of_first_trades() -> None:
    trades = table(
        strategy=["b", "a", "b", "b"],
        symbol=["X", "X", "X", "Y"],
        profit=[5.0, 1.0, -2.0, 0.0],
        fees=[1.0, 1.0, 2.0, 1.0],
        **{"return": [0.5, 0.25, -0.25, 0.0]},
    )
    assert groups.by(trades, "strategy", "symbol") == [
        # two trades of b in X: one of two won, 5 - 2, 1 + 2, (0.5 - 0.25) / 2
        Group(("b", "X"), 2, 0.5, 3.0, 3.0, 0.125, 0.5, -0.25),
        Group(("a", "X"), 1, 1.0, 1.0, 1.0, 0.25, 0.25, 0.25),
        Group(("b", "Y"), 1, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0),
    ]
    (b, a) = groups.by(trades, "strategy")
    assert (b.names, b.trades, b.profit, b.fees) == (("b",), 3, 3.0, 4.0)
    assert (a.names, a.trades) == (("a",), 1)


def test_hours_and_weekdays_are_those_of_the_entry_in_utc() -> None:
    opened = [MONDAY + 23 * HOUR + 59 * 60_000, MONDAY + 24 * HOUR, MONDAY + 6 * 24 * HOUR]
    trades = table(opened_at=opened, profit=[1.0, -2.0, 4.0])
    days = groups.by_weekday(trades)
    assert [(*g.names, g.profit) for g in days] == [
        ("Monday", 1.0),
        ("Tuesday", -2.0),
        ("Sunday", 4.0),
    ]
    hours = groups.by_hour(trades)
    assert [(*g.names, g.trades, g.profit) for g in hours] == [
        ("00:00", 2, 2.0),
        ("23:00", 1, 1.0),
    ]


def test_a_trade_is_of_the_side_that_its_quantity_has() -> None:
    trades = table(quantity=[-1.0, 2.0, -3.0], profit=[1.0, -2.0, 4.0])
    sides = groups.by_side(trades)
    assert [(*g.names, g.trades, g.profit) for g in sides] == [("long", 1, -2.0), ("short", 2, 5.0)]


def test_without_trades_there_are_no_groups() -> None:
    none = table(profit=[1.0]).slice(0, 0)
    assert groups.by(none, "strategy") == groups.by_hour(none) == groups.by_weekday(none) == []
