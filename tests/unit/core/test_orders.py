"""Limit orders, and fills that the volume bounds: each worked out by hand.

Columns are those of `tests.market.play`; a follower orders 1 unit at exposure 1.
"""

from typing import Any

import pytest

from engine.core.portfolio import Instrument
from engine.core.records import Status
from tests.market import MINUTE, bar_events, follower, numbered, play, portfolio, run, target

MAKER, TAKER = 0.001, 0.002


def limited(**given: Any) -> Any:
    """Return a portfolio whose openings are limit orders 1 % better than the last price."""
    fees = {"maker": MAKER, "taker": TAKER}
    return portfolio(**(fees | {"by_limit": True, "offset": 0.01} | given))


def test_a_limit_order_waits_for_its_price(machine: type) -> None:
    # last price 100, so the limit is 99
    play(
        machine,
        """
        100 101  99.5 100   1   .
        100 101  99.5 100   .   .
        100 101  98   100   0   +1@99
        100 101  99   100   .   -1@100
        """,
        limited(),
    )


def test_it_pays_the_makers_fee_and_its_exit_the_takers(machine: type) -> None:
    bars = bar_events([[100, 100, 100, 100], [100, 100, 98, 100], [100, 100, 100, 100]])
    events = numbered(bars, target(MINUTE, 1.0), target(2 * MINUTE, 0.0))
    fees = run(machine, limited(), events).logs["fills"]["fee"]
    assert fees.tolist() == pytest.approx([99 * MAKER, 100 * TAKER])


def test_an_open_beyond_it_fills_at_the_open_and_takes(machine: type) -> None:
    story = """
        100 101  99.5 100   1   .
         98  99  97    98   .   {}
        """
    play(machine, story.format("+1@98"), limited())
    bars = bar_events([[100, 101, 99.5, 100], [98, 99, 97, 98]])
    done = run(machine, limited(), numbered(bars, target(MINUTE, 1.0)))
    assert done.logs["fills"]["fee"].tolist() == pytest.approx([98 * TAKER])
    play(machine, story.format("canceled:post_only"), limited(post_only=True))


def test_a_gap_through_an_order_that_rests_fills_at_its_price(machine: type) -> None:
    play(
        machine,
        """
        100 101  99.5 100   1   .
        100 101  99.5 100   .   .
         95  96  94    95   .   +1@99
        """,
        limited(post_only=True),
    )


def test_a_new_wish_takes_back_what_rests(machine: type) -> None:
    play(
        machine,
        """
        100 101  99.5 100   1   .
        100 101  99.5 100   0   canceled:signal
        100 101  90   100   .   .
        """,
        limited(),
    )


def test_it_expires(machine: type) -> None:
    # placed at minute 1, good for 90 s: the bar that opens at minute 3 is too late
    story = """
        100 101  99.5 100   1   .
        100 101  99.5 100   .   .
        100 101  {}   100   .   {}
        100 101  98   100   .   {}
        """
    play(machine, story.format("98", "+1@99", "."), limited(good_for=90_000))
    play(machine, story.format("99.5", ".", "canceled:expired"), limited(good_for=90_000))


def test_good_for_nothing_is_immediate_or_canceled(machine: type) -> None:
    play(
        machine,
        """
        100 101  99.5 100   1   .
        100 101  99.5 100   .   canceled:expired
        """,
        limited(good_for=0),
    )


def test_limits_lie_on_the_tick_grid_away_from_the_price(machine: type) -> None:
    # 101.3 x 0.99 = 100.287, down to 100.0
    play(
        machine,
        """
        101 102 101 101.3   1   .
        101 102 100.2 101   .   .
        101 102 100   101   .   +1@100
        """,
        limited(instruments=(Instrument("X/USD", tick=0.5),)),
    )


def volumes(rows: Any) -> Any:
    """Return bars of (open, high, low, close, volume)."""
    return bar_events(rows)


def filled(done: Any) -> Any:
    """Return quantity, price and status of each order row that is a fill."""
    rows = done.logs["orders"]
    rows = rows[(rows["status"] == Status.FILLED) | (rows["status"] == Status.PARTIAL)]
    return [
        (float(row["quantity"]), float(row["price"]), Status(row["status"]).name.lower())
        for row in rows
    ]


def test_a_large_order_fills_over_several_bars(machine: type) -> None:
    # a tenth of 4, 4 and 10
    bars = volumes([[100, 100, 100, 100, 4]] * 3 + [[101, 101, 101, 101, 10]] * 2)
    done = run(machine, portfolio(share_max=0.1), numbered(bars, target(MINUTE, 1.0)))
    assert filled(done) == [
        (pytest.approx(0.4), 100, "partial"),
        (pytest.approx(0.4), 100, "partial"),
        (pytest.approx(0.2), 101, "filled"),
    ]


def test_books_share_the_volume_of_a_bar(machine: type) -> None:
    plan = portfolio(follower("a"), follower("b"), share_max=0.5)
    bars = volumes([[100, 100, 100, 100, 3]] * 3)
    wishes = [target(MINUTE, 1.0, instance=i) for i in range(2)]
    done = run(machine, plan, numbered(bars, *wishes))
    assert filled(done) == [(1, 100, "filled"), (0.5, 100, "partial"), (0.5, 100, "filled")]


def test_what_a_lot_does_not_fit_in_waits(machine: type) -> None:
    grid = (Instrument("X/USD", lot=0.5),)
    bars = volumes([[100, 100, 100, 100, 9]] * 2 + [[100, 100, 100, 100, 12]] * 2)
    plan = portfolio(instruments=grid, share_max=0.1)
    done = run(machine, plan, numbered(bars, target(MINUTE, 1.0)))
    assert filled(done) == [(0.5, 100, "partial"), (0.5, 100, "filled")]


def test_a_stop_leaves_as_much_as_there_is_volume(machine: type) -> None:
    # bought 1 of 10; below the stop at 95 the bars have room for 0.4 each
    bars = volumes([[100, 100, 100, 100, 10]] * 2 + [[94, 94, 94, 94, 4]] * 3)
    plan = portfolio(follower(stop_loss=0.05), share_max=0.1)
    done = run(machine, plan, numbered(bars, target(MINUTE, 1.0)))
    assert done.logs["fills"]["quantity"].tolist() == pytest.approx([1.0, -0.4, -0.4, -0.2])
    assert len(done.logs["trades"]) == 1
    assert done.logs["trades"]["quantity"][0] == 1.0


def test_at_a_price_just_touched_others_stood_before(machine: type) -> None:
    # a tenth of 5 at the touch, the rest where the price goes through
    bars = volumes([[100, 100, 100, 100, 5], [100, 100, 99, 100, 5], [100, 100, 98, 100, 5]])
    done = run(machine, limited(queue_share=0.1), numbered(bars, target(MINUTE, 1.0)))
    assert filled(done) == [(0.5, 99, "partial"), (0.5, 99, "filled")]


def test_slippage_grows_with_the_share_of_the_volume(machine: type) -> None:
    # 1 of 25: 1 % x sqrt(0.04) = 0.2 %, beside 0.1 %
    bars = volumes([[100, 100, 100, 100, 25]] * 2)
    plan = portfolio(slippage=0.001, impact=0.01)
    done = run(machine, plan, numbered(bars, target(MINUTE, 1.0)))
    assert filled(done) == [(1, pytest.approx(100.3), "filled")]
