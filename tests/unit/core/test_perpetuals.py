"""Shorts, margin, funding and liquidation of linear perpetuals, each worked out by hand.

The arithmetic is in docs/guide/perpetuals.md.
"""

from typing import Any

import pytest

from engine.core.block import table_of
from engine.core.portfolio import Instrument, Portfolio
from engine.core.records import Kind
from tests.market import MINUTE, bar_events, follower, numbered, play, portfolio, run, target

FLAT = (100.0, 100.0, 100.0, 100.0)


def perpetual(leverage: float, isolated: bool = True, cash: float = 10_000.0, **given: Any) -> Any:
    """Return a portfolio of one perpetual with a maintenance margin of 0.5 %."""
    grid = Instrument(
        "X/USD:USD",
        leverage=leverage,
        isolated=isolated,
        maintenance=0.005,
        liquidation=given.pop("liquidation", 0.0),
    )
    instances = given.pop("instances", (follower(symbols=("X/USD:USD",)),))
    return portfolio(*instances, instruments=(grid,), cash=cash, **given)


def account(machine: type, plan: Portfolio, events: Any) -> tuple[Any, Any]:
    """Return the account and the logs after all events."""
    done = run(machine, plan, events)
    return table_of(done.machine.block, "account")[0], done.logs


def test_a_short_earns_what_the_price_falls(machine: type) -> None:
    # sold at 100, bought back at 90: 10, less 0.1 % of 100 and of 90
    bars = bar_events([FLAT, FLAT, (95, 95, 90, 90), (90, 90, 90, 90)])
    events = numbered(bars, target(MINUTE, -1.0), target(3 * MINUTE, 0.0))
    owned, logs = account(machine, perpetual(1.0, taker=0.001), events)
    assert owned["cash"] == pytest.approx(10_000.0 + 10.0 - 0.1 - 0.09, rel=1e-15)
    trade = logs["trades"][0]
    assert (trade["quantity"], trade["entry"], trade["exit"]) == (-1.0, 100.0, 90.0)
    assert trade["profit"] == pytest.approx(10.0 - 0.19, rel=1e-12)
    assert owned["margin"] == 0.0


def test_a_target_on_the_other_side_closes_and_opens(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        102 103 101 103  -1   +1@102
        103 104 102 104   .   -1@103,-1@103
        104 105  99 100   0   .
        100 100 100 100   .   +1@100
        """,
        perpetual(1.0),
    )


def test_a_smaller_target_reduces_and_a_larger_one_adds(machine: type) -> None:
    play(
        machine,
        """
        100 100 100 100  -1    .
        100 100 100 100  -0.5  -1@100
        100 100 100 100  -0.8  +0.5@100
        100 100 100 100   .    -0.3@100
        """,
        perpetual(1.0),
    )


def test_what_is_bound_as_margin_is_not_free(machine: type) -> None:
    # 10 at 100 with leverage 5 need 200: 199.99 are not enough, 200 are
    story = """
        100 100 100 100   1   .
        100 100 100 100   .   {}
        """
    ten = (follower(symbols=("X/USD:USD",), quantity=10.0),)
    short = perpetual(5.0, cash=199.99, instances=ten)
    play(machine, story.format("refused:insufficient_funds"), short)
    play(machine, story.format("+10@100"), perpetual(5.0, cash=200.0, instances=ten))


def test_an_isolated_long_is_liquidated_at_its_price(machine: type) -> None:
    # margin 100 / 10 = 10; (100 - 10) / (1 x 0.995) = 90.4523
    play(
        machine,
        """
        100 100 100 100   1   .
        100 101  90.5 91  .   +1@100
         91  92  90.4 91  .   -1@90.4523:liquidation
        """,
        perpetual(10.0),
    )


def test_an_isolated_short_is_liquidated_at_its_price(machine: type) -> None:
    # (100 + 10) / (1 x 1.005) = 109.453
    play(
        machine,
        """
        100 100   100 100  -1   .
        100 109.4  99 100   .   -1@100
        100 109.5  99 100   .   +1@109.453:liquidation
        """,
        perpetual(10.0),
    )


def test_a_gap_costs_an_isolated_position_its_margin_and_no_more(machine: type) -> None:
    # the open, 70, lies beyond 100 - 10 = 90, where the margin is gone
    play(
        machine,
        """
        100 100 100 100   1   .
        100 101  95  96   .   +1@100
         70  75  70  72   .   -1@90:liquidation
        """,
        perpetual(10.0),
    )


def test_the_fee_of_a_liquidation_is_taken_from_what_is_left(machine: type) -> None:
    # lost at 90.4523: 9.5477; left of 10: 0.4523; 1 % of 90.4523 would be 0.9045
    bars = bar_events([FLAT, FLAT, (99, 99, 80, 85)])
    events = numbered(bars, target(MINUTE, 1.0))
    owned, logs = account(machine, perpetual(10.0, liquidation=0.01), events)
    assert owned["cash"] == pytest.approx(9_990.0, rel=1e-12)
    assert logs["fills"]["fee"][-1] == pytest.approx(10.0 - (100.0 - 90.0 / 0.995))


def test_a_cross_position_has_the_whole_account_behind_it(machine: type) -> None:
    # (100 - 15) / 0.995 = 85.4271
    play(
        machine,
        """
        100 100 100 100   1   .
        100 101  86  87   .   +1@100
         87  88  85.4 86  .   -1@85.4271:liquidation
        """,
        perpetual(10.0, isolated=False, cash=15.0),
    )


def crossed(x: list[Any], y: list[Any], *quantities: float) -> tuple[Portfolio, Any]:
    """Return two cross perpetuals with 100 behind them, long one after the other at 100."""
    symbols = ("X/USD:USD", "Y/USD:USD")
    grids = tuple(Instrument(s, leverage=10.0, isolated=False, maintenance=0.005) for s in symbols)
    pairs = enumerate(zip(symbols, quantities, strict=True))
    books = [follower(f"f{i}", symbols=(symbol,), quantity=q) for i, (symbol, q) in pairs]
    wishes = [target((i + 1) * MINUTE, 1.0, instance=i, symbol=i) for i in range(2)]
    events = numbered(bar_events(x), bar_events(y, symbol=1), *wishes)
    return portfolio(*books, instruments=grids, cash=100.0), events


@pytest.mark.parametrize(("quantity", "held"), [(3.1, [5.0]), (2.9, [5.0, 2.9])])
def test_what_a_cross_position_loses_is_not_free(
    quantity: float, held: list[float], machine: type
) -> None:
    # 5 X at 100 bind 50 and lose 5 x 4 = 20: of 100 are 30 free, and 3.1 Y need 31
    fallen = (96, 96, 96, 96)
    plan, events = crossed([FLAT, (100, 100, 96, 96), fallen], [FLAT] * 3, 5.0, quantity)
    _, logs = account(machine, plan, events)
    assert logs["fills"]["quantity"].tolist() == held


def test_what_another_cross_position_loses_moves_the_liquidation_price(machine: type) -> None:
    # 4 Y lose 4 x 10 = 40 and must keep 0.005 x 4 x 90 = 1.8: (500 - 58.2) / (5 x 0.995) = 88.804
    fallen = (90, 90, 90, 90)
    x = [FLAT, FLAT, FLAT, FLAT, (100, 100, 88.7, 90)]
    plan, events = crossed(x, [FLAT, FLAT, (100, 100, 90, 90), fallen, fallen], 5.0, 4.0)
    _, logs = account(machine, plan, events)
    assert logs["fills"]["quantity"].tolist() == [5.0, 4.0, -5.0]
    assert logs["fills"]["price"][-1] == pytest.approx((500 - 58.2) / (5 * 0.995))


def test_a_stop_before_the_liquidation_price_comes_first(machine: type) -> None:
    play(
        machine,
        """
        100 100 100 100   1   .
        100 101  99 100   .   +1@100
        100 100  80  85   .   -1@95:stop_loss
        """,
        perpetual(10.0, instances=(follower(symbols=("X/USD:USD",), stop_loss=0.05),)),
    )


def test_longs_pay_funding_to_shorts(machine: type) -> None:
    # 2 x 110 x 0.0001 = 0.022
    two = (follower(symbols=("X/USD:USD",), quantity=2.0),)
    bars = bar_events([FLAT, (100, 110, 100, 110), (110, 110, 110, 110), FLAT])
    for side in (1.0, -1.0):
        due = target(2 * MINUTE, 0.0001, kind=Kind.FUNDING)
        events = numbered(bars, target(MINUTE, side), due, target(3 * MINUTE, 0.0))
        owned, logs = account(machine, perpetual(5.0, instances=two), events)
        assert logs["postings"]["amount"].tolist() == pytest.approx([-side * 0.022])
        assert logs["trades"]["funding"][0] == pytest.approx(-side * 0.022)
        assert logs["trades"]["profit"][0] == pytest.approx(-side * 0.022)
        assert owned["cash"] == pytest.approx(10_000.0 - side * 0.022)


def test_spot_and_history_pay_no_funding(machine: type) -> None:
    due = target(2 * MINUTE, 0.0001, kind=Kind.FUNDING)
    events = numbered(bar_events([FLAT] * 3), target(MINUTE, 1.0), due)
    _, logs = account(machine, portfolio(), events)
    assert len(logs["postings"]) == 0
    events["history"][-2:] = 1
    _, logs = account(machine, perpetual(5.0), events)
    assert len(logs["postings"]) == 0


def test_books_of_one_symbol_do_not_hold_against_each_other(machine: type) -> None:
    two = tuple(follower(name, symbols=("X/USD:USD",)) for name in ("long", "short"))
    wishes = (target(MINUTE, 1.0, instance=0), target(2 * MINUTE, -1.0, instance=1))
    events = numbered(bar_events([FLAT] * 4), *wishes)
    plan = perpetual(5.0, instances=two)
    _, logs = account(machine, plan, events)
    assert [plan.reason(code) for code in logs["denials"]["reason"]] == ["opposite_book"]
    allowed = perpetual(5.0, instances=two, opposite_books=True)
    owned, logs = account(machine, allowed, events)
    assert logs["fills"]["quantity"].tolist() == [1.0, -1.0]
    assert owned["margin"] == 40.0


def test_a_short_on_spot_closes_and_is_denied(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  99 100  -1   +1@100,denied:short_on_spot
        100 101  99 100   .   -1@100
        """,
        portfolio(),
    )
