"""Hand-worked markets: quantities and prices that are too small. See docs/guide/exits.md.

Columns are those of `tests.market.play`.
"""

from engine.core.portfolio import Instrument
from engine.core.records import Sizing
from tests.market import bar_events, follower, numbered, play, portfolio, run, target

LEAST = (Instrument("X/USD", notional_min=60.0),)  # 0.6 units at 100


def test_a_rung_that_is_worth_too_little_is_left_out(machine: type) -> None:
    # 0.5 at 105 is 52.50; 0.4 at 160 is 64
    play(
        machine,
        """
        100 101  99 100   1   .
        100 110  99 110   .   +1@100
        110 170 109 150   .   -0.4@160:take_profit
        150 151  89  90   .   -0.6@90:stop_loss         # 54, but all there is
        """,
        portfolio(follower(ladder=((0.05, 0.5), (0.60, 0.4)), stop_loss=0.10), instruments=LEAST),
    )


def test_the_last_rung_leaves_whatever_there_is(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 131  99 110   .   +1@100,-0.6@110:take_profit,-0.4@120:take_profit
        """,
        portfolio(follower(ladder=((0.10, 0.6), (0.20, 0.4))), instruments=LEAST),
    )


def test_a_rung_that_is_all_there_is_leaves_however_little(machine: type) -> None:
    # 0.5 at 130 is 65, at 117 it is 58.50
    perpetual = (Instrument("X/USD", notional_min=60.0, leverage=5.0, maintenance=0.005),)
    play(
        machine,
        """
        130 131 129 130  -1     .
        130 131 129 130  -0.5   -1@130
        130 131 129 130   .     +0.5@130
        130 131 116 120   .     +0.5@117:take_profit
        """,
        portfolio(follower(ladder=((0.10, 0.5),)), instruments=perpetual),
    )


def test_a_target_that_reduces_by_too_little_changes_nothing(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1     .
        100 101  99 100   0.5   +1@100
        100 101  99 100   0.4   .                       # 0.5 is worth 50
        100 101  99 100   0     -0.6@100
        100 101  99 100   .     -0.4@100                # 40, but all there is
        """,
        portfolio(instruments=LEAST),
    )


def test_dust_is_no_quantity(machine: type) -> None:
    # what is left of 1e-5 after a loss of all but a billionth would be 1e-16 units
    play(
        machine,
        """
        100 101  99 100   1   denied:below_lot
        """,
        portfolio(follower(sizing=Sizing.EQUITY, ratio=1.0), cash=1e-14),
    )


def test_products_of_small_positions_do_not_vanish(machine: type) -> None:
    """Whether a fill opens or closes is told by the sign of a product."""
    perpetual = (Instrument("X/USD", leverage=100.0, maintenance=0.005),)
    plan = portfolio(
        follower(sizing=Sizing.EQUITY, ratio=90.0), cash=1e-5, instruments=perpetual, slippage=0.01
    )
    wishes = [target(60_000 * (i + 1), (-1.0) ** i) for i in range(400)]
    done = run(machine, plan, numbered(bar_events([[100.0, 100.1, 99.9, 100.0]] * 400), *wishes))
    assert 0.0 <= done.equity[-1] < 1e-8
    assert done.logs["denials"]["reason"].size


def test_nothing_is_bought_below_a_tick(machine: type) -> None:
    # on a grid of 1000 it would be bought at 1000 and sold at 0
    play(
        machine,
        """
        100 101  99 100   1   denied:no_price
        """,
        portfolio(instruments=(Instrument("X/USD", tick=1000.0),), slippage=0.001),
    )
