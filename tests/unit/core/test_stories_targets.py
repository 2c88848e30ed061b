"""Hand-worked markets: the ladder and the table by age. See docs/guide/exits.md."""

from typing import Any

import pytest

from engine.core.portfolio import Instrument
from tests.market import MINUTE, bar_events, follower, numbered, play, portfolio, run, target

HALF = ((0.05, 0.5),)
STAIRS = ((0.05, 0.5), (0.10, 0.25))
SOON = ((0, 0.04), (2 * MINUTE, 0.01))

STORIES: dict[str, tuple[dict[str, Any], str]] = {
    "a rung leaves its share": (
        {"ladder": HALF},
        """
        100 101  99 100   1   .
        100 106  99 105   .   +1@100,-0.5@105:take_profit   # 100 x 1.05
        105 120 104 118   0   .                             # there is no other rung
        118 119 117 118   .   -0.5@118
        """,
    ),
    "two rungs inside one bar, the nearest first": (
        {"ladder": STAIRS},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        100 111  99 100   0   -0.5@105:take_profit,-0.25@110:take_profit  # x 1.05, x 1.10
        100 101  99 100   .   -0.25@100                                   # 1 - 0.5 - 0.25
        """,
    ),
    "two rungs in two bars": (
        {"ladder": STAIRS},
        """
        100 101  99 100   1   .
        100 105  99 100   .   +1@100,-0.5@105:take_profit
        100 106  99 100   .   .                             # the first rung is gone
        100 110.1 99 100  .   -0.25@110:take_profit
        """,
    ),
    "a ladder that sums to one closes the position": (
        {"ladder": ((0.05, 0.5), (0.10, 0.5))},
        """
        100 101  99 100   1   .
        100 111  99 100   1   +1@100,-0.5@105:take_profit,-0.5@110:take_profit
        100 101  99 100   0   .                             # nothing is held
        100 101  99 100   .   .
        """,
    ),
    "a ladder of tenths closes it to the last digit": (
        {"ladder": tuple((0.01 * i, 0.1 if i < 8 else 0.3) for i in range(1, 9))},
        """
        100 101  99 100   1   .
        100 100  99 100   .   +1@100
        100 103  99 100   .   -0.1@101:take_profit,-0.1@102:take_profit,-0.1@103:take_profit
        109 109 108 109   0   -0.1@109:take_profit,-0.1@109:take_profit,-0.1@109:take_profit,"""
        """-0.1@109:take_profit,-0.3@109:take_profit
        109 109 108 109   1   .                             # 7 x 0.1 + 0.3 = 1: nothing is held
        109 109 108 109   .   +1@109
        """,
    ),
    "an open beyond two rungs fills both there": (
        {"ladder": STAIRS},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        112 113 111 112   .   -0.5@112:take_profit,-0.25@112:take_profit
        """,
    ),
    "an open beyond one rung, the other inside the bar": (
        {"ladder": STAIRS},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        106 111 105 110   .   -0.5@106:take_profit,-0.25@110:take_profit
        """,
    ),
    "a rung below the take price": (
        {"ladder": HALF, "take_profit": 0.10},
        """
        100 101  99 100   1   .
        100 111  99 100   .   +1@100,-0.5@105:take_profit,-0.5@110:take_profit
        """,
    ),
    "a rung above the take price is not reached": (
        {"ladder": ((0.20, 0.5),), "take_profit": 0.10},
        """
        100 101  99 100   1   .
        100 130  99 100   .   +1@100,-1@110:take_profit
        """,
    ),
    "a rung at the take price: the end comes first": (
        {"ladder": ((0.10, 0.5),), "take_profit": 0.10},
        """
        100 101  99 100   1   .
        100 111  99 100   .   +1@100,-1@110:take_profit
        """,
    ),
    "the strategy's own take replaces the ratio, not the ladder": (
        {"ladder": HALF, "take_profit": 0.10},
        """
        100 101  99 100   1/0/120   .
        100 115  99 100   .         +1@100,-0.5@105:take_profit
        100 121  99 100   .         -0.5@120:take_profit
        """,
    ),
    "rungs of a grown position follow its average price and size": (
        {"ladder": ((0.10, 0.5),)},
        """
        100 101  99 100   0.5   .
        100 101  99 100   1     +0.5@100
        110 111 109 110   .     +0.5@110                    # entry 105
        110 116 109 110   .     -0.5@115.5:take_profit      # 105 x 1.10, half of 1
        """,
    ),
    "what a rung left is not bought back until the strategy changes its mind": (
        {"ladder": HALF},
        """
        100 101  99 100   0.5    .
        100 106  99 100   0.5    +0.5@100,-0.25@105:take_profit
        100 101  99 100   1      .
        100 101  99 100   .      +0.75@100                  # 1 - 0.25
        """,
    ),
    "a new position has its whole ladder again": (
        {"ladder": HALF},
        """
        100 101  99 100   1   .
        100 106  99 100   0   +1@100,-0.5@105:take_profit
        100 101  99 100   1   -0.5@100
        100 106  99 100   .   +1@100,-0.5@105:take_profit
        """,
    ),
    "the profit that is enough at its age": (
        {"roi": SOON},
        """
        100 101  99 100   1   .
        100 103  99 100   .   +1@100                        # age 0: 104
        100 103  99 100   .   .                             # age 1
        100 103  99 100   .   -1@101:roi                    # age 2: 101
        """,
    ),
    "the first row holds in the entry bar": (
        {"roi": SOON},
        """
        100 101  99 100   1   .
        100 105  99 100   .   +1@100,-1@104:roi
        """,
    ),
    "a row that comes of age below the price leaves at the open": (
        {"roi": SOON},
        """
        100 101  99 100   1   .
        100 103  99 103   .   +1@100
        103 103 102 103   .   .
        103 103 100 101   .   -1@103:roi                    # 101 is enough, there is more
        """,
    ),
    "a row that comes of age inside a bar holds from the next open on": (
        {"roi": ((90_000, 0.01),)},
        """
        100 101  99 100   1   .
        100 103  99 100   .   +1@100
        100 103  99 100   .   .                             # age 1 to 2: not at its open
        100 103  99 100   .   -1@101:roi
        """,
    ),
    "no row before the first one's age": (
        {"roi": ((2 * MINUTE, 0.01),)},
        """
        100 101  99 100   1   .
        100 150  99 100   .   +1@100
        100 150  99 100   .   .
        100 150  99 100   .   -1@101:roi
        """,
    ),
    "a row of zero leaves without a loss": (
        {"roi": ((0, 0.04), (MINUTE, 0.0))},
        """
        100 101  99 100   1   .
        100 101  97  98   .   +1@100
         98 101  97  98   .   -1@100:roi
        """,
    ),
    "a row below zero leaves even with a loss": (
        {"roi": ((0, 0.04), (MINUTE, -0.05))},
        """
        100 101  99 100   1   .
        100 101  96  97   .   +1@100
         97  98  96  97   .   -1@97:roi                     # 95 is enough
        """,
    ),
    "take before a higher row": (
        {"roi": SOON, "take_profit": 0.02},
        """
        100 101  99 100   1   .
        100 105  99 100   .   +1@100,-1@102:take_profit
        """,
    ),
    "a lower row before the take": (
        {"roi": SOON, "take_profit": 0.05},
        """
        100 101  99 100   1   .
        100 106  99 100   .   +1@100,-1@104:roi
        """,
    ),
    "a row at the take price is called take": (
        {"roi": SOON, "take_profit": 0.04},
        """
        100 101  99 100   1   .
        100 105  99 100   .   +1@100,-1@104:take_profit
        """,
    ),
    "a rung below a row": (
        {"roi": SOON, "ladder": ((0.02, 0.5),)},
        """
        100 101  99 100   1   .
        100 105  99 100   .   +1@100,-0.5@102:take_profit,-0.5@104:roi
        """,
    ),
    "an open beyond a rung and a row that comes of age": (
        {"roi": SOON, "ladder": ((0.02, 0.5),)},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +1@100
        100 101  99 100   .   .
        103 104 102 103   .   -1@103:roi                    # 101, before the rung at 102
        """,
    ),
    "age counts from the first fill, not from the last": (
        {"roi": ((2 * MINUTE, 0.01),)},
        """
        100 101  99 100   0.5   .
        100 101  99 100   .     +0.5@100
        100 101  99 100   1     .
        100 102  99 100   .     +0.5@100,-1@101:roi
        """,
    ),
}


@pytest.mark.parametrize("title", STORIES)
def test_story(machine: type, title: str) -> None:
    exits, text = STORIES[title]
    play(machine, text, portfolio(follower(**exits)))


def test_a_rung_is_cut_to_the_lot(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 106  99 100   0   +1@100,-0.25@105:take_profit   # 0.3 is one lot of 0.25
        100 101  99 100   .   -0.75@100
        """,
        portfolio(follower(ladder=((0.05, 0.3),)), instruments=(Instrument("X/USD", lot=0.25),)),
    )


def test_a_rung_of_less_than_a_lot_is_left_out(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 106  99 100   .   +1@100                         # 0.5 is no lot of 1
        100 111  99 100   .   -1@110:take_profit             # what is left
        """,
        portfolio(
            follower(ladder=((0.05, 0.5), (0.10, 0.5))),
            instruments=(Instrument("X/USD", lot=1.0),),
        ),
    )


def test_partial_exits_are_one_round_trip(machine: type) -> None:
    bars = bar_events([[100, 101, 99, 100], [100, 111, 99, 100]])
    plan = portfolio(follower(ladder=((0.05, 0.5), (0.10, 0.5))), taker=0.01)
    done = run(machine, plan, numbered(bars, target(MINUTE, 1.0)))
    (trade,) = done.logs["trades"]
    assert (trade["quantity"], trade["entry"]) == (1.0, 100.0)
    assert trade["exit"] == pytest.approx(107.5)  # (0.5 x 105 + 0.5 x 110) / 1
    assert trade["fees"] == pytest.approx(2.075)  # (100 + 52.5 + 55) x 0.01
    assert trade["profit"] == pytest.approx(5.425)  # 107.5 - 100 - 2.075
    assert (trade["opened_at"], trade["closed_at"]) == (MINUTE, MINUTE)
    assert done.equity[-1] == pytest.approx(10_005.425)


CALM = [100, 101, 99, 100, 10]
THIN: dict[str, tuple[Any, list[list[float]], list[float], list[tuple[float, float]]]] = {
    "the rest of a rung waits for its price": (
        {"ladder": HALF},
        # a tenth of each volume; of 0.5 are left 0.3, nothing is reached, 0.1, nothing
        [[100, 106, 99, 104, 2], [104, 104.5, 103, 104, 9], [104, 106, 103, 104, 2],
         [107, 108, 106, 107, 9], [120, 120, 120, 120, 9]],
        [],
        [(-0.2, 105), (-0.2, 105), (-0.1, 107)],
    ),
    "a rung that found nothing waits as well": (
        {"ladder": HALF},
        [[100, 106, 99, 104, 0], [104, 106, 103, 104, 9]],
        [],
        [(-0.5, 105)],
    ),
    "the next rung waits for it": (
        {"ladder": STAIRS},
        [[100, 111, 99, 104, 3], [111, 112, 110, 111, 9]],
        [],
        [(-0.3, 105), (-0.2, 111), (-0.25, 111)],
    ),
    "a lot that does not fit waits": (
        {"ladder": HALF, "lot": 0.25},
        # room for 0.4: one lot of 0.25; the other one finds 0.3
        [[100, 106, 99, 104, 4], [104, 106, 103, 104, 3]],
        [],
        [(-0.25, 105), (-0.25, 105)],
    ),
    "the last rung of a whole ladder closes all that is left": (
        {"ladder": ((0.05, 1.0),)},
        [[100, 106, 99, 104, 4], [104, 106, 103, 104, 9]],
        [],
        [(-0.4, 105), (-0.6, 105)],
    ),
    "no more than the position": (
        {"ladder": HALF},
        # 0.1 of the rung are gone, the strategy then wants 0.3: a wish that reduces by 0.6
        [[100, 106, 99, 104, 1], [104, 104, 104, 104, 9], [104, 106, 103, 104, 9]],
        [0.3],
        [(-0.1, 105), (-0.6, 104), (-0.3, 105)],
    ),
    "a new position has its whole rung again": (
        {"ladder": HALF},
        [[100, 106, 99, 104, 2], [104, 104, 104, 104, 9], [100, 100, 100, 100, 10],
         [100, 106, 99, 104, 9]],
        [0.0, 1.0],
        [(-0.2, 105), (-0.8, 104), (1, 100), (-0.5, 105)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", THIN)
def test_a_rung_that_the_volume_cuts(machine: type, title: str) -> None:
    """Bought 1 at 100 in the second bar; wishes are those after the third bar, and so on."""
    given, rows, wishes, sold = THIN[title]
    grid = Instrument("X/USD", lot=given.get("lot", 0.0))
    plan = portfolio(follower(ladder=given["ladder"]), instruments=(grid,), share_max=0.1)
    told = [target((i + 3) * MINUTE, wish) for i, wish in enumerate(wishes)]
    bars = bar_events([CALM, CALM, *rows])
    fills = run(machine, plan, numbered(bars, target(MINUTE, 1.0), *told)).logs["fills"]
    assert fills["quantity"].tolist() == pytest.approx([1.0, *(quantity for quantity, _ in sold)])
    assert fills["price"].tolist() == pytest.approx([100.0, *(price for _, price in sold)])
