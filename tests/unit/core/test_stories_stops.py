"""Hand-worked markets: trailing, break-even and time stops. See docs/guide/exits.md."""

from typing import Any

import pytest

from tests.market import MINUTE, bar_events, follower, numbered, play, portfolio, run, target, ticks

TRAIL: dict[str, Any] = {"trailing_distance": 0.05}
LATER: dict[str, Any] = {"trailing_distance": 0.02, "trailing_activation": 0.05}
EVEN: dict[str, Any] = {"break_even_at": 0.05}

STORIES: dict[str, tuple[dict[str, Any], str]] = {
    "a trailing stop stands below the entry from the first moment on": (
        TRAIL,
        """
        100 101  99 100   1   .
        100 100  94 100   .   +1@100,-1@95:trailing         # 100 x 0.95
        """,
    ),
    "it follows the best price of earlier bars": (
        TRAIL,
        """
        100 101  99 100   1   .
        100 110  99 109   .   +1@100
        109 109 104 105   .   -1@104.5:trailing             # 110 x 0.95
        """,
    ),
    "the best price of a bar does not move the stop that its worst one meets": (
        TRAIL,
        """
        100 101  99 100   1   .
        100 110  96 108   .   +1@100                        # 95 holds, not 104.5
        108 108 105 107   0   .
        107 108 106 107   .   -1@107
        """,
    ),
    "what it moved holds from the next open on": (
        TRAIL,
        """
        100 101  99 100   1   .
        100 110  96 101   .   +1@100
        101 120 100 110   .   -1@101:trailing               # 104.5 is above this open
        """,
    ),
    "the open comes first, and moves it": (
        TRAIL,
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        110 110 104 105   .   -1@104.5:trailing             # 110 x 0.95
        """,
    ),
    "a gap below it fills at the open": (
        TRAIL,
        """
        100 101  99 100   1   .
        100 120  99 119   .   +1@100
         90  95  80  90   .   -1@90:trailing                # 120 x 0.95 = 114
        """,
    ),
    "it never loosens": (
        TRAIL,
        """
        100 101  99 100   1   .
        100 120  99 119   .   +1@100                        # 114
        119 119 115 116   .   .
        116 117 115 116   .   .
        116 117 113 116   .   -1@114:trailing
        """,
    ),
    "nor when the position grows": (
        TRAIL,
        """
        100 101  99 100   0.5   .
        100 120  99 118   1     +0.5@100                    # 114
        118 118 117 117   .     +0.5@118                    # entry 109
        117 117 113 114   .     -1@114:trailing
        """,
    ),
    "nor when a rung is left": (
        TRAIL | {"ladder": ((0.10, 0.5),)},
        """
        100 101  99 100   1   .
        100 120 100 119   .   +1@100,-0.5@110:take_profit
        119 119 110 111   .   -0.5@114:trailing             # 120 x 0.95
        """,
    ),
    "it begins at its activation": (
        LATER,
        """
        100 101  99 100   1   .
        100 104  90 100   .   +1@100                        # 105 was not reached: no stop
        100 106 100 105   .   .                             # it was: 106 x 0.98 = 103.88
        105 105 103 104   .   -1@103.88:trailing
        """,
    ),
    "an activation that is just reached counts": (
        LATER,
        """
        100 101  99 100   1   .
        100 105  99 105   .   +1@100
        105 105 102 104   .   -1@102.9:trailing             # 105 x 0.98
        """,
    ),
    "an open can activate it": (
        LATER,
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        110 111 107 108   .   -1@107.8:trailing             # 110 x 0.98
        """,
    ),
    "stop loss until trailing is tighter": (
        TRAIL | {"stop_loss": 0.02},
        """
        100 101  99 100   1   .
        100 101  97 100   .   +1@100,-1@98:stop_loss        # 95 would trail
        """,
    ),
    "trailing once it is tighter than the stop loss": (
        TRAIL | {"stop_loss": 0.02},
        """
        100 101  99 100   1   .
        100 110  99 109   .   +1@100
        109 109 104 105   .   -1@104.5:trailing
        """,
    ),
    "the strategy's own stop where it is tighter": (
        TRAIL,
        """
        100 101  99 100   1        .
        100 110  99 109   1/106/0  +1@100
        109 109 104 105   .        -1@106:stop_loss         # 104.5 trails
        """,
    ),
    "the strategy's own stop does not loosen it": (
        TRAIL,
        """
        100 101  99 100   1/98/0   .
        100 110  99 109   1/90/0   +1@100
        109 109 104 105   .        -1@104.5:trailing
        """,
    ),
    "a profit moves the stop to the entry": (
        EVEN,
        """
        100 101  99 100   1   .
        100 106  99 105   .   +1@100
        105 105  99 100   .   -1@100:break_even
        """,
    ),
    "or beyond it": (
        EVEN | {"break_even_offset": 0.01},
        """
        100 101  99 100   1   .
        100 106  99 105   .   +1@100
        105 105  99 100   .   -1@101:break_even
        """,
    ),
    "or a little below": (
        EVEN | {"break_even_offset": -0.02},
        """
        100 101  99 100   1   .
        100 106  99 105   .   +1@100
        105 105  99 100   .   .
        100 100  97  99   .   -1@98:break_even
        """,
    ),
    "not in the bar whose best price moves it": (
        EVEN,
        """
        100 101  99 100   1   .
        100 106  98 103   .   +1@100
        103 104 101 103   0   .
        103 104 101 103   .   -1@103
        """,
    ),
    "a close on the other side of it leaves at the next open": (
        EVEN,
        """
        100 101  99 100   1   .
        100 106  98  98   .   +1@100
         98 120  98 110   .   -1@98:break_even
        """,
    ),
    "an open that moves it comes first": (
        EVEN,
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        106 107  99 100   .   -1@100:break_even
        """,
    ),
    "a profit that is not reached moves nothing": (
        EVEN,
        """
        100 101  99 100   1   .
        100 104  99 104   .   +1@100
        104 104  90  95   .   .
        """,
    ),
    "break-even until trailing is tighter": (
        EVEN | {"trailing_distance": 0.10},
        """
        100 101  99 100   1   .
        100 106 100 105   .   +1@100                        # 106 x 0.90 = 95.4
        105 105  95 100   .   -1@100:break_even
        """,
    ),
    "trailing once it is tighter than break-even": (
        EVEN | {"trailing_distance": 0.10},
        """
        100 101  99 100   1   .
        100 120 100 119   .   +1@100
        119 119 107 108   .   -1@108:trailing               # 120 x 0.90
        """,
    ),
    "break-even is tighter than the stop loss that it replaces": (
        EVEN | {"stop_loss": 0.05},
        """
        100 101  99 100   1   .
        100 106  96 105   .   +1@100
        105 105  94 100   .   -1@100:break_even
        """,
    ),
    "break-even of a grown position waits for the profit on its average": (
        EVEN,
        """
        100 101  99 100   0.5   .
        100 106 101 106   1     +0.5@100                    # 100
        110 110 106 108   .     +0.5@110                    # 105, which is 5 % below 110.25
        108 111 106 110   .     .
        110 110 104 106   .     -1@105:break_even
        """,
    ),
    "break-even of a grown position stays where it is until that profit": (
        EVEN,
        """
        100 101  99 100   0.5   .
        100 110 101 102   1     +0.5@100                    # 100
        102 103 101.5 102 .     +0.5@102                    # 101: 110 is no profit of what is new
        102 102  99 100   .     -1@100:break_even
        """,
    ),
    "and not down": (
        EVEN | {"break_even_offset": -0.10},
        """
        100 101  99 100   0.5   .
        100 106  99 100   1     +0.5@100                    # 90
         92  93  91  92   .     +0.5@92                     # entry 96, x 0.90 = 86.4
         92  92  89  90   .     -1@90:break_even
        """,
    ),
    "a time stop leaves at the first open of its age": (
        {"time_stop": 2 * MINUTE},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        101 150  50 101   .   .
        102 103 101 102   .   -1@102:time_stop
        """,
    ),
    "or at the next one": (
        {"time_stop": 90_000},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        101 102 100 101   .   .                             # it opens after 1 minute of 1.5
        102 103 101 102   .   -1@102:time_stop
        """,
    ),
    "its age counts from the first fill": (
        {"time_stop": 2 * MINUTE},
        """
        100 101  99 100   0.5   .
        100 101  99 100   1     +0.5@100
        100 101  99 100   .     +0.5@100
        100 101  99 100   .     -1@100:time_stop
        """,
    ),
    "a position that the time has closed is not opened again by the same wish": (
        {"time_stop": MINUTE},
        """
        100 101  99 100   1   .
        100 101  99 100   1   +1@100
        100 101  99 100   1   -1@100:time_stop
        100 101  99 100   0   .
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        """,
    ),
    "a signal that is ignored": (
        {"ignores_opposite": True, "stop_loss": 0.05},
        """
        100 101  99 100   1   .
        100 101  99 100   0   +1@100,denied:opposite_signal
        100 101  94 100   1   -1@95:stop_loss
        100 101  99 100   .   +1@100
        """,
    ),
    "a smaller target is not against the position": (
        {"ignores_opposite": True},
        """
        100 101  99 100   1     .
        100 101  99 100   0.5   +1@100
        100 101  99 100   .     -0.5@100
        """,
    ),
    "a person's word is not ignored": (
        {"ignores_opposite": True},
        """
        100 101  99 100   1       .
        100 101  99 100   close   +1@100
        100 101  99 100   .       -1@100:command
        """,
    ),
}


@pytest.mark.parametrize("title", STORIES)
def test_story(machine: type, title: str) -> None:
    exits, text = STORIES[title]
    play(machine, text, portfolio(follower(**exits)))


def test_in_a_pessimists_market_a_stop_fills_at_the_worst_price(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  90 100   .   +1@100,-1@90:stop_loss         # not 95
        100 101  99 100   0   .
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
         94  96  80  90   .   -1@94:stop_loss                # a gap is at the open, as ever
        """,
        portfolio(follower(stop_loss=0.05), stop_through=True),
    )
    play(
        machine,
        """
        100 101  99 100   1   .
        100 110  99 109   .   +1@100
        109 109  97 105   .   -1@97:trailing                 # not 104.5
        """,
        portfolio(follower(**TRAIL), stop_through=True),
    )


def test_a_stop_trails_from_the_price_that_was_paid(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  95 100   .   +1@101,-1@94.9905:trailing     # 101 x 0.95 = 95.95, x 0.99
        """,
        portfolio(follower(**TRAIL), slippage=0.01),
    )


def test_ticks_trail_one_after_the_other(machine: type) -> None:
    # entry 100; best 110, stop 104.5; the print at 104 is behind it, and fills
    prints = ticks((1_000, 100.0), (3_000, 100.0), (4_000, 110.0), (5_000, 105.0), (6_000, 104.0))
    done = run(machine, portfolio(follower(**TRAIL)), numbered(prints, target(2_000, 1.0)))
    assert done.logs["fills"]["price"].tolist() == [100.0, 104.0]
    assert done.logs["fills"]["ts"].tolist() == [3_000, 6_000]


def test_time_passes_where_bars_are_missing(machine: type) -> None:
    bars = bar_events([[100.0] * 4] * 5)
    kept = numbered(bars[[0, 1, 4]], target(MINUTE, 1.0))
    done = run(machine, portfolio(follower(time_stop=2 * MINUTE)), kept)
    assert done.logs["fills"]["ts"].tolist() == [MINUTE, 4 * MINUTE]
