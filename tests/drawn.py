"""Markets and portfolios that hypothesis draws: any wishes, costs, commands, failures, venues."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine.core.portfolio import Instance, Instrument, Portfolio
from engine.core.records import FillOn, Kind, Sizing
from engine.rules.gross_exposure import GrossExposure
from engine.rules.open_positions import OpenPositions
from engine.rules.order_notional import OrderNotional
from engine.rules.position_size import PositionSize
from engine.rules.stale_price import StalePrice
from tests.faulty import NOT_A_NUMBER, RAISED, Faulty, FaultyRule
from tests.market import (
    MINUTE,
    bar_events,
    command,
    follower,
    numbered,
    portfolio,
    random_bars,
    target,
    ticks,
)
from tests.quoting import Quoting

RULES: Any = (
    ("order_notional", OrderNotional(notional_max=5_000.0)),
    ("position_size", PositionSize(ratio_max=0.5)),
    ("gross_exposure", GrossExposure(ratio_max=0.9)),
    ("open_positions", OpenPositions(count_max=3)),
    ("stale_price", StalePrice(age_seconds_max=300)),
)

prices = st.floats(1.0, 1e5)
wishes = [-1.0, 0.0, 0.0, 0.25, 0.5, 1.0, 1.0]
WORDS = [kind for kind in Kind if Kind.PAUSE <= kind <= Kind.REARM]
FIXED = 1.5
KELLY = {
    "sizing": Sizing.KELLY,
    "aim": 0.5,
    "ratio": 0.2,
    "ratio_min": 0.05,
    "ratio_max": 0.5,
    "trades_min": 2,
}
fractions = st.floats(0.0, 0.05)


def dense(seed: int) -> Any:
    """Return 80 wild bars of two symbols, in each of which every book changes its mind twice."""
    random = np.random.default_rng(seed)
    n, events = 80, []
    for symbol in range(2):
        bars = random_bars(n, seed + symbol, spread=0.03)
        bars["symbol"] = symbol
        moments = random.integers(0, n * MINUTE, 6 * n).tolist()
        events += [
            bars,
            *(
                target(ts, random.choice(wishes), symbol=symbol, instance=i % 3)
                for i, ts in enumerate(moments)
            ),
        ]
    for ts in random.integers(0, n * MINUTE, 6).tolist():
        events.append(command(Kind(random.choice(WORDS)), ts, *random.integers(-1, 2, 2).tolist()))
    return numbered(*events)


@st.composite
def _markets(draw: st.DrawFn) -> Any:
    """Draw a symbol of bars and one of bars or ticks, wishes, commands, and how much is history."""
    events = []
    n = draw(st.integers(2, 25))
    wish = st.sampled_from([*wishes, float("nan")] if draw(st.booleans()) else wishes)
    offsets = st.sampled_from([0, 0, 15_000, 45_000])
    for symbol in range(2):
        closes = draw(st.lists(prices, min_size=n, max_size=n))
        rows = []
        for close in closes:
            opened = close * draw(st.floats(0.8, 1.25))
            rows.append([opened, max(opened, close) * 1.01, min(opened, close) * 0.99, close, 1.0])
        prints = [((i + 1) * MINUTE - 20_000, close) for i, close in enumerate(closes)]
        is_ticks = symbol == 1 and draw(st.booleans())
        events.append(ticks(*prints, symbol=1) if is_ticks else bar_events(rows, symbol=symbol))
        for book in range(3):
            moments = draw(st.lists(st.integers(1, n), max_size=n))
            events += [
                target(i * MINUTE + draw(offsets), draw(wish), symbol=symbol, instance=book)
                for i in moments
            ]
    for kind in draw(st.lists(st.sampled_from(WORDS), max_size=6)):
        moment = draw(st.integers(0, n)) * MINUTE + draw(offsets)
        events.append(command(kind, moment, draw(st.integers(-1, 3)), draw(st.integers(-1, 1))))
    for moment in draw(st.lists(st.integers(0, n), max_size=4)):
        rate, symbol = draw(st.sampled_from([0.01, -0.01])), draw(st.integers(0, 1))
        events.append(target(moment * MINUTE, rate, kind=Kind.FUNDING, symbol=symbol))
    merged = numbered(*events)
    merged["history"][: draw(st.sampled_from([0, 0, 0, n]))] = 1
    return merged


def markets() -> st.SearchStrategy[Any]:
    """Draw a small market, or take a dense one."""
    return st.one_of(_markets(), st.builds(dense, st.integers(0, 1_000_000)))


def _exits() -> st.SearchStrategy[dict[str, Any]]:
    """Draw some of the exits, each with levels that such markets reach."""
    ladder = ((0.02, 0.5), (0.04, 0.3), (0.08, 0.2))
    roi = ((0, 0.06), (2 * MINUTE, 0.01), (5 * MINUTE, -0.02))
    return st.fixed_dictionaries(
        {},
        optional={
            "stop_loss": st.sampled_from([0.05, 0.1]),
            "take_profit": st.just(0.1),
            "ladder": st.sampled_from([ladder, ladder[:2]]),
            "roi": st.just(roi),
            "trailing_distance": st.just(0.03),
            "trailing_activation": st.sampled_from([0.0, 0.02]),
            "break_even_at": st.just(0.03),
            "break_even_offset": st.sampled_from([0.0, 0.01, -0.02]),
            "time_stop": st.sampled_from([90_000, 6 * MINUTE]),
            "ignores_opposite": st.booleans(),
        },
    )


def _bounds() -> st.SearchStrategy[dict[str, Any]]:
    """Draw how the volume bounds fills, and how orders come to theirs."""
    limits = {"by_limit": True, "offset": 0.01, "maker": 0.001}
    return st.sampled_from(
        [
            {},
            {"maker": 0.001, "post_only": True},
            {"queue_share": 0.5},
            {"share_max": 0.3, "impact": 0.01},
            {"share_max": 0.3, "fill_on": FillOn.CLOSE},
            limits,
            {**limits, "share_max": 0.3, "good_for": 5 * MINUTE},
        ]
    )


@st.composite
def portfolios(draw: st.DrawFn, is_spot: bool = False, asks: bool = True) -> Portfolio:
    """Draw followers and one that fails, with costs, grids, sizings, exits, and a bad venue.

    Each symbol is spot or, unless told otherwise, a perpetual of any margin. Where it `asks`, there
    may be one more instance, whose orders rest at levels, and orders may wait for price or volume.
    """
    sizing: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [
            {"sizing": Sizing.FIXED, "quantity": FIXED},
            {"sizing": Sizing.EQUITY, "ratio": 0.5, "reserve_ratio": 0.005},
            {"sizing": Sizing.EQUITY, "ratio": 1.0, "reserve_ratio": 0.0},
            {"sizing": Sizing.NOTIONAL, "notional": 300.0},
            {"sizing": Sizing.RISK, "aim": 0.02, "ratio_max": 0.5},
            {"sizing": Sizing.VOLATILITY, "aim": 1.0, "length": 3, "ratio_max": 0.5},
            KELLY,
        ]
    )
    exits = _exits()
    grids: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [{}, {"tick": 0.5, "lot": 0.01}, {"contract_size": 10.0}]
    )
    perpetual: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "leverage": st.sampled_from([1.0, 3.0, 20.0]),
            "isolated": st.booleans(),
            "maintenance": st.sampled_from([0.005, 0.02]),
            "liquidation": st.sampled_from([0.0, 0.01]),
        }
    )
    kinds = st.just({}) if is_spot else st.one_of(st.just({}), perpetual)
    symbols = ("X/USD", "Y/USD")
    how, at = draw(st.sampled_from([RAISED, NOT_A_NUMBER])), draw(st.integers(1, 30))
    rules = [(), RULES, (("faulty", FaultyRule(quantity_max=1.0)), *RULES)]
    asking = [
        Instance("asking", Quoting(seed=seed), symbols, MINUTE, **draw(sizing), **draw(exits))
        for seed in ([draw(st.integers(1, 50))] if asks and draw(st.booleans()) else [])
    ]
    return portfolio(
        *(follower(f"f{i}", symbols=symbols, **draw(sizing), **draw(exits)) for i in range(3)),
        Instance("faulty", Faulty(how=how, at=at), symbols[:1], MINUTE, **draw(sizing)),
        *asking,
        instruments=tuple(Instrument(symbol, **draw(grids), **draw(kinds)) for symbol in symbols),
        cash=draw(st.floats(100.0, 1e6)),
        taker=draw(fractions),
        slippage=draw(fractions),
        rules=draw(st.sampled_from(rules)),
        latency=draw(st.sampled_from([0, 1, 20_000, 90_000])),
        rejection=draw(st.sampled_from([0.3, 0.0, 0.9])),
        seed=draw(st.integers(0, 5)),
        stop_through=draw(st.booleans()),
        opposite_books=draw(st.booleans()),
        **(draw(_bounds()) if asks else {}),
    )
