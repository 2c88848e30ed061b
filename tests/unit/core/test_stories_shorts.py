"""Hand-worked markets: exits of shorts and of positions with leverage. See docs/guide/exits.md.

A story of a long is mirrored for a short: 100 + d stands for 100 - d.
"""

from typing import Any

import pytest

from engine.core.portfolio import Instrument, Portfolio
from engine.core.records import Sizing
from tests.market import follower, play, portfolio
from tests.unit.core.test_stories_collisions import STORIES


def perpetual(exits: dict[str, Any], **given: Any) -> Portfolio:
    """Return a portfolio that can be short."""
    grid = (Instrument("X/USD", leverage=1.0, maintenance=0.005),)
    return portfolio(follower(**exits), instruments=grid, **given)


def mirrored(text: str) -> str:
    """Return the story of a short: prices on the other side of 100, targets and fills turned."""
    lines = []
    for line in text.strip().splitlines():
        opened, high, low, close, wish, happened = line.split("#")[0].split()
        prices = [f"{200 - float(price):g}" for price in (opened, low, high, close)]
        wish = wish if wish in (".", "0") else f"-{wish}"
        lines.append(" ".join([*prices, wish, _turned(happened)]))
    return "\n".join(lines)


def _turned(happened: str) -> str:
    cells = []
    for cell in happened.split(","):
        if "@" in cell:
            quantity, rest = cell.split("@")
            price, _, reason = rest.partition(":")
            turned = ("-" if quantity[0] == "+" else "+") + quantity[1:]
            cell = f"{turned}@{200 - float(price):g}{':' if reason else ''}{reason}"
        cells.append(cell)
    return ",".join(cells)


EXACT = [  # fractions of the entry at 100 mirror exactly; trailing and average prices do not
    title
    for title, (exits, text) in STORIES.items()
    if "trailing" not in text and "average" not in title
]


@pytest.mark.parametrize("title", EXACT)
def test_story_of_a_short(machine: type, title: str) -> None:
    exits, text = STORIES[title]
    play(machine, mirrored(text), perpetual(exits))


SHORTS: dict[str, tuple[dict[str, Any], str]] = {
    "a short trails above the lowest price": (
        {"trailing_distance": 0.05},
        """
        100 101  99 100   -1   .
        100 101  90  91   .    -1@100
         91  95  90  94   .    +1@94.5:trailing             # 90 x 1.05
        """,
    ),
    "not in the bar of the lowest price": (
        {"trailing_distance": 0.05},
        """
        100 101  99 100   -1   .
        100 104  90 100   .    -1@100                       # 105 holds
        100 101  99 100   .    +1@100:trailing              # 94.5, which this open is beyond
        """,
    ),
    "its open comes first": (
        {"trailing_distance": 0.05},
        """
        100 101  99 100   -1   .
        100 101  99 100   .    -1@100
         80  85  80  84   .    +1@84:trailing               # 80 x 1.05
        """,
    ),
    "its trailing stop does not loosen when it grows": (
        {"trailing_distance": 0.05},
        """
        100 101  99 100   -0.5   .
        100 101  80  82   -1     -0.5@100                   # 84
         82  83  81  82   .      -0.5@82                    # entry 91
         82  85  82  83   .      +1@84:trailing
        """,
    ),
    "a ladder of a short": (
        {"ladder": ((0.05, 0.5), (0.25, 0.5))},
        """
        100 101  99 100   -1   .
        100 101  74  75   .    -1@100,+0.5@95:take_profit,+0.5@75:take_profit
        """,
    ),
    "a take beyond the whole price is never reached": (
        {"take_profit": 1.5},
        """
        100 101  99 100   -1   .
        100 101   1  50   0    -1@100
         50  51  49  50   .    +1@50
        """,
    ),
    "the strategy's own stop above the price": (
        {"stop_loss": 0.10},
        """
        100 101  99 100   -1/103/90   .
        100 104  95 100   .           -1@100,+1@103:stop_loss
        """,
    ),
    "a stop below the price is on the wrong side of a short": (
        {},
        """
        100 101  99 100   -1/99/0    denied:stop_wrong_side
        100 101  99 100   0          .
        100 101  99 100   -1/0/101   denied:take_wrong_side
        """,
    ),
    "an opposite signal turns": (
        {},
        """
        100 101  99 100    1   .
        100 101  99 100   -1   +1@100
        100 101  99 100    .   -1@100,-1@100
        """,
    ),
    "an opposite signal that is ignored": (
        {"ignores_opposite": True, "take_profit": 0.05},
        """
        100 101  99 100    1   .
        100 101  99 100   -1   +1@100,denied:opposite_signal
        100 106  99 100    .   -1@105:take_profit
        100 101  99 100    1   .
        100 101  99 100    .   +1@100
        """,
    ),
    "stop and turn in one bar: the order is first": (
        {"stop_loss": 0.05},
        """
        100 101  99 100    1   .
        100 101  99 100   -1   +1@100
         90  91  80  85    .   -1@90,-1@90
         85  95  84  94    .   +1@94.5:stop_loss            # 90 x 1.05
        """,
    ),
    "risk of a short": (
        {"sizing": Sizing.RISK, "aim": 0.01, "ratio_max": 1.0, "stop_loss": 0.05},
        """
        100 101  99 100   -1   .
        100 106  99 100   .    -20@100,+20@105:stop_loss    # 10000 x 0.01 / 5
        """,
    ),
}


@pytest.mark.parametrize("title", SHORTS)
def test_a_short(machine: type, title: str) -> None:
    exits, text = SHORTS[title]
    play(machine, text, perpetual(exits))


# One of 10 at 100 with leverage 10 holds a margin of 100; it is liquidated where
# 100 + 10 (p - 100) = 0.005 x 10 p, which is p = 900 / 9.95 = 90.4523, with nothing left of it
LEVERED: dict[str, tuple[dict[str, Any], str]] = {
    "a stop before the liquidation price": (
        {"stop_loss": 0.05},
        """
        100 101  99 100   1   .
        100 101  80  85   .   +10@100,-10@95:stop_loss
        """,
    ),
    "a stop behind it is never reached": (
        {"stop_loss": 0.15},
        """
        100 101  99 100   1   .
        100 101  80  85   .   +10@100,-10@90.4523:liquidation
        """,
    ),
    "the liquidation comes before a take of the same bar": (
        {"take_profit": 0.05},
        """
        100 101  99 100   1   .
        100 110  80  85   .   +10@100,-10@90.4523:liquidation
        """,
    ),
    "and before a rung and an ROI": (
        {"ladder": ((0.02, 0.5),), "roi": ((0, 0.05),)},
        """
        100 101  99 100   1   .
        100 110  80  85   .   +10@100,-10@90.4523:liquidation
        """,
    ),
    "an open beyond both is the venue's": (
        {"stop_loss": 0.05},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +10@100
         85  86  84  85   .   -10@90:liquidation            # the margin of 100 is gone at 90
        """,
    ),
    "a trailing stop in front of it": (
        {"trailing_distance": 0.05},
        """
        100 101  99 100   1   .
        100 110 100 109   .   +10@100
        109 109  80  85   .   -10@104.5:trailing
        """,
    ),
    "a take at the open is before the liquidation inside": (
        {"take_profit": 0.05},
        """
        100 101  99 100   1   .
        100 101  99 100   .   +10@100
        106 107  80  85   .   -10@106:take_profit
        """,
    ),
}


@pytest.mark.parametrize("title", LEVERED)
def test_with_leverage(machine: type, title: str) -> None:
    exits, text = LEVERED[title]
    grid = (Instrument("X/USD", leverage=10.0, maintenance=0.005),)
    play(machine, text, portfolio(follower(quantity=10.0, **exits), instruments=grid))
