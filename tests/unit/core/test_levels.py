"""Orders that rest at the levels of a strategy: each story worked out by hand.

Columns are those of `tests.unit.core.asking.ask`; an exposure of 1 is 1 unit.
"""

import pytest

from engine.core.block import table_of
from engine.core.portfolio import Instrument
from tests.unit.core.asking import ask, asking, seen, state_of

PERPETUAL = (Instrument("X/USD", leverage=5.0, maintenance=0.005),)


# ── entering and leaving ──────────────────────────────────────────────────────────────────────


def test_orders_rest_at_several_prices(machine: type) -> None:
    done = ask(
        machine,
        """
        100 101  99.5 100  0+.5@99,1+.5@98  .
        100 101  98.5 100  .                +0.5@99
        100 101  97   100  0>.5@101         +0.5@98
        100 102  99   101  .                -0.5@101
        100 102  90   101  .                .
        """,
        asking(),
    )
    assert seen(done, 0) == [
        ("none", 0.0, 0.0),
        ("filled", 0.5, 0.5),
        ("filled", 0.5, 1.0),
        ("filled", -0.5, 0.5),
        ("filled", -0.5, 0.5),
    ]


def test_both_sides_fill_inside_one_bar(machine: type) -> None:
    # what it leaves was held before, what it enters comes at the other end of the bar
    ask(
        machine,
        """
        100 101  99.5 100  0+1@100         .
        100 101  99.5 100  0+1@99,1>1@101  +1@100
        100 102  98   100  .               +1@99,-1@101
        """,
        asking(),
    )


def test_one_that_is_asked_for_in_vain_rests_until_it_is_withdrawn(machine: type) -> None:
    done = ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  99.5 100  0x      canceled:signal
        100 101  90   100  .       .
        """,
        asking(),
    )
    assert [status for status, *_ in seen(done)] == ["none", "placed", "canceled"]


def test_another_price_takes_back_what_rested(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  99.5 100  0+1@95  canceled:signal
        100 101  96   100  .       .
        100 101  94   100  .       +1@95
        """,
        asking(),
    )


def test_writing_the_same_again_changes_nothing(machine: type) -> None:
    done = ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  99.5 100  0+1@99  .
        100 101  98   100  .       +1@99
        """,
        asking(),
    )
    assert len(done.logs["signals"]) == 1


def test_what_has_been_filled_can_be_asked_for_again(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@99  .
        100 101  98   100  0+.5@99  +0.5@99
        100 101  98   100  .        +0.5@99
        """,
        asking(),
    )


def test_a_price_behind_the_market_is_filled_at_the_next_open_and_takes(machine: type) -> None:
    story = """
        100 101  99.5 100  0+1@105  .
        101 102 100.5 101  .        {}
        """
    costs = {"maker": 0.001, "taker": 0.002}
    done = ask(machine, story.format("+1@101"), asking(**costs))
    assert done.logs["fills"]["fee"].tolist() == pytest.approx([101 * 0.002])
    ask(machine, story.format("canceled:post_only"), asking(post_only=True))


def test_one_that_rests_pays_the_maker_and_no_slippage(machine: type) -> None:
    done = ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  99.5 100  .       .
         98  99  97    98  .       +1@99
        """,
        asking(maker=0.001, taker=0.002, slippage=0.01),
    )
    assert done.logs["fills"]["fee"].tolist() == pytest.approx([99 * 0.001])


def test_a_stop_enters_once_the_price_has_come_through_it(machine: type) -> None:
    # it takes: 102 x 1.01; the second is gapped over, 106 x 1.01
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@102!,1+.5@104!  .
        100 101  99   100  .                    .
        100 103  99   102  .                    +0.5@103.02
        106 107 105   106  .                    +0.5@107.06
        """,
        asking(slippage=0.01),
    )


def test_a_level_that_was_a_stop_is_none_once_it_is_free(machine: type) -> None:
    done = ask(
        machine,
        """
        100 101  99.5 100  0+.5@102!,1+.5@103!  .
        100 102  99   102  .                    +0.5@102
        """,
        asking(),
    )
    assert state_of(done)["levels"]["is_stop"].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_levels_lie_on_the_tick_grid_away_from_the_price(machine: type) -> None:
    # 99.3 down to 99, the stop 102.3 up to 102.5
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@99.3,1+.5@102.3!  .
        100 101  99.5 100  .                      .
        100 102.4 99  102  .                      +0.5@99
        100 102.5 99.5 102 .                      +0.5@102.5
        """,
        asking(instruments=(Instrument("X/USD", tick=0.5),)),
    )


def test_it_waits_for_the_latency(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  98   100  .       .
        100 101  98   100  .       +1@99
        """,
        asking(latency=30_000),
    )


def test_where_the_price_only_touches_it_gets_its_share(machine: type) -> None:
    # a tenth of the volume of 4 is 0.4; where the price goes through, all of the rest
    done = ask(
        machine,
        """
        100 101  99.5 100  0+1@99  .
        100 101  99   100  .       +0.4@99
        100 101  98   100  .       +0.6@99
        """,
        asking(queue_share=0.1),
        volume=4.0,
    )
    assert [status for status, *_ in seen(done)] == ["none", "partial", "filled"]


def test_what_the_volume_leaves_rests_on(machine: type) -> None:
    # a tenth of 4 an event, for both levels together: the nearer one first
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@99,1+.5@98  .
        100 101  97   100  .                +0.4@99
        100 101  97   100  .                +0.1@99,+0.3@98
        100 101  98.5 100  .                .
        """,
        asking(share_max=0.1),
        volume=4.0,
    )


# ── what ends a position ──────────────────────────────────────────────────────────────────────


def test_the_stop_comes_before_what_leaves_with_profit(machine: type) -> None:
    # stop 10 % below 100; both reached: the worse is taken first, and nothing is left to leave
    done = ask(
        machine,
        """
        100 101  99.5 100  0+1@100   .
        100 101  99.5 100  0>1@105   +1@100
        100 106  89   100  .         -1@90:stop_loss,canceled:stop_loss
        """,
        asking(stop_loss=0.1),
    )
    assert seen(done)[-1] == ("canceled", 0.0, 0.0)


def test_an_entry_on_the_way_down_is_stopped_in_the_same_bar(machine: type) -> None:
    # entered at 100 and 95: the average is 97.5, the stop 10 % below it is 87.75
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100,1+.5@95  .
        100 101  99.5 100  .                 +0.5@100
        100 101  87   100  .                 +0.5@95,-1@87.75:stop_loss
        """,
        asking(stop_loss=0.1),
    )


def test_levels_and_targets_leave_in_the_order_of_their_prices(machine: type) -> None:
    # half at 102, what is left at the take of 103; the level at 104 finds nothing
    ask(
        machine,
        """
        100 101  99.5 100  0+1@100           .
        100 101  99.5 100  0>.5@102,1>.5@104 +1@100
        100 105  99   100  .                 -0.5@102,-0.5@103:take_profit,canceled:take_profit
        """,
        asking(take_profit=0.03),
    )


def test_an_exit_takes_back_what_would_enter(machine: type) -> None:
    done = ask(
        machine,
        """
        100 101  99.5 100  0+.5@100,1+.5@90  .
        100 101  99.5 100  .                 +0.5@100
        100 104  99   100  .                 -0.5@103:take_profit,canceled:take_profit
        100 101  80   100  .                 .
        """,
        asking(take_profit=0.03),
    )
    assert [status for status, *_ in seen(done, 1)] == ["none", "placed", "canceled", "canceled"]


def test_a_level_that_ends_a_position_leaves_the_others_be(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100,1+.5@90  .
        100 101  99.5 100  0>.5@103          +0.5@100
        100 104  99   100  .                 -0.5@103
        100 101  80   100  .                 +0.5@90
        """,
        asking(),
    )


def test_leaving_takes_what_is_there_and_no_more(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+1@100         .
        100 101  99.5 100  0>7@102,1>1@103 +1@100
        100 104  99   100  .               -1@102,canceled:signal
        """,
        asking(),
    )


def test_parts_leave_nothing_behind(machine: type) -> None:
    # 0.1 + 0.2 - 0.2 is not 0.1: the rest of a rounding belongs to the last part
    done = ask(
        machine,
        """
        100 101  99.5 100  0+.1@100,1+.2@100 .
        100 101  99.5 100  .                 +0.1@100,+0.2@100
        100 101  99.5 100  0>.2@102,1>.1@102 .
        100 103  99   100  .                 -0.2@102,-0.1@102
        """,
        asking(),
    )
    assert table_of(done.machine.block, "books")["position"][0] == 0.0
    assert len(done.logs["trades"]) == 1


def test_a_closing_wish_takes_back_what_leaves(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  =1         .
        100 101  99.5 100  0>1@105    +1@100
        100 101  99.5 100  =0         .
        101 101  99.5 100  .          -1@101,canceled:signal
        """,
        asking(),
    )


# ── shorts ────────────────────────────────────────────────────────────────────────────────────


def test_a_perpetual_enters_short_and_leaves_below(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0-.5@101,1-.5@102  .
        100 103  99.5 100  0>.5@99,1>.5@98    -0.5@101,-0.5@102
        100 101  98.5 100  .                  +0.5@99
        100 101  97   100  .                  +0.5@98
        """,
        asking(instruments=PERPETUAL),
    )


def test_an_entry_against_the_position_leaves_it_and_never_turns_it(machine: type) -> None:
    # both were asked for while flat; the short of 1 finds a long of 0.5
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@99,1-1@102  .
        100 101  98   100  .                +0.5@99
        100 103  99   102  .                -0.5@102
        100 103  99   102  .                .
        """,
        asking(instruments=PERPETUAL),
    )


def test_what_is_left_of_a_side_opens_once_the_other_is_closed(machine: type) -> None:
    # the long of 0.5 leaves at 102, the short beyond it at 103 opens, and is stopped at 5 % above
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100                .
        100 101  99.5 100  1-.5@102,2-.5@103       +0.5@100
        100 104  99   103  .                       -0.5@102,-0.5@103
        103 109 102   103  .                       +0.5@108.15:stop_loss
        """,
        asking(instruments=PERPETUAL, stop_loss=0.05),
    )


def test_a_stop_entry_that_the_pessimist_sees_fills_at_the_worst_price(machine: type) -> None:
    # a gap is at the open, as ever
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@101!,1+.5@110!  .
        100 105  99.5 104  .                    +0.5@105
        112 115 111   114  .                    +0.5@112
        """,
        asking(stop_through=True),
    )
    ask(
        machine,
        """
        100 101  99.5 100  0-.5@99!  .
        100 105  97   104  .         -0.5@97
        """,
        asking(stop_through=True, instruments=PERPETUAL),
    )
