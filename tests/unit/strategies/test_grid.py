"""What grid does on a few bars that can be followed by hand."""

from typing import Any

import pytest

from engine.core.portfolio import Instance
from engine.core.records import Kind, Sizing
from engine.strategies.grid import Grid
from tests.market import MINUTE, bar_events, command, numbered, portfolio, run

# anchored at 100, buys half a unit at 90 and at 81, sells these at 100 and at 90


def fills(machine: type, rows: Any, *words: Any, **given: Any) -> list[Any]:
    """Return (bar, quantity, price) of each fill of a grid of two levels 10 % apart."""
    strategy = Grid(count=2, spacing=0.1)
    instance = Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0, **given)
    done = run(machine, portfolio(instance), numbered(bar_events(rows), *words))
    return [
        (int(fill["ts"]) // MINUTE, float(fill["quantity"]), float(fill["price"]))
        for fill in done.logs["fills"]
    ]


def test_it_sells_each_part_one_level_above_where_it_was_bought(machine: type) -> None:
    rows = [
        [100, 100, 100, 100],
        [100, 100, 80, 82],  # both levels
        [82, 91, 82, 91],  # the second is sold at 90, the first waits for 100
        [91, 91, 80, 85],  # the second is bought again
        [85, 101, 85, 101],  # both are sold
    ]
    assert fills(machine, rows) == [
        (1, 0.5, 90.0),
        (1, 0.5, pytest.approx(81.0)),
        (2, -0.5, 90.0),
        (3, 0.5, pytest.approx(81.0)),
        (4, -0.5, 90.0),
        (4, -0.5, 100.0),
    ]


def test_it_follows_the_price_upwards_while_nothing_is_held(machine: type) -> None:
    # 109 is not above 110, 120 is: the levels are 108 and 97.2 then
    rows = [[100, 100, 100, 100], [100, 109, 100, 109], [109, 120, 109, 120], [120, 120, 107, 110]]
    assert fills(machine, rows) == [(3, 0.5, pytest.approx(108.0))]


def test_it_stays_where_it_is_while_something_is_held(machine: type) -> None:
    # the part of 90 is sold at 100 although the close of bar 2 lies far above the anchor
    rows = [[100, 100, 100, 100], [100, 100, 89, 95], [95, 130, 95, 130], [130, 130, 116, 120]]
    assert fills(machine, rows) == [(1, 0.5, 90.0), (2, -0.5, 100.0), (3, 0.5, pytest.approx(117))]


def test_after_a_stop_it_begins_anew_at_the_next_close(machine: type) -> None:
    # the average of 90 and 81 is 85.5, its stop 20 % below it 68.4; 60 is the new anchor
    rows = [[100, 100, 100, 100], [100, 100, 80, 82], [82, 82, 60, 60], [60, 60, 53, 55]]
    assert fills(machine, rows, stop_loss=0.2) == [
        (1, 0.5, 90.0),
        (1, 0.5, pytest.approx(81.0)),
        (2, -1.0, pytest.approx(68.4)),
        (3, 0.5, pytest.approx(54.0)),
    ]


def test_a_pause_leaves_its_plan_as_it_is(machine: type) -> None:
    words = command(Kind.PAUSE, 2 * MINUTE), command(Kind.RESUME, 4 * MINUTE)
    rows = [
        [100, 100, 100, 100],
        [100, 100, 89, 95],  # the first level, then the pause: the second is taken back
        [95, 95, 80, 90],
        [90, 101, 90, 95],  # what is held is sold all the same; the resume
        [95, 95, 95, 95],
        [95, 95, 80, 85],
    ]
    assert fills(machine, rows, *words) == [
        (1, 0.5, 90.0),
        (3, -0.5, 100.0),
        (5, 0.5, 90.0),
        (5, 0.5, pytest.approx(81.0)),
    ]


def test_a_bar_that_buys_all_and_stops_all_ends_the_grid_like_any_exit(machine: type) -> None:
    # the average of 90 and 81 is 85.5, its stop 10 % below it 76.95; 60 is the new anchor
    rows = [[100, 100, 100, 100], [100, 100, 50, 60], [60, 60, 53, 55]]
    assert fills(machine, rows, stop_loss=0.1) == [
        (1, 0.5, 90.0),
        (1, 0.5, pytest.approx(81.0)),
        (1, -1.0, pytest.approx(76.95)),
        (2, 0.5, pytest.approx(54.0)),
    ]


def test_what_has_not_been_ordered_yet_follows_the_price_down(machine: type) -> None:
    # history ends at 70, below all levels of 100: bought would be all of them at the market
    rows = [[100, 100, 100, 100], [100, 100, 70, 70], [70, 70, 70, 70], [70, 70, 62, 65]]
    events = bar_events(rows)
    events["history"][:2] = 1
    strategy = Grid(count=2, spacing=0.1)
    instance = Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    done = run(machine, portfolio(instance), events)
    assert done.logs["fills"]["price"].tolist() == [pytest.approx(63.0)]


def test_what_was_denied_is_asked_for_again_one_step_away(machine: type) -> None:
    # two bars must vary before the first size is known; the close of 89 is a step below 100
    sizing: Any = {"sizing": Sizing.VOLATILITY, "quantity": 0.0, "aim": 0.1, "ratio_max": 1.0}
    rows = [[100, 100, 100, 100], [100, 101, 100, 101], [101, 101, 95, 95], [95, 95, 89, 89]]
    instance = Instance("it", Grid(count=2, spacing=0.1), ("X/USD",), MINUTE, length=2, **sizing)
    done = run(machine, portfolio(instance), bar_events([*rows, [89, 89, 80, 80]]))
    assert done.logs["denials"]["seq"].tolist() == [0, 0]
    assert done.logs["fills"]["price"].tolist() == [pytest.approx(80.1)]


def test_a_part_that_the_price_has_left_behind_is_sold(machine: type) -> None:
    # half of a volume of 0.4 is bought of the 0.5 at 90; 111 lies above 100, where it is to be sold
    rows = [
        [100, 100, 100, 100, 4],
        [100, 100, 89, 95, 0.4],
        [95, 111, 95, 111, 4],
        [111, 111, 111, 111, 4],
    ]
    instance = Instance("it", Grid(count=2, spacing=0.1), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    done = run(machine, portfolio(instance, share_max=0.5), bar_events(rows))
    assert done.logs["fills"]["quantity"].tolist() == [0.2, -0.2]
    assert done.logs["fills"]["price"].tolist() == [90.0, 111.0]
