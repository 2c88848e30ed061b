"""A position that is kept against its signals, after a kill and an edited configuration."""

from typing import Any

import pytest

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import Compiled, Machine
from engine.core.portfolio import Portfolio
from engine.core.records import ORDERS_PER_BOOK, Sizing
from engine.live.snapshot import (
    Former,
    carry_over,
    protect_again,
    restore_ledger,
    sections,
    tell_again,
)
from tests.market import bar_events, go_on
from tests.unit.core.asking import Asking, asking

KEY = ("asking", "X/USD")
RISING = [[100.0, 101.0, 99.0, 100.0], [100.0, 101.0, 99.0, 100.0], [200.0, 201.0, 199.0, 200.0]]
FALLING = [*RISING[:2], [100.0, 101.0, 90.0, 91.0]]


def machine_of(plan: Portfolio, target: list[float], stop: float) -> Machine:
    """Return a machine whose strategy wants these targets, the first with a stop."""
    made = Compiled(layout(plan))
    state = asked(made)
    state["target"][: len(target)] = target
    state["stop"][0] = stop
    return made


def asked(machine: Machine) -> Any:
    """Return the state of the strategy."""
    at, record = int(table_of(machine.block, "books")["state"][0]), Asking.StateRecord
    return machine.block[at : at + record.words].view(record.dtype)[0]


def events(rows: Any, first: int, last: int, history: int = 0) -> Any:
    """Return some bars of a market, as history or as they come."""
    found = bar_events(rows)[first:last].copy()
    found["history"] = history
    return found


def edited(before: Machine, rows: Any, plan: Portfolio, snapshot: int) -> Machine:
    """Return a machine of an edited plan that goes on behind two bars, of a snapshot after some."""
    go_on(before, events(rows, 0, snapshot))
    former = Former(before.block.copy(), sections(before.plan))
    go_on(before, events(rows, snapshot, 2))
    # the store has the row of a book as of its last order or fill, before the ignored signal
    row = table_of(before.block, "books")[:1].copy()
    row["wish"] = (1.0, float(asked(before)["stop"][0]), 0.0)
    row["kept"] = 0.0
    orders = table_of(before.block, "working")[:ORDERS_PER_BOOK]
    levels = table_of(before.block, "levels")
    held = {KEY: row.tobytes() + orders.tobytes() + levels.tobytes()}
    made = Compiled(layout(plan))
    fresh = carry_over(former, made.plan, made.block)
    go_on(made, events(rows, snapshot, 2, history=1))
    restore_ledger(former, table_of(before.block, "account")[0].tobytes(), held, made)
    tell_again(made, fresh)
    protect_again(former, held, made, fresh)
    table_of(made.block, "account")["history"] = 0
    return made


@pytest.mark.parametrize("snapshot", [1, 2])
def test_a_signal_that_comes_back_does_not_resize_it(snapshot: int) -> None:
    def plan(stop_loss: float) -> Portfolio:
        sizes = {"sizing": Sizing.EQUITY, "ratio": 0.1}
        return asking(ignores_opposite=True, stop_loss=stop_loss, **sizes)

    before = machine_of(plan(0.5), [1.0, 0.0, 1.0, 1.0], 0.0)
    made = edited(before, RISING, plan(0.6), snapshot)
    go_on(made, events([*RISING, RISING[-1]], 2, 4))
    assert table_of(made.block, "books")["position"].tolist() == [10.0]


@pytest.mark.parametrize("snapshot", [1, 2])
def test_its_own_stop_stays(snapshot: int) -> None:
    def plan(take_profit: float) -> Portfolio:
        return asking(ignores_opposite=True, take_profit=take_profit)

    before = machine_of(plan(0.5), [1.0], 95.0)
    made = edited(before, FALLING, plan(0.6), snapshot)
    done = go_on(made, events(FALLING, 2, 3))
    assert done.logs["fills"]["price"].tolist() == [95.0]
