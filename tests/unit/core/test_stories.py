"""Small hand-worked markets: what fills, at which price, and why. See docs/guide/fills.md."""

import pytest

from engine.core.portfolio import Instrument
from engine.core.records import FillOn, Sizing
from tests.market import follower, play, portfolio


def test_an_order_fills_at_the_next_open(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        102 103 101 103   .   +1@102
        103 104 102 104   0   .
         99 100  98  99   .   -1@99
        """,
        portfolio(),
    )


def test_the_same_wish_again_is_no_signal(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        102 103 101 103   1   +1@102
        103 104 102 104   1   .
        """,
        portfolio(),
    )


def test_stop_and_take_are_fractions_of_the_fill_price(machine: type) -> None:
    # entry 102: stop 102 x 0.95 = 96.9, take 102 x 1.10 = 112.2
    play(
        machine,
        """
        100 101  99 100   1   .
        102 103  97 100   .   +1@102
        100 112  96 100   .   -1@96.9:stop_loss
        100 130  90 100   .   .
        """,
        portfolio(follower(stop_loss=0.05, take_profit=0.10)),
    )
    play(
        machine,
        """
        100 101  99 100   1   .
        102 103  97 100   .   +1@102
        100 113  98 100   .   -1@112.2:take_profit
        """,
        portfolio(follower(stop_loss=0.05, take_profit=0.10)),
    )


def test_they_live_from_the_fill_bar_on(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  94 100   .   +1@100,-1@95:stop_loss
        """,
        portfolio(follower(stop_loss=0.05)),
    )


def test_the_stop_comes_first_inside_one_bar(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 111  94 100   .   +1@100,-1@95:stop_loss
        """,
        portfolio(follower(stop_loss=0.05, take_profit=0.10)),
    )


@pytest.mark.parametrize(
    ("opened", "expected"),
    [("90", "-1@90:stop_loss"), ("120", "-1@120:take_profit")],
)
def test_a_gap_fills_at_the_open(machine: type, opened: str, expected: str) -> None:
    # the second bar reaches both prices: the open, which is first in time, decides
    play(
        machine,
        f"""
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        {opened} 121 89 100 . {expected}
        """,
        portfolio(follower(stop_loss=0.05, take_profit=0.10)),
    )


def test_a_price_that_is_just_reached_counts(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  95 100   .   +1@100,-1@95:stop_loss
        """,
        portfolio(follower(stop_loss=0.05)),
    )
    play(
        machine,
        """
        100 101  99 100   1   .
        100 125  96 100   .   +1@100,-1@125:take_profit
        """,
        portfolio(follower(take_profit=0.25)),
    )


def test_after_a_stop_the_strategy_must_change_its_mind_first(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  94 100   1   +1@100,-1@95:stop_loss
        100 101  99 100   1   .
        100 101  99 100   0   .
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        """,
        portfolio(follower(stop_loss=0.05)),
    )


def test_the_strategys_own_prices_win_over_the_ratios(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1/98/103   .
        100 101  97 100   .          +1@100,-1@98:stop_loss
        """,
        portfolio(follower(stop_loss=0.05, take_profit=0.10)),
    )


def test_own_prices_can_be_moved_while_the_position_is_open(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1/90/0   .
        100 101  99 100   1/99/0   +1@100
        100 101  98 100   .        -1@99:stop_loss
        """,
        portfolio(),
    )


def test_an_own_take_leaves_the_stop_of_the_instance_in_place(machine: type) -> None:
    # the take price is set while the position is open; the stop stays at 0.95 of the entry
    play(
        machine,
        """
        100 101  99 100   1         .
        100 101  99 100   1/0/150   +1@100
        100 101  94 100   .         -1@95:stop_loss
        """,
        portfolio(follower(stop_loss=0.05)),
    )


def test_a_close_order_and_a_stop_on_one_bar_close_once(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  99 100   0   +1@100
         90  91  80  85   .   -1@90
        """,
        portfolio(follower(stop_loss=0.05)),
    )


def test_slippage_works_against_every_order(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  99 100   0   +1@101
        100 101  99 100   .   -1@99
        """,
        portfolio(slippage=0.01),
    )


def test_prices_are_rounded_to_the_tick_against_the_order(machine: type) -> None:
    grid = (Instrument("X/USD", tick=0.5),)
    play(
        machine,
        """
        100 101   99 100     1   .
        100.1 101 99 100     0   +1@100.5
        100.4 101 99 100     .   -1@100
        """,
        portfolio(instruments=grid),
    )


def test_quantities_are_cut_to_the_lot(machine: type) -> None:
    grid = (Instrument("X/USD", lot=0.25),)
    play(
        machine,
        """
        100 101  99 100   0.9   .
        100 101  99 100   0.6   +0.75@100
        100 101  99 100   0     -0.25@100
        100 101  99 100   0.2   -0.5@100,denied:below_lot
        """,
        portfolio(instruments=grid),
    )


def test_an_order_below_the_least_value_is_denied(machine: type) -> None:
    grid = (Instrument("X/USD", notional_min=150.0),)
    play(
        machine,
        """
        100 101  99 100   1   denied:below_notional_min
        160 161 159 160   1   .
        160 161 159 160   0   .
        160 161 159 160   1   .
        160 161 159 160   .   +1@160
        """,
        portfolio(instruments=grid),
    )


def test_a_spot_symbol_is_not_sold_short(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   -1   denied:short_on_spot
        100 101  99 100    1   .
        100 101  99 100   -1   +1@100,denied:short_on_spot
        100 101  99 100    .   -1@100
        """,
        portfolio(),
    )


def test_what_cash_cannot_pay_is_refused_at_the_fill(machine: type) -> None:
    # 100 cash pays for one at 99 and 1 % fee, not for one at 100
    play(
        machine,
        """
         99 100  98  99   1   .
        100 101  99 100   0   refused:insufficient_funds
         99 100  98  99   1   .
         99 100  98  99   .   +1@99
        """,
        portfolio(cash=100.0, taker=0.01),
    )


def test_growing_and_shrinking_a_position(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   0.5    .
        100 101  99 100   1      +0.5@100
        110 111 109 110   0.25   +0.5@110
        120 121 119 120   0      -0.75@120
        120 121 119 120   .      -0.25@120
        """,
        portfolio(),
    )


def test_the_stop_of_a_grown_position_follows_its_average_price(machine: type) -> None:
    # 0.5 at 100 and 0.5 at 110: entry 105, stop 99.75
    play(
        machine,
        """
        100 101  99 100   0.5    .
        100 101  99 100   1      +0.5@100
        110 111 109 110   .      +0.5@110
        110 111  99 110   .      -1@99.75:stop_loss
        """,
        portfolio(follower(stop_loss=0.05)),
    )


def test_fill_on_close_fills_where_it_was_decided(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        102 103 101 103   0   +1@100
        104 105 103 104   .   -1@103
        """,
        portfolio(fill_on=FillOn.CLOSE),
    )


def test_equity_sizing_pays_for_its_own_fee(machine: type) -> None:
    # 1000 x 0.995 / (1.01 x 100) = 9.85149
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  99 100   .   +9.85149@100
        """,
        portfolio(
            follower(sizing=Sizing.EQUITY, ratio=1.0, reserve_ratio=0.005),
            cash=1000.0,
            taker=0.01,
        ),
    )
