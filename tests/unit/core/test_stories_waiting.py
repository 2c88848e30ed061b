"""Hand-worked markets: orders that still wait while their position grows, ends or turns.

Columns are those of `tests.market.play`; where levels are asked for, of `tests.unit.core.asking`.
"""

from typing import Any

import numpy as np
import pytest

from engine.core.block import table_of
from engine.core.portfolio import Instrument
from engine.core.records import FillOn
from tests.market import (
    MINUTE,
    bar_events,
    follower,
    happened,
    numbered,
    play,
    portfolio,
    run,
    target,
)
from tests.unit.core.asking import ask, asking

PERPETUAL = (Instrument("X/USD", leverage=5.0, maintenance=0.005),)
ISOLATED = (Instrument("X/USD", leverage=10.0, isolated=True, maintenance=0.005),)
TENTHS = (Instrument("X/USD", tick=0.1, lot=0.1),)

Given = dict[str, Any]

# title → of the instance, of the portfolio, volume of each bar, the story
STORIES: dict[str, tuple[Given, Given, float, str]] = {
    "an exit takes back what is left of the entry": (
        {"quantity": 10.0, "take_profit": 0.02},
        {"by_limit": True, "offset": 0.01, "queue_share": 0.1},
        40.0,
        """
        100 100 100 100   1   .
        100 100  99 100   .   +4@99                               # a tenth of 40 at a touch
        100 102 100 102   .   -4@100.98:take_profit,canceled:take_profit
        102 102  98  98   .   .                                   # 6 would have been bought here
        """,
    ),
    "an exit takes back what would have added to the position": (
        {"quantity": 2.0, "stop_loss": 0.02},
        {"latency": 90_000},
        0.0,
        """
        100 100 100 100  0.5  .
        100 100 100 100   .   .
        100 100 100 100   .   .
        100 100 100 100   1   +1@100
        100 100  97  97   .   -1@98:stop_loss,canceled:stop_loss
         97  97  97  97   .   .
         97  97  97  97   .   .
        """,
    ),
    "a rung takes back what is left of the entry": (
        {"quantity": 10.0, "ladder": ((0.02, 0.5),)},
        {"by_limit": True, "offset": 0.01, "queue_share": 0.1},
        40.0,
        """
        100 100 100 100   1   .
        100 100  99 100   .   +4@99
        100 102 100 102   .   -2@100.98:take_profit,canceled:take_profit
        102 102  98  98   .   .
        """,
    ),
    "an open beyond the stop adds nothing": (
        {"quantity": 10.0, "stop_loss": 0.02},
        {"share_max": 0.1},
        40.0,
        """
        100 100 100 100   1   .
        100 100 100 100   .   +4@100
         97  97  97  97   .   -4@97:stop_loss,canceled:stop_loss  # and not first 4 at 97
         97  97  97  97   .   .
        """,
    ),
    "a limit order behind the stop is not reached": (
        {"quantity": 2.0, "stop_loss": 0.01},
        {"by_limit": True, "offset": 0.02},
        0.0,
        """
        100 100 100 100  0.5  .
        100 100  98  98   1   +1@98                               # 97.02 is its stop, 96.04 a limit
         98  98  96  96   .   -1@97.02:stop_loss,canceled:stop_loss
         96  96  96  96   .   .
        """,
    ),
    "another wish takes back what waits for volume": (
        {"quantity": 10.0},
        {"share_max": 0.1},
        40.0,
        """
        100 100 100 100   1   .
        100 100 100 100   0   +4@100,canceled:signal
        100 100 100 100   .   -4@100
        100 100 100 100   .   .
        """,
    ),
    "at the close that decided, an exit waits for its turn": (
        {"quantity": 10.0},
        {"share_max": 0.1, "fill_on": FillOn.CLOSE, "instruments": PERPETUAL},
        40.0,
        """
        100 100 100 100  -1   .
        100 100 100 100   1   -4@100,-4@100,canceled:signal
        100 100 100 100   .   +4@100
        100 100 100 100   .   +4@100
        100 100 100 100   .   +4@100                              # not -8 + 10
        """,
    ),
    "at the close that decided, nothing overtakes a rejected exit": (
        {"quantity": 10.0},
        {"share_max": 0.1, "fill_on": FillOn.CLOSE, "rejection": 0.5, "seed": 4},  # of order 2
        40.0,
        """
        100 100 100 100   1   .
        100 100 100 100   0   +4@100,+4@100,canceled:signal
        100 100 100 100   1   refused:rejected
        100 100 100 100   .   -4@100                              # and not +4 at the close before
        100 100 100 100   .   -4@100
        100 100 100 100   .   +4@100
        """,
    ),
    "what took goes on taking, and not at a price that nobody asks": (
        {"quantity": 10.0},
        {"by_limit": True, "offset": 0.01, "share_max": 0.1, "taker": 0.01},
        60.0,
        """
        100 100 100 100   1   .
         95  96  94  95   .   +6@95
         93  94  92  93   .   +4@93                               # its limit is 99
        """,
    ),
    "what took rests where the open is beyond its limit": (
        {"quantity": 10.0},
        {"by_limit": True, "offset": 0.01, "share_max": 0.1},
        60.0,
        """
        100 100 100 100   1   .
         95  96  94  95   .   +6@95
        100 101  98 100   .   +4@99
        """,
    ),
    "a stop beyond its limit order denies it": (
        {},
        {"by_limit": True, "offset": 0.01},
        0.0,
        """
        100 100 100 100  1/99.5  denied:stop_wrong_side           # 99 is reached behind the stop
        100 100  98  98   .   .
        """,
    ),
    "a touch without volume leaves the exits of its bar": (
        {"take_profit": 0.05},
        {"by_limit": True, "offset": 0.02, "queue_share": 0.0},
        0.0,
        """
        100 100 100 100  0.5  .
         98  98  98  98   .   +0.5@98
        100 100 100 100   1   .
        100 104  98 100   .   -0.5@102.9:take_profit,canceled:take_profit
        """,
    ),
    "a close that a gap carries beyond the margin is a liquidation": (
        {},
        {"instruments": ISOLATED},
        0.0,
        """
        100 100 100 100   1   .
        100 100  95  95   0   +1@100
         70  70  70  70   .   -1@90:liquidation,canceled:liquidation
        """,
    ),
    "what a gap would have added to is liquidated alone": (
        {},
        {"instruments": ISOLATED},
        0.0,
        """
        100 100 100 100  -0.5 .
        100 100 100 100  -1   -0.5@100
        130 130 130 130   .   +0.5@110:liquidation,canceled:liquidation
        """,
    ),
    "a pessimist's stop ends with the margin": (
        {"stop_loss": 0.05},
        {"instruments": ISOLATED, "stop_through": True},
        0.0,
        """
        100 100 100 100   1   .
        100 100 100 100   .   +1@100
        100 100  60  70   .   -1@90.4523:stop_loss                # (100 - 10) / 0.995
        """,
    ),
    "an ignored signal leaves the prices of the position": (
        {"ignores_opposite": True},
        {"instruments": PERPETUAL},
        0.0,
        """
        100 100 100 100  1/95/110  .
        100 100 100 100 -1/105/90  +1@100,denied:opposite_signal
        100 100 100 100   0   denied:opposite_signal
         96  97  94  96   .   -1@95:stop_loss
        """,
    ),
    "the volume of a bar is in base units, a quantity in contracts": (
        {"quantity": 300.0},
        {"instruments": (Instrument("X/USD", leverage=5.0, contract_size=0.01),), "share_max": 0.1},
        10.0,
        """
        100 100 100 100   1   .
        100 100 100 100   .   +100@100                            # a tenth of 10 / 0.01
        100 100 100 100   .   +100@100
        """,
    ),
    "a limit on the tick grid is the price that a bar has": (
        {},
        {"by_limit": True, "queue_share": 0.1, "instruments": TENTHS},
        4.0,
        """
        101.3 101.3 101.3 101.3 1 .
        102 103 101.3 103   .   +0.4@101.3                        # a touch: 1013 x 0.1 is more
        """,
    ),
}


@pytest.mark.parametrize("title", STORIES)
def test_story(machine: type, title: str) -> None:
    instance, given, volume, text = STORIES[title]
    play(machine, text, portfolio(follower(**instance), **given), volume)


def test_rounding_of_lots_leaves_nothing_behind(machine: type) -> None:
    # 0.9 in three lots is 0.9000000000000001, of which a volume of 0.9 would leave something
    volumes = [9.0, 1.0, 1.0, 7.0, 9.0, 9.0]
    rows = [[price] * 4 for price in (100.0, 100.0, 100.0, 100.0, 97.0, 97.0)]
    bars = bar_events(np.column_stack([rows, volumes]))
    plan = portfolio(follower(stop_loss=0.02), instruments=TENTHS, share_max=0.1)
    done = run(machine, plan, numbered(bars, target(MINUTE, 0.9)))
    assert happened(done, 6) == [".", "+0.1@100", "+0.1@100", "+0.7@100", "-0.9@97:stop_loss", "."]
    assert table_of(done.machine.block, "books")["position"][0] == 0.0


def test_rounding_of_lots_is_no_difference_to_order(machine: type) -> None:
    # what is held, 0.9000000000000001, is the 0.9 that is wanted again
    volumes = [9.0, 1.0, 1.0, 7.0, 9.0, 9.0, 9.0]
    bars = bar_events(np.column_stack([np.full((7, 4), 100.0), volumes]))
    plan = portfolio(follower(ignores_opposite=True), instruments=TENTHS, share_max=0.1)
    wishes = (target(i * MINUTE, wish) for i, wish in ((1, 0.9), (4, 0.0), (5, 0.9)))
    done = run(machine, plan, numbered(bars, *wishes))
    assert len(done.logs["fills"]) == 3
    assert done.logs["orders"]["id"].max() == 1


# ── growing ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "exits",
    [
        {"trailing_distance": 0.01, "trailing_activation": 0.02},
        {"break_even_at": 0.02},
        {"trailing_distance": 0.01, "trailing_activation": 0.02, "time_stop": 99 * MINUTE},
    ],
)
def test_what_was_best_before_is_no_profit_on_a_lower_average(machine: type, exits: Given) -> None:
    # 101 was no 2 % above 100, and is more than that above 97.5: but 95 was paid behind it
    ask(
        machine,
        """
        100   100   100 100  0+1@100  .
        100   101   100 101  1+1@95   +1@100
        100.5 100.5  94  94  .        +1@95
         94    94    94  94  .        .
         94   100    94  99  .        .
         98    98    94  94  .        {}
        """.format("-2@97.5:break_even" if "break_even_at" in exits else "-2@98:trailing"),
        asking(**exits),
    )


def test_the_average_of_a_short_likewise(machine: type) -> None:
    ask(
        machine,
        """
        100  100 100   100 0-1@100  .
        100  100  99    99 1-1@105  -1@100
        99.5 106  99.5 106 .        -1@105
        106  106 106   106 .        .
        """,
        asking(instruments=PERPETUAL, trailing_distance=0.01, trailing_activation=0.02),
    )


def test_a_stop_beyond_what_is_paid_inside_a_bar_ends_it_there(machine: type) -> None:
    # the stop was moved to 98 while 95 rested: what is bought at 95 is not sold at 98
    play(
        machine,
        """
        100 100 100 100  1/90   .
        100 100 100 100  1/98   .
        100 100  94  94   .     +1@95,-1@95:stop_loss
        """,
        portfolio(follower(), by_limit=True, offset=0.05),
    )


# ── turning ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("isolated", [False, True])
def test_no_fill_crosses_zero(machine: type, isolated: bool) -> None:
    # 2 are bought at 99 where 1 is short from 101: it gains 2, and the other begins at 99
    instrument = Instrument("X/USD", leverage=5.0, maintenance=0.005, isolated=isolated)
    done = ask(
        machine,
        """
        100 100 100   100  0-.5@101  .
        100 100 100   100  =1        .
        100 102 100   100  .         -1@101
         99  99  98.5  99  .         +1@99,+1@99
         99  99  99    99  =0        .
        103 103 103   103  .         -1@103
        """,
        asking(quantity=2.0, by_limit=True, offset=0.01, instruments=(instrument,)),
    )
    assert done.logs["trades"]["profit"].tolist() == [2.0, 4.0]
    assert done.equity[-1] == 10_006.0


# ── at levels ─────────────────────────────────────────────────────────────────────────────────


def test_what_takes_at_the_open_comes_before_what_is_reached_later(machine: type) -> None:
    # 112 is bought at 100, its stop is 99.5: 99 is behind it
    ask(
        machine,
        """
        110 110 110 110  0+1@99   .
        110 110 110 110  1+1@112  .
        100 100  98  98  .        +1@100,-1@99.5:stop_loss,canceled:stop_loss
        """,
        asking(stop_loss=0.005),
    )


def test_what_takes_at_a_level_goes_on_taking(machine: type) -> None:
    ask(
        machine,
        """
        110 110 110 110  0+1@112  .
        100 100  98  98  .        +0.4@100
         96  97  95  96  .        +0.4@96
        113 114 111 113  .        +0.2@112
        """,
        asking(share_max=0.1),
        4.0,
    )


@pytest.mark.parametrize("end", ["stop", "close"])
def test_an_exit_takes_back_what_was_asked_for_while_paused(machine: type, end: str) -> None:
    by_stop = end == "stop"
    ask(
        machine,
        """
        100 100 100 100  0+1@100  .
        100 100 100 100  pause    +1@100
        100 100 100 100  1+1@99   .
        100 100  {}  97  {}       {}
        100 100 100 100  resume   {}
        100 100 100 100  .        .
        100 100  98 100  .        .
        """.format(
            "90" if by_stop else "97",
            "." if by_stop else "close",
            "-1@95:stop_loss" if by_stop else ".",
            "." if by_stop else "-1@100:command",
        ),
        asking(stop_loss=0.05),
    )
