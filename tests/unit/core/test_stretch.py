"""Bars that are taken at once: where a walk over them ends. (`engine/core/stretch.py`)"""

from typing import Any

import numpy as np
import pytest

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import Compiled, Interpreted
from engine.core.portfolio import Instance
from engine.core.records import FillOn, Reason, Sizing
from engine.strategies.buy_and_hold import BuyAndHold
from engine.strategies.donchian import Donchian
from tests.market import MINUTE, bar_events, follower, go_on, portfolio
from tests.quoting import Quoting

MACHINES = pytest.mark.parametrize("machine", [Compiled, Interpreted])
ENTERED, REACHED = 1, 7  # bars
STILL = [100.0, 100.5, 99.5, 100.0, 1.0]


def held(**exits: Any) -> Any:
    """Return a position of one unit that is entered at 100.0, at the open of bar ENTERED."""
    return portfolio(
        Instance("it", BuyAndHold(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0, **exits), cash=1_000.0
    )


@MACHINES
@pytest.mark.parametrize(
    ("exits", "bar", "reason"),
    [
        ({"stop_loss": 0.1}, [100.0, 100.5, 100.0 * (1.0 - 0.1), 100.0, 1.0], Reason.STOP_LOSS),
        ({"take_profit": 0.1}, [100.0, 100.0 * (1.0 + 0.1), 99.5, 100.0, 1.0], Reason.TAKE_PROFIT),
        ({"time_stop": (REACHED - ENTERED) * MINUTE}, STILL, Reason.TIME_STOP),
    ],
)
def test_a_price_or_time_that_is_just_reached_ends_a_walk(
    machine: type, exits: Any, bar: Any, reason: Reason
) -> None:
    events = bar_events([STILL] * REACHED + [bar] + [STILL] * 4)
    fills = go_on(machine(layout(held(**exits))), events).logs["fills"]
    assert fills["seq"].tolist() == [ENTERED, REACHED]
    assert fills["reason"].tolist() == [Reason.SIGNAL, reason]


@MACHINES
def test_each_bar_of_a_walk_has_its_equity(machine: type) -> None:
    """1,000 of cash, one unit since 100.0: equity = 1,000 + close - 100."""
    closes = [100.0, 101.0, 99.0, 102.5, 98.0, 100.25]
    events = bar_events([[100.0, 103.0, 97.0, close, 1.0] for close in closes])
    done = go_on(machine(layout(held())), events)
    assert done.equity.tolist() == [1000.0, 1001.0, 999.0, 1002.5, 998.0, 1000.25]
    account, symbol = (table_of(done.machine.block, name)[0] for name in ("account", "symbols"))
    assert (account["ts"], account["seq"]) == (6 * MINUTE, 5)
    assert (symbol["price"], symbol["price_ts"], symbol["value"]) == (100.25, 6 * MINUTE, 100.25)


@MACHINES
def test_an_order_filled_at_the_close_counts_in_the_equity_of_its_bar(machine: type) -> None:
    """Bought at the close of the first bar for a fee of 10 %: 1,000 - 0.1 x 100."""
    instance = Instance("it", BuyAndHold(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    plan = portfolio(instance, cash=1_000.0, taker=0.1, fill_on=FillOn.CLOSE)
    done = go_on(machine(layout(plan)), bar_events([STILL] * 3))
    assert done.equity.tolist() == [990.0, 990.0, 990.0]


def test_what_makes_a_symbol_plain() -> None:
    """One book, that is called on bars and keeps no levels; no volume that is to be looked at."""

    def is_plain(*instances: Instance, **given: Any) -> list[int]:
        block = Compiled(layout(portfolio(*instances, **given))).block
        return list(table_of(block, "symbols")["is_plain"].tolist())

    given: dict[str, Any] = {"symbols": ("X/USD",), "span": MINUTE}
    fixed: dict[str, Any] = {"sizing": Sizing.FIXED, "quantity": 1.0}
    measured: dict[str, Any] = {
        "sizing": Sizing.VOLATILITY,
        "aim": 1.0,
        "length": 3,
        "ratio_max": 0.5,
    }
    hold = Instance("hold", BuyAndHold(), **given, **fixed)
    assert is_plain(hold) == [1]
    assert is_plain(hold, Instance("too", Donchian(), **given, **fixed)) == [0]
    assert is_plain(follower()) == [0]
    assert is_plain(Instance("asks", Quoting(), **given, **fixed)) == [0]
    assert is_plain(Instance("varies", BuyAndHold(), **given, **measured)) == [0]
    assert is_plain(hold, share_max=0.5) == [0]


def test_a_walk_goes_on_over_the_end_of_no_call() -> None:
    """Events behind `last` stay as they are, whatever is fetched in advance."""
    events = bar_events([STILL] * 10)
    machine, equity = Compiled(layout(held())), np.full(10, np.nan)
    assert machine.advance(events, 0, 4, equity) == 4
    assert np.isnan(equity[4:]).all()
    assert table_of(machine.block, "account")["seq"][0] == 3
