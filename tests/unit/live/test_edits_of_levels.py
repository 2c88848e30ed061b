"""Orders that rest at levels, and a configuration that is edited between two starts."""

from typing import Any

import pytest

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import Compiled, Machine
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import ORDERS_PER_BOOK, Sizing, Status
from engine.errors import ConfigError
from engine.live.snapshot import (
    Former,
    carry_over,
    copy_fresh,
    protect_again,
    restore_ledger,
    sections,
    tell_again,
)
from engine.strategies.dca import Dca
from engine.strategies.grid import Grid
from tests.market import MINUTE, bar_events, go_on, portfolio

ROWS = [[100, 100, 100, 100], [100, 100, 89, 95], [95, 95, 95, 95]]  # one of three is bought at 90


def plan_of(count: int, **given: Any) -> Portfolio:
    """Return a grid of so many levels 10 % apart, each of them a third of a unit."""
    strategy = Grid(count=count, spacing=0.1)
    quantity = count / 3.0
    return portfolio(Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, quantity, **given))


def edited(plan: Portfolio, former_plan: Portfolio | None = None) -> Machine:
    """Return a machine of another plan that takes over what a grid of three has done in `ROWS`."""
    before = Compiled(layout(former_plan or plan_of(3)))
    go_on(before, bar_events(ROWS))
    block, made = before.block, Compiled(layout(plan))
    former = Former(block.copy(), sections(before.plan))
    fresh = carry_over(former, made.plan, made.block)
    words = (
        table_of(block, "books")[0].tobytes(),
        table_of(block, "working")[:ORDERS_PER_BOOK].tobytes(),
        table_of(block, "levels").tobytes(),
    )
    warm, history = Compiled(made.plan), bar_events(ROWS)
    history["history"] = 1
    go_on(warm, history)
    copy_fresh(former, warm.block, made.plan, made.block, fresh)
    account = table_of(block, "account")[0].tobytes()
    held = {("it", "X/USD"): b"".join(words)}
    restore_ledger(former, account, held, made)
    tell_again(made, fresh)
    protect_again(former, held, made, fresh)
    return made


def test_they_go_on_where_the_strategy_is_unchanged() -> None:
    made = edited(plan_of(3, stop_loss=0.5))
    events = bar_events([*ROWS, [95, 95, 95, 95], [95, 101, 95, 100]])[len(ROWS) :]
    done = go_on(made, events)
    assert done.logs["orders"]["status"].tolist() == [2, 1]  # the sale, and what is bought again
    assert done.logs["fills"]["price"].tolist() == [100.0]


def test_fewer_levels_than_orders_rest_at_are_refused() -> None:
    with pytest.raises(ConfigError, match="must keep its 3 levels while orders rest there, has 2"):
        edited(plan_of(2))


def test_a_strategy_that_begins_anew_does_not_enter_beside_what_is_held() -> None:
    # one of 1 + 1.5 + 2.25 parts is held; with another spacing those below it are asked for anew
    def plan(spacing: float) -> Portfolio:
        strategy = Dca(count=3, spacing=spacing)
        return portfolio(Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0))

    done = go_on(edited(plan(0.3), plan(0.4)), bar_events([*ROWS, ROWS[-1]])[len(ROWS) :])
    placed = done.logs["orders"][done.logs["orders"]["status"] == Status.PLACED]
    assert placed["price"].tolist() == pytest.approx([70.0, 40.0])
