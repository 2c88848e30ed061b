"""The best price of a position is put together anew from three places after an edit."""

from typing import Any

import pytest

from engine.core.assemble import assemble, layout
from engine.core.block import table_of
from engine.core.machine import Compiled
from engine.core.portfolio import Instrument
from engine.core.records import Reason
from engine.live.snapshot import Former, protect_again, restore_best, sections
from tests.market import MINUTE, bar_events, follower, go_on, numbered, portfolio, target

ROWS = [[100, 101, 99, 100], [100, 104, 98, 100], [100, 103, 97, 100], [100, 110, 90, 100]]


@pytest.mark.parametrize(
    ("wish", "cut", "best"),
    [
        (1.0, 3, 104.0),  # the snapshot, after the second bar, has the best
        (1.0, 4, 110.0),  # a later bar has it
        (-1.0, 3, 97.0),
        (-1.0, 4, 90.0),
    ],
)
def test_the_best_of_store_snapshot_and_journal(wish: float, cut: int, best: float) -> None:
    perpetual = (Instrument("X/USD", leverage=1.0, maintenance=0.005),)
    plan = layout(portfolio(follower(trailing_distance=0.5), instruments=perpetual))
    events = numbered(bar_events(ROWS), target(MINUTE, wish))
    made = Compiled(plan)
    go_on(made, events[:3])  # the first bar, the wish, and the bar that fills it
    former = Former(made.block.copy(), sections(plan))
    block, _ = assemble(plan)
    row = table_of(block, "books")[0]
    for name in ("position", "grown_seq"):
        row[name] = table_of(made.block, "books")[0][name]
    row["best"] = 100.0  # what the store has: the price of the fill
    restore_best(former, [events[3 : cut + 1]], plan, block)
    assert row["best"] == best


def test_what_was_best_before_the_position_grew_is_forgotten() -> None:
    plan = layout(portfolio(follower(trailing_distance=0.5)))
    events = numbered(bar_events(ROWS), target(MINUTE, 0.5), target(2 * MINUTE, 1.0))
    made = Compiled(plan)
    go_on(made, events[:4])  # both wishes, and the bar that fills the first one, up to 104
    former = Former(made.block.copy(), sections(plan))
    go_on(made, events[4:5])  # the second is filled at 100, in a bar up to 103
    held = table_of(made.block, "books")[0]
    block, _ = assemble(plan)
    row = table_of(block, "books")[0]
    for name in ("position", "grown_seq", "best"):
        row[name] = held[name]
    restore_best(former, [events[4:5]], plan, block)
    assert held["best"] == row["best"] == 103.0


def test_what_a_bar_had_before_a_limit_order_entered_inside_it_is_none_of_its_own() -> None:
    plan = layout(portfolio(follower(trailing_distance=0.5), by_limit=True, offset=0.05))
    rows = [[100, 101, 99, 100], [100, 104, 94, 96], [96, 97, 95, 96]]
    events = numbered(bar_events(rows), target(MINUTE, 1.0))
    made = Compiled(plan)
    go_on(made, events[:2])  # the first bar, and the wish: 95 rests
    former = Former(made.block.copy(), sections(plan))
    go_on(made, events[2:])
    held = table_of(made.block, "books")[0]
    block, _ = assemble(plan)
    row = table_of(block, "books")[0]
    for name in ("position", "grown_seq", "inside"):
        row[name] = held[name]
    row["best"] = 95.0  # what the store has: the price of the fill
    restore_best(former, [events[2:]], plan, block)
    assert held["best"] == row["best"] == 97.0  # the 104 may have come before


@pytest.mark.parametrize(
    ("exits", "own", "price"),
    [
        ({}, 0.0, 95.0),
        ({"trailing_distance": 0.5}, 0.0, 95.0),  # looser
        ({"stop_loss": 0.02}, 0.0, 95.0),  # what a strategy asks for goes before a ratio
        ({}, 90.0, 90.0),  # it has asked for another one meanwhile
    ],
)
def test_prices_that_a_strategy_forgot_stay_until_it_asks_for_others(
    exits: dict[str, Any], own: float, price: float
) -> None:
    """A stop at 95 and a take at 120; the strategy that asked for them began anew."""
    plan = layout(portfolio(follower(**exits)))
    rows = [[100, 101, 99, 100], [100, 101, 99, 100], [100, 105, 99, 104], [104, 104, 80, 90]]
    events = numbered(bar_events(rows), target(MINUTE, 1.0, stop=95.0, take=120.0))
    made = Compiled(plan)
    go_on(made, events[:3])  # up to the bar that fills the wish
    book = table_of(made.block, "books")[0]
    words = book.tobytes() + table_of(made.block, "working").tobytes()
    former = Former(made.block.copy(), sections(plan))
    for asked in ("wish", "out"):
        book[asked]["stop"], book[asked]["take"] = own, 0.0
    protect_again(former, {("follower", "X/USD"): words}, made, {0})
    assert (book["stop"], book["take"]) == (price, 120.0)
    fills = go_on(made, events[3:]).logs["fills"]
    assert fills["price"].tolist() == [price]
    assert fills["reason"].tolist() == [Reason.STOP_LOSS]
