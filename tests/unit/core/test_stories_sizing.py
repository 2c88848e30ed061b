"""Hand-worked markets: how much is bought. See docs/guide/sizing.md."""

from typing import Any

import pytest

from engine.core.block import table_of
from engine.core.portfolio import Instance, Instrument
from engine.core.records import Sizing
from engine.strategies.buy_and_hold import BuyAndHold
from tests.market import MINUTE, bar_events, follower, play, portfolio, run

NOTIONAL: dict[str, Any] = {"sizing": Sizing.NOTIONAL, "notional": 500.0}
RISK: dict[str, Any] = {"sizing": Sizing.RISK, "aim": 0.01, "ratio_max": 1.0}
VARIED: dict[str, Any] = {
    "sizing": Sizing.VOLATILITY,
    "aim": 0.2,
    "length": 2,
    "ratio_max": 1.0,
}
KELLY: dict[str, Any] = {
    "sizing": Sizing.KELLY,
    "aim": 0.5,
    "trades_min": 2,
    "ratio": 0.1,
    "ratio_min": 0.02,
    "ratio_max": 0.2,
}

STORIES: dict[str, tuple[dict[str, Any], str]] = {
    "notional is money at the price of the decision": (
        NOTIONAL,
        """
        100 101  99 100   1     .
        125 126 124 125   0.5   +5@125                      # 500 / 100
        125 126 124 125   .     -3@125                      # 0.5 x 500 / 125 = 2
        """,
    ),
    "risk follows from the stop of the instance": (
        RISK | {"stop_loss": 0.05},
        """
        100 101  99 100   1   .
        100 101  94 100   .   +20@100,-20@95:stop_loss      # 10000 x 0.01 / 5: it loses 100
        """,
    ),
    "or from the strategy's own": (
        RISK | {"stop_loss": 0.05},
        """
        100 101  99 100   1/96/0   .
        100 101  94 100   .        +25@100,-25@96:stop_loss   # 100 / 4
        """,
    ),
    "or from a trailing one that begins at once": (
        RISK | {"trailing_distance": 0.02},
        """
        100 101  99 100   1   .
        100 101  94 100   .   +50@100,-50@98:trailing       # 100 / 2
        """,
    ),
    "a target below one risks less": (
        RISK | {"stop_loss": 0.05},
        """
        100 101  99 100   0.5   .
        100 101  99 100   .     +10@100                     # 0.5 x 100 / 5
        """,
    ),
    "risk has a limit however near the stop is": (
        RISK | {"ratio_max": 0.25},
        """
        100 101  99 100   1/99.9/0   .
        100 101 100 100   .          +25@100                # not 100 / 0.1: 10000 x 0.25 / 100
        """,
    ),
    "risk without a stop is denied": (
        RISK,
        """
        100 101  99 100   1        denied:no_stop
        100 101  99 100   0        .
        100 101  99 100   1/95/0   .
        100 101  99 100   .        +20@100
        """,
    ),
    "and leaves what is held as it is": (
        RISK,
        """
        100 101  99 100   0.5/95/0   .
        100 101  99 100   1/0/0      +10@100,denied:no_stop
        100 101  99 100   0          .
        100 101  99 100   .          -10@100
        """,
    ),
    "a stop on the wrong side is denied": (
        {},
        """
        100 101  99 100   1/100/0   denied:stop_wrong_side
        100 101  99 100   0         .
        100 101  99 100   1/99/0    .
        100 101  99 100   .         +1@100,-1@99:stop_loss
        """,
    ),
    "so is a take": (
        {},
        """
        100 101  99 100   1/0/100   denied:take_wrong_side
        100 101  99 100   0         .
        100 101  99 100   1/0/101   .
        100 101  99 100   .         +1@100,-1@101:take_profit
        """,
    ),
    "both are said": (
        {},
        """
        100 101  99 100   1/101/99   denied:stop_wrong_side,denied:take_wrong_side
        """,
    ),
    "a stop that is moved beyond the price was reached": (
        {},
        """
        100 101  99 100   1         .
        100 101  99 100   1/102/0   +1@100
        101 103 100 101   .         -1@101:stop_loss
        """,
    ),
    "a take that is moved below the price was reached": (
        {},
        """
        100 101  99 100   1        .
        100 101  99 100   1/0/98   +1@100
        101 103 100 101   .        -1@101:take_profit
        """,
    ),
    "an order that a gap carries beyond its stop is stopped where it fills": (
        {},
        """
        100 101  99 100   1/95/0   .
         90  91  89  90   .        +1@90,-1@90:stop_loss
        """,
    ),
    "volatility needs its bars": (
        VARIED,
        """
        100 101  99 100   1   denied:no_volatility
        110 111 109 110   0   .
         99 100  98  99   1   .
         99 100  98  99   .   +0.278655@99     # 10000 x 0.2 / (0.1 x sqrt(525600)) / 99
        """,
    ),
    "volatility has a limit however calm the market is": (
        VARIED | {"ratio_max": 0.5},
        """
        100 101  99 100     .   .
        100 101  99 100.001 .   .
        100 101  99 100     1   .
        100 101  99 100     .   +50@100        # 0.2 / (0.00001 x 725) is 27 times the equity
        """,
    ),
    "a market that does not move has no volatility": (
        VARIED,
        """
        100 101  99 100   .   .
        100 101  99 100   .   .
        100 101  99 100   1   denied:no_volatility
        """,
    ),
    "Kelly begins with a ratio, then takes that of the trades": (
        KELLY,
        """
        100 101  99 100   1   .
        100 101  99 100   0   +10@100          # 10000 x 0.1 / 100
        110 111 109 110   .   -10@110          # + 10 %; equity 10100
        100 101  99 100   1   .
        100 101  99 100   0   +10.1@100
         95  96  94 100   .   -10.1@95         # - 5 %; equity 10049.5
        100 101  99 100   1   .
        100 101  99 100   .   +12.5619@100     # 0.5 x (0.5 - 0.5 / (10 / 5)) = 0.125
        """,
    ),
    "Kelly has a least ratio": (
        KELLY,
        """
        100 101  99 100   1   .
        100 101  99 100   0   +10@100
         95  96  94 100   .   -10@95           # equity 9950
        100 101  99 100   1   .
        100 101  99 100   0   +9.95@100
         95  96  94 100   .   -9.95@95         # equity 9900.25, nothing was won
        100 101  99 100   1   .
        100 101  99 100   .   +1.98005@100     # 9900.25 x 0.02 / 100
        """,
    ),
    "Kelly has a limit": (
        KELLY,
        """
        100 101  99 100   1   .
        100 101  99 100   0   +10@100
        110 111 109 110   .   -10@110          # equity 10100
        100 101  99 100   1   .
        100 101  99 100   0   +10.1@100
        110 111 109 110   .   -10.1@110        # equity 10201, nothing was lost: 0.5 x 1
        100 101  99 100   1   .
        100 101  99 100   .   +20.402@100      # 10201 x 0.2 / 100
        """,
    ),
}


@pytest.mark.parametrize("title", STORIES)
def test_story(machine: type, title: str) -> None:
    given, text = STORIES[title]
    play(machine, text, portfolio(follower(**given)))


def test_what_a_limit_allows_pays_for_its_own_costs(machine: type) -> None:
    # 1000 x 0.995 / (1.02 x 1.01 x 100) = 9.65832, filled at 102 with 1 % fee: 994.99 of 1000
    play(
        machine,
        """
        100 101  99 100   1/99/0   .
        100 101 100 100   .        +9.65832@102
        """,
        portfolio(
            follower(**(RISK | {"aim": 0.5, "reserve_ratio": 0.005})),
            cash=1000.0,
            taker=0.01,
            slippage=0.02,
        ),
    )


def test_a_sizing_of_all_the_leverage_pays_for_its_own_costs(machine: type) -> None:
    # 1000 x 5 x 0.995 / (1.02 x 1.05 x 100) = 46.4519, the fee being 1 % of five times the equity;
    # at 102 its margin is 4738.1 / 5 = 947.62 and its fee 47.38: 995 of 1000
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101 100 100   .   +46.4519@102
        """,
        portfolio(
            follower(sizing=Sizing.EQUITY, ratio=5.0, reserve_ratio=0.005),
            instruments=(Instrument("X/USD", leverage=5.0, maintenance=0.005),),
            cash=1000.0,
            taker=0.01,
            slippage=0.02,
        ),
    )


def test_a_turn_pays_for_what_it_closes_as_well(machine: type) -> None:
    # 10000 x 5 x 0.99 / (1.01 x 1.05 x 100) = 466.761 at 101; the equity is then at 100:
    # 10000 - 466.761 x (1 + 1.01) = 9061.81, less its close, 466.761 x 100 x (0.01 + 0.01):
    # 8128.29 x 46.6761 / 1000 = 379.397
    play(
        machine,
        """
        100 100 100 100   1   .
        100 100 100 100  -1   +466.761@101
        100 100 100 100   .   -466.761@99,-379.397@99
        """,
        portfolio(
            follower(sizing=Sizing.EQUITY, ratio=5.0, reserve_ratio=0.01),
            instruments=(Instrument("X/USD", leverage=5.0, maintenance=0.005),),
            taker=0.01,
            slippage=0.01,
        ),
    )


def test_the_lot_cuts_every_sizing(machine: type) -> None:
    play(
        machine,
        """
        100 101  99 100   1   .
        100 101  99 100   .   +16@100                        # 10000 x 0.01 / 6 = 16.67
        """,
        portfolio(follower(**RISK, stop_loss=0.06), instruments=(Instrument("X/USD", lot=4.0),)),
    )


def test_volatility_is_an_exponential_average(machine: type) -> None:
    instance = Instance("it", BuyAndHold(), ("X/USD",), MINUTE, **(VARIED | {"length": 3}))
    closes = [100.0, 110.0, 99.0, 99.0, 118.8]
    done = run(machine, portfolio(instance), bar_events([[close] * 4 for close in closes]))
    (row,) = table_of(done.machine.block, "volatilities")
    # squared returns 0.01, 0.01, 0, 0.04; weights 1, 1/2, 1/2 (2 / (3 + 1), 1/3 being less), 1/2
    assert row["count"] == 4
    assert row["variance"] == pytest.approx(0.0225)  # 0.01, 0.01, 0.005, 0.0225


def test_instances_with_other_lengths_measure_each_their_own(machine: type) -> None:
    books = [
        Instance(f"i{n}", BuyAndHold(), ("X/USD",), span, **(VARIED | {"length": length}))
        for n, (span, length) in enumerate([(MINUTE, 2), (MINUTE, 3), (2 * MINUTE, 2), (MINUTE, 2)])
    ]
    plan = portfolio(*books)
    done = run(machine, plan, bar_events([[100.0 + i] * 4 for i in range(8)]))
    rows = table_of(done.machine.block, "volatilities")
    assert rows[["span", "length", "count"]].tolist() == [
        (MINUTE, 2, 7),
        (MINUTE, 3, 7),
        (2 * MINUTE, 2, 3),
    ]
    books_of = table_of(done.machine.block, "books")
    found = {int(book["instance"]): int(book["volatility"]) for book in books_of}
    assert found == {0: 0, 1: 1, 2: 2, 3: 0}
