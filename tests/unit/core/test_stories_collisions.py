"""Hand-worked markets: what comes first where one bar reaches several exits.

See docs/guide/exits.md. In test_stories_shorts.py they happen to shorts.
"""

from typing import Any

import pytest

from engine.core.portfolio import Instance
from engine.core.records import FillOn, Sizing
from engine.strategies.buy_and_hold import BuyAndHold
from tests.market import MINUTE, bar_events, follower, numbered, play, portfolio, run, target

ALL: dict[str, Any] = {
    "stop_loss": 0.05,
    "take_profit": 0.10,
    "ladder": ((0.04, 0.5),),
    "roi": ((0, 0.08), (2 * MINUTE, 0.02)),
    "trailing_distance": 0.06,
    "break_even_at": 0.03,
    "time_stop": 3 * MINUTE,
}

STORIES: dict[str, tuple[dict[str, Any], str]] = {
    "stop and take in the entry bar: the stop": (
        {"stop_loss": 0.05, "take_profit": 0.05},
        """
        100 101  99 100   1   .
        100 120  80 100   .   +1@100,-1@95:stop_loss
        """,
    ),
    "stop and rung: the stop closes all": (
        {"stop_loss": 0.05, "ladder": ((0.04, 0.5),)},
        """
        100 101  99 100   1   .
        100 105  94 100   .   +1@100,-1@95:stop_loss
        """,
    ),
    "stop and ROI: the stop": (
        {"stop_loss": 0.05, "roi": ((0, 0.04),)},
        """
        100 101  99 100   1   .
        100 105  94 100   .   +1@100,-1@95:stop_loss
        """,
    ),
    "trailing stop and take: the stop": (
        {"trailing_distance": 0.05, "take_profit": 0.15},
        """
        100 101  99 100   1   .
        100 110 100 109   .   +1@100
        109 116 104 110   .   -1@104.5:trailing             # 110 x 0.95
        """,
    ),
    "break-even stop and rung: the stop": (
        {"break_even_at": 0.02, "ladder": ((0.04, 0.5),)},
        """
        100 101  99 100   1   .
        100 103 101 102   .   +1@100
        102 105  99 100   .   -1@100:break_even
        """,
    ),
    "stop, trailing and break-even: the nearest": (
        {"stop_loss": 0.05, "trailing_distance": 0.06, "break_even_at": 0.03},
        """
        100 101  99 100   1   .
        100 104 100 103   .   +1@100                        # 95, 97.76, 100
        103 103  90  95   .   -1@100:break_even
        """,
    ),
    "stop loss and trailing at one price: the stop loss": (
        {"stop_loss": 0.05, "trailing_distance": 0.05},
        """
        100 100  99 100   1   .
        100 100  94 100   .   +1@100,-1@95:stop_loss
        """,
    ),
    "an open beyond the stop and the time of the time stop: the stop": (
        {"stop_loss": 0.05, "time_stop": MINUTE},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
         90  91  89  90   .   -1@90:stop_loss
        """,
    ),
    "an open beyond the take and the time of the time stop: the time": (
        {"take_profit": 0.05, "time_stop": MINUTE},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        110 111 109 110   .   -1@110:time_stop
        """,
    ),
    "the time stop comes before anything inside its bar": (
        {"stop_loss": 0.05, "take_profit": 0.05, "ladder": ((0.02, 0.5),), "time_stop": MINUTE},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        101 120  80 101   .   -1@101:time_stop
        """,
    ),
    "a time stop and an ROI row of one moment: the time": (
        {"roi": ((MINUTE, 0.0),), "time_stop": MINUTE},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        101 102 100 101   .   -1@101:time_stop
        """,
    ),
    "a rung at the open, then the stop inside": (
        {"stop_loss": 0.05, "ladder": ((0.04, 0.5),)},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        106 107  94 100   .   -0.5@106:take_profit,-0.5@95:stop_loss
        """,
    ),
    "a rung at the open, which moves the stop that follows": (
        {"trailing_distance": 0.05, "ladder": ((0.04, 0.5),)},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        110 111 104 105   .   -0.5@110:take_profit,-0.5@104.5:trailing   # 110 x 0.95
        """,
    ),
    "a rung at the open, which moves break-even": (
        {"break_even_at": 0.03, "ladder": ((0.04, 0.5),)},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        105 106  99 100   .   -0.5@105:take_profit,-0.5@100:break_even
        """,
    ),
    "rung, ROI and take inside one bar: the nearest first": (
        {"ladder": ((0.02, 0.5),), "roi": ((0, 0.06),), "take_profit": 0.08},
        """
        100 101  99 100   1   .
        100 110  99 100   .   +1@100,-0.5@102:take_profit,-0.5@106:roi
        """,
    ),
    "rungs around the take": (
        {"ladder": ((0.02, 0.25), (0.08, 0.25)), "take_profit": 0.05},
        """
        100 101  99 100   1   .
        100 110  99 100   .   +1@100,-0.25@102:take_profit,-0.75@105:take_profit
        """,
    ),
    "a signal fills at the open, before stop and time": (
        {"stop_loss": 0.05, "time_stop": MINUTE},
        """
        100 101  99 100   1   .
        100 101  99 100   0   +1@100
         90  91  89  90   .   -1@90
        """,
    ),
    "a signal fills at the open, before take, rung and ROI": (
        {"take_profit": 0.05, "ladder": ((0.02, 0.5),), "roi": ((0, 0.03),)},
        """
        100 101  99 100   1   .
        100 101  99 100   0   +1@100
        110 111 109 110   .   -1@110
        """,
    ),
    "a signal that reduces fills, then the stop takes the rest": (
        {"stop_loss": 0.05},
        """
        100 101  99 100   1     .
        100 101  99 100   0.5   +1@100
        100 101  94 100   .     -0.5@100,-0.5@95:stop_loss
        """,
    ),
    "a signal that reduces fills, then a rung takes its share of what was entered": (
        {"ladder": ((0.04, 0.25),)},
        """
        100 101  99 100   1     .
        100 101  99 100   0.5   +1@100
        100 105  99 100   .     -0.5@100,-0.25@104:take_profit
        """,
    ),
    "a signal of the bar whose stop is reached comes after it": (
        {"stop_loss": 0.05},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        100 101  94 100   0   -1@95:stop_loss
        100 101  99 100   .   .
        """,
    ),
    "a signal to grow fills at the open, and the new average counts at once": (
        {"stop_loss": 0.05},
        """
        100 101  99 100   0.5   .
        100 111 100 110   1     +0.5@100
        110 110 99  100   .     +0.5@110,-1@99.75:stop_loss  # 105 x 0.95
        """,
    ),
    "all of them, a calm bar": (
        ALL,
        """
        100 101  99 100   1   .
        100 102  99 101   .   +1@100
        101 102 100 101   .   .
        101 101.5 100 101 .   .
        101 102 100 101   .   -1@101:time_stop
        """,
    ),
    "all of them, a wild bar": (
        ALL,
        """
        100 101  99 100   1   .
        100 150  50 100   .   +1@100,-1@95:stop_loss
        """,
    ),
    "all of them, up": (
        ALL,
        """
        100 101  99 100   1   .
        100 105  99 104   .   +1@100,-0.5@104:take_profit
        104 109 103 108   .   -0.5@108:roi                  # 99 and 105 x 0.94 = 98.7: 100 holds
        """,
    ),
    "all of them, up and down": (
        ALL,
        """
        100 101  99 100   1   .
        100 107 100 106   .   +1@100,-0.5@104:take_profit
        106 107  98 100   .   -0.5@100.58:trailing          # 107 x 0.94, above 100
        """,
    ),
}


@pytest.mark.parametrize("title", STORIES)
def test_story(machine: type, title: str) -> None:
    exits, text = STORIES[title]
    play(machine, text, portfolio(follower(**exits)))


def test_a_fill_on_close_is_protected_from_the_next_bar_on(machine: type) -> None:
    play(
        machine,
        """
        100 120  80 100   1   .
        100 101  94 100   .   +1@100,-1@95:stop_loss
        """,
        portfolio(follower(stop_loss=0.05), fill_on=FillOn.CLOSE),
    )


LIMITED: dict[str, tuple[dict[str, Any], str]] = {
    "open and best price may lie before a limit order that fills inside the bar": (
        {"take_profit": 0.005, "trailing_distance": 0.02},
        """
        100 101  99.5 100   1   .
        100 110  98   100   .   +1@99                       # not 99.495; 97.02 trails, not 107.8
        100 101  99   100   .   -1@100:take_profit
        """,
    ),
    "the worst price lies behind it": (
        {"stop_loss": 0.01, "take_profit": 0.005},
        """
        100 101  99.5 100   1   .
        100 110  98   100   .   +1@99,-1@98.01:stop_loss     # 99 x 0.99
        """,
    ),
}


@pytest.mark.parametrize("title", LIMITED)
def test_with_a_limit_order(machine: type, title: str) -> None:
    exits, text = LIMITED[title]
    play(machine, text, portfolio(follower(**exits), by_limit=True, offset=0.01))


def test_a_rung_and_a_stop_share_the_volume_of_their_bar(machine: type) -> None:
    # half of a volume of 1.2 is 0.6: the rung at the open takes 0.5, the stop finds 0.1 and tries
    # the rest again with the next bar
    rows = [[100, 101, 99, 100, 9.0], [100, 101, 99, 100, 9.0], [106, 107, 94, 95, 1.2]]
    bars = bar_events([*rows, [95, 95, 94, 94, 9.0]])
    plan = portfolio(follower(stop_loss=0.05, ladder=((0.04, 0.5),)), share_max=0.5)
    fills = run(machine, plan, numbered(bars, target(MINUTE, 1.0))).logs["fills"]
    assert fills["quantity"].tolist() == pytest.approx([1.0, -0.5, -0.1, -0.4])
    assert fills["price"].tolist() == [100.0, 106.0, 95.0, 95.0]


def test_shorter_bars_decide_inside_the_bar_of_a_strategy(machine: type) -> None:
    # long at 100 after the first 3 minutes; the next 3 reach 110 first, then 90: the take, which
    # one bar of 3 minutes, 100 110 90 95, would not have told from the stop
    instance = Instance(
        "it",
        BuyAndHold(),
        ("X/USD",),
        3 * MINUTE,
        Sizing.FIXED,
        1.0,
        stop_loss=0.05,
        take_profit=0.05,
    )
    minutes = [[100, 101, 99, 100]] * 4 + [[100, 110, 100, 109], [109, 109, 90, 95]]
    whole = [[100, 101, 99, 100], [100, 110, 90, 95]]
    for bars, price in ((bar_events(minutes), 105.0), (bar_events(whole, 3 * MINUTE), 95.0)):
        fills = run(machine, portfolio(instance), bars).logs["fills"]
        assert fills["price"].tolist() == [100.0, price]
