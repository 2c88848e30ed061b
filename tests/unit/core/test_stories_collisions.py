"""Hand-worked markets: what comes first where one bar reaches several exits, long and short.

See docs/guide/exits.md. A story of a short mirrors that of a long: 100 + d stands for 100 - d.
"""

from typing import Any

import pytest

from engine.core.portfolio import Instrument, Portfolio
from engine.core.records import FillOn, Sizing
from tests.market import MINUTE, follower, play, portfolio

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


@pytest.mark.parametrize("title", STORIES)
def test_story(machine: type, title: str) -> None:
    exits, text = STORIES[title]
    play(machine, text, portfolio(follower(**exits)))


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


def test_a_fill_on_close_is_protected_from_the_next_bar_on(machine: type) -> None:
    play(
        machine,
        """
        100 120  80 100   1   .
        100 101  94 100   .   +1@100,-1@95:stop_loss
        """,
        portfolio(follower(stop_loss=0.05), fill_on=FillOn.CLOSE),
    )
