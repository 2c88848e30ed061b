"""Each rule at its limit and just above it; and what all of them have in common."""

from typing import Any

import pytest

from engine.core.compile.declare import Rule
from engine.core.portfolio import Instrument
from engine.rules.gross_exposure import GrossExposure
from engine.rules.open_positions import OpenPositions
from engine.rules.order_notional import OrderNotional
from engine.rules.position_size import PositionSize
from engine.rules.stale_price import StalePrice
from tests.market import MINUTE, bar_events, follower, numbered, play, portfolio, run, target


def limited(rule: Rule, **given: Any) -> Any:
    """Return a portfolio of one follower under one rule."""
    return portfolio(rules=(("rule", rule),), **given)


def test_order_notional(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        101 102 100 101   0   +1@101
        101 102 100 101   1   -1@101,denied:order_notional_above_limit
        """,
        limited(OrderNotional(notional_max=100.0)),
    )


def test_position_size_counts_what_the_symbol_already_holds(machine: type) -> None:
    # equity 1000: at most 0.25 x 1000 = 250 in one symbol
    play(
        machine,
        """
        100 101  99 100   0.5   .
        100 101  99 100   1     +0.5@100
        100 101  99 100   .     +0.5@100
        """,
        limited(PositionSize(ratio_max=0.1), cash=1000.0),
    )
    play(
        machine,
        """
        100 101  99 100   0.5   .
        100 101  99 100   1     +0.5@100,denied:position_above_limit
        100 101  99 100   0     .
        100 101  99 100   .     -0.5@100
        """,
        limited(PositionSize(ratio_max=0.09), cash=1000.0),
    )


def two_symbols(rule: Rule, *instances: Any) -> list[tuple[int, str]]:
    """Return (book, reason) of each denial when two books open one minute apart, at 100 each."""
    plan = portfolio(
        *(instances or (follower(symbols=("X/USD", "Y/USD")),)),
        instruments=(Instrument("X/USD"), Instrument("Y/USD")),
        rules=(("rule", rule),),
        cash=1000.0,
    )
    rows = [[100.0, 101.0, 99.0, 100.0]] * 4
    from engine.core.machine import Compiled

    done = run(
        Compiled,
        plan,
        numbered(
            bar_events(rows),
            bar_events(rows, symbol=1),
            target(2 * MINUTE, 1.0, symbol=0),
            target(2 * MINUTE, 1.0, symbol=1),
        ),
    )
    return [(int(d["book"]), plan.reason(d["reason"])) for d in done.logs["denials"]]


def test_gross_exposure_counts_orders_that_are_not_filled_yet() -> None:
    assert two_symbols(GrossExposure(ratio_max=0.2)) == []
    assert two_symbols(GrossExposure(ratio_max=0.19)) == [(1, "gross_exposure_above_limit")]


def test_open_positions_counts_orders_that_are_not_filled_yet() -> None:
    assert two_symbols(OpenPositions(count_max=2)) == []
    assert two_symbols(OpenPositions(count_max=1)) == [(1, "open_positions_at_limit")]


def test_open_positions_lets_a_position_grow(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   0.5   .
        100 101  99 100   1     +0.5@100
        100 101  99 100   .     +0.5@100
        """,
        limited(OpenPositions(count_max=1)),
    )


@pytest.mark.parametrize(("late", "denied"), [(120, 0), (121, 1)])
def test_stale_price(machine: type, late: int, denied: int) -> None:
    events = numbered(bar_events([[100.0, 101.0, 99.0, 100.0]]), target(MINUTE + late * 1000, 1.0))
    done = run(machine, limited(StalePrice(age_seconds_max=120)), events)
    assert len(done.logs["denials"]) == denied


def test_a_denial_names_every_reason_and_what_was_measured(machine: type) -> None:
    plan = portfolio(
        instruments=(Instrument("X/USD", notional_min=500.0),),
        rules=(
            ("a", OrderNotional(notional_max=50.0)),
            ("b", PositionSize(ratio_max=1.0)),
            ("c", GrossExposure(ratio_max=0.05)),
        ),
        cash=1000.0,
    )
    events = numbered(bar_events([[100.0, 101.0, 99.0, 100.0]]), target(MINUTE, 1.0))
    done = run(machine, plan, events)
    told = [
        (plan.reason(row["reason"]), row["measured"], row["limit"]) for row in done.logs["denials"]
    ]
    assert told == [
        ("below_notional_min", 100.0, 500.0),
        ("order_notional_above_limit", 100.0, 50.0),
        ("gross_exposure_above_limit", 100.0, 50.0),
    ]
    decision = done.logs["decisions"][0]
    assert (decision["approved"], decision["quantity"], decision["denials"]) == (0, 0.0, 3)


def test_no_rule_stands_between_a_position_and_its_exit(machine: type) -> None:
    class Never(Rule):
        """Denies all that it is asked about, once a position is there."""

        reason = "never"

        def check(p, s, view, intent):  # type: ignore[no-untyped-def]
            return view.position > 0.0

    play(
        machine,
        """
        100 101  99 100   1     .
        100 101  99 100   0.5   +1@100
        100 101  99 100   1     -0.5@100,denied:never
        100 101  99 100   0     .
        100 101  99 100   .     -0.5@100
        """,
        limited(Never()),
    )
