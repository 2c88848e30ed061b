"""The made-up market is the same however it is asked for, and looks like one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest

from engine.core.indicators import FIRST, Ema, ema
from engine.core.records import Kind
from engine.errors import ConfigError
from engine.feeds.market import Market
from engine.feeds.synthetic import CHUNK, PAST_INTERVAL, Synthetic

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONDAY = 1_722_816_000_000  # 2024-08-05 UTC
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
FEED = Synthetic(start="2024-08-05", end="2024-08-05T06:00", speed=None)

Rows = Any


def joined(chunks: Iterator[Rows]) -> Rows:
    return np.concatenate(list(chunks))


def ticks(events: Rows, symbol: int = 0) -> Rows:
    return events[(events["kind"] == Kind.TICK) & (events["symbol"] == symbol)]


@pytest.fixture(scope="module")
def month() -> Rows:
    """Return thirty days of the three symbols."""
    return joined(replace(FEED, end="2024-09-04").after(SYMBOLS, MONDAY))


def closes(events: Rows, symbol: int = 0) -> tuple[Any, Any]:
    """Return number and last price of each minute that has one."""
    rows = ticks(events, symbol)
    minute = rows["ts"] // MINUTE
    last = np.append(np.diff(minute) > 0, True)
    return minute[last], rows["bar"]["close"][last]


# ── the same however it is asked for ──────────────────────────────────────────────────────────


def test_it_is_the_same_on_every_machine() -> None:
    found = [
        (int(row["ts"]) - MONDAY, SYMBOLS[row["symbol"]], row["bar"]["close"], row["bar"]["volume"])
        for row in next(FEED.after(SYMBOLS, MONDAY))[1:5]
    ]
    assert found == [
        (184, "SOL/USDT", 128.627, 87.06),
        (2_630, "BTC/USDT", 82_126.6, 0.05528),
        (5_154, "SOL/USDT", 128.629, 101.02),
        (6_957, "BTC/USDT", 82_134.3, 0.03309),
    ]
    days = replace(FEED, end="2024-08-08").load(SYMBOLS, (MINUTE,))
    assert days.sha256 == "ef09ec1c22829418611f50f1f42ebd223bc196c7640bc815fe55a646935aafe0"


def test_load_gives_what_after_gives_and_numbers_it() -> None:
    recording = FEED.load(SYMBOLS, (MINUTE, HOUR))
    events = joined(FEED.after(SYMBOLS, MONDAY))
    assert (recording.events["seq"] == np.arange(len(events))).all()
    recording.events["seq"] = 0
    assert recording.events.tobytes() == events.tobytes()
    assert {symbol: len(rows) for symbol, rows in recording.bars.items()} == dict.fromkeys(
        SYMBOLS, 0
    )
    assert recording.sha256 == FEED.load(SYMBOLS, (MINUTE,)).sha256
    assert recording.sha256 != replace(FEED, seed=2).load(SYMBOLS, (MINUTE,)).sha256


@pytest.mark.parametrize("speed", [0.001, 1.0, 60.0, 1e300])
def test_chunks_of_any_size_hold_the_same(speed: float) -> None:
    chunks = list(replace(FEED, speed=speed, end="2024-08-05T01:00").after(SYMBOLS, MONDAY))
    whole = joined(FEED.after(SYMBOLS, MONDAY))
    events = np.concatenate(chunks)
    assert events.tobytes() == whole[whole["ts"] < MONDAY + HOUR].tobytes()
    assert all(0 < len(chunk) <= CHUNK for chunk in chunks)


@pytest.mark.parametrize("asked", [SYMBOLS[::-1], SYMBOLS[1:2], ("XRP/USDT", *SYMBOLS)])
def test_a_symbol_is_the_same_in_any_company(asked: Sequence[str]) -> None:
    alone = joined(FEED.after(SYMBOLS, MONDAY))
    company = joined(FEED.after(asked, MONDAY))
    for symbol in set(asked) & set(SYMBOLS):
        one = ticks(alone, SYMBOLS.index(symbol))
        other = ticks(company, asked.index(symbol))
        assert one["bar"].tobytes() == other["bar"].tobytes()


def test_it_goes_on_at_any_event() -> None:
    whole = joined(FEED.after(SYMBOLS, MONDAY))
    crowded = np.flatnonzero(np.diff(whole["ts"]) == 0)[0]  # two events of one time
    for taken in (0, 1, crowded + 1, 5_000, len(whole) - 1):
        ts = int(whole["ts"][taken])
        skip = int((whole["ts"][:taken] == ts).sum())
        assert joined(FEED.after(SYMBOLS, ts, skip)).tobytes() == whole[taken:].tobytes()


def test_no_more_is_skipped_than_stands_at_that_time() -> None:
    first, second = next(FEED.after(SYMBOLS, MONDAY))[:2]
    assert first["ts"] == MONDAY < second["ts"]
    assert next(FEED.after(SYMBOLS, MONDAY, 100))[0] == second


def test_another_seed_is_another_market() -> None:
    one, other = (
        ticks(next(replace(FEED, seed=seed).after(SYMBOLS, MONDAY)))[:100] for seed in (1, 2)
    )
    assert (one["ts"] != other["ts"]).all()
    assert (one["bar"]["close"] != other["bar"]["close"]).all()


def test_the_past_is_what_was_played_and_history() -> None:
    past = replace(FEED, history="2h").past(SYMBOLS, MONDAY + 3 * HOUR)
    assert (past["history"] == 1).all()
    past["history"] = 0
    whole = joined(FEED.after(SYMBOLS, MONDAY + HOUR))
    assert past.tobytes() == whole[whole["ts"] < MONDAY + 3 * HOUR].tobytes()


def test_the_past_of_a_fine_market_is_coarser_and_of_the_same_prices() -> None:
    fine = replace(FEED, interval_ms=50, history="1h")
    past = ticks(fine.past(SYMBOLS, MONDAY + HOUR))
    assert len(past) <= HOUR // PAST_INTERVAL
    played = ticks(joined(replace(fine, end="2024-08-05T01:00").after(SYMBOLS, MONDAY)))
    near = played[np.minimum(np.searchsorted(played["ts"], past["ts"]), len(played) - 1)]
    assert np.median(np.abs(near["bar"]["close"] / past["bar"]["close"] - 1.0)) < 5e-4


def test_it_never_ends_without_an_end() -> None:
    endless = replace(FEED, end=None, interval_ms=MINUTE)
    far = list(islice(endless.after(SYMBOLS, MONDAY), 10))
    assert far[-1]["ts"][-1] > MONDAY + 5 * DAY
    assert (np.diff(np.concatenate(far)["ts"]) >= 0).all()


def test_where_it_begins() -> None:
    assert FEED.beginning(MONDAY + DAY) == MONDAY
    assert replace(FEED, start=None, history="2h").beginning(MONDAY) == MONDAY - 2 * HOUR


# ── events ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("interval", [1, 10, 250, 5_000, MINUTE])
def test_the_order_of_events(interval: int) -> None:
    minutes = 2 if interval < 250 else 60
    end = f"2024-08-05T00:{minutes - 1:02}:30"
    events = joined(replace(FEED, interval_ms=interval, end=end).after(SYMBOLS, MONDAY))
    timers = events[events["kind"] == Kind.TIMER]
    assert timers["ts"].tolist() == [MONDAY + i * MINUTE for i in range(minutes)]
    assert set(timers["bar"].tolist()) == {(0, 0.0, 0.0, 0.0, 0.0, 0.0)}
    place = np.where(events["kind"] == Kind.TIMER, -1, events["symbol"])
    assert all(a < b for a, b in pairwise(zip(events["ts"], place, strict=True)))
    assert events["ts"][-1] < MONDAY + minutes * MINUTE - MINUTE // 2
    for symbol in range(len(SYMBOLS)):
        rows = ticks(events, symbol)
        assert len(rows) > 0
        assert (np.diff(rows["ts"] // interval) > 0).all()  # at most one in each interval


def test_a_tick_is_a_bar_of_one_price() -> None:
    rows = ticks(joined(FEED.after(SYMBOLS, MONDAY)))
    bar = rows["bar"]
    assert (bar["ts"] == rows["ts"]).all()
    for name in ("open", "high", "low"):
        assert (bar[name] == bar["close"]).all()
    assert (bar["volume"] > 0.0).all()
    assert not any(rows[name].any() for name in ("seq", "span", "history", "instance"))
    assert (bar["close"] == np.round(bar["close"], 1)).all()


# ── it looks like a market ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("symbol", range(len(SYMBOLS)))
def test_a_month_looks_like_a_market(symbol: int, month: Rows) -> None:
    minute, price = closes(month, symbol)
    moves = np.diff(np.log(price))[np.diff(minute) == 1]
    usual = np.clip(moves, -10 * moves.std(), 10 * moves.std())  # jumps and bad prints aside
    size = np.abs(usual)
    assert 4e-4 < moves.std() < 2e-3
    assert 15 < (usual**4).mean() / (usual**2).mean() ** 2 < 60  # fat tails
    assert np.corrcoef(size[:-60], size[60:])[0, 1] > 0.1  # calm and wild hours
    assert abs(np.corrcoef(usual[:-1], usual[1:])[0, 1]) < 0.1  # no direction to follow
    assert 0.01 < np.sqrt((usual**2).sum() / 30) < 0.05  # a day
    assert 1.05 < price.max() / price.min() < 2.0
    assert 50 < (np.diff(minute) > 1).sum() < 500
    assert 5 < np.diff(minute).max() <= 40


def test_thin_minutes_and_bad_prints(month: Rows) -> None:
    rows = ticks(month)
    counts = np.bincount(rows["ts"] // MINUTE - MONDAY // MINUTE)
    assert 0.01 < ((counts > 0) & (counts < 6)).mean() < 0.05
    assert (counts == 12).mean() > 0.9
    price = rows["bar"]["close"]
    there, back = np.log(price[1:-1] / price[:-2]), np.log(price[2:] / price[1:-1])
    bad = (np.abs(there) > 0.01) & (np.abs(there + back) < 0.005)
    assert 2 < bad.sum() < 40
    assert np.abs(there[bad]).max() < 0.07


def test_ten_years_stay_near_the_anchor() -> None:
    market = Market([f"BTC/{i}" for i in range(20)], 1, MINUTE)
    for quarter in range(40):
        start = MONDAY + (quarter - 20) * 91 * DAY
        rows = joined(market.events(start, start + HOUR, 60))
        price = rows["bar"]["close"][rows["kind"] == Kind.TICK]
        assert 18_000 < price.min() < price.max() < 200_000


def test_days_join_without_a_seam() -> None:
    events = joined(FEED.after(SYMBOLS, MONDAY - HOUR))
    for symbol in range(len(SYMBOLS)):
        rows = ticks(events, symbol)
        before = rows[rows["ts"] < MONDAY][-20:]["bar"]["close"]
        after = rows[rows["ts"] >= MONDAY][:20]["bar"]["close"]
        assert abs(np.median(after) / np.median(before) - 1.0) < 0.005


def test_averages_of_minutes_cross(month: Rows) -> None:
    fast, slow = Ema(), Ema()
    above = [
        ema(fast, price, 12, FIRST) > ema(slow, price, 26, FIRST)
        for price in closes(month)[1][:1_440]
    ]
    assert 20 < np.diff(above).sum() < 120


# ── what it refuses ───────────────────────────────────────────────────────────────────────────


def test_a_usable_market_has_no_problems() -> None:
    assert [*Synthetic().problems(), *FEED.problems()] == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"timeframe": "1x"}, "timeframe: must be a number and one of s m h d w, such as 1m or 4h,"
         " was '1x'."),
        ({"timeframe": "30s"}, "timeframe: must be whole minutes, was 30s. Choose 1m or a longer"
         " one."),
        ({"history": "90s"}, "history: must be whole minutes, was 90s. Choose 1m or a longer one."),
        ({"interval_ms": 7_000}, "interval_ms: must divide a minute, 60000, was 7000. Choose such"
         " as 10, 250, 1000, 5000."),
        ({"interval_ms": 0}, "interval_ms: must divide a minute, 60000, was 0. Choose such as 10,"
         " 250, 1000, 5000."),
        ({"speed": 0.0}, "speed: must be above 0, was 0.0. Choose 1.0 for real time, or null for as"
         " fast as possible."),
        ({"start": "soon"}, "start: must be a UTC date such as '2024-08-01', was 'soon'. Correct"
         " it."),
        ({"start": "2024-08-02", "end": "2024-08-01"}, "end: must be after start, 2024-08-02, was"
         " 2024-08-01. Correct one of them."),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told(given: dict[str, Any], problem: str) -> None:
    assert list(Synthetic(**given).problems()) == [problem]


def test_a_backtest_needs_both_ends_and_hears_of_everything() -> None:
    with pytest.raises(ConfigError) as refused:
        Synthetic(interval_ms=0).load(SYMBOLS, (MINUTE,))
    assert refused.value.problems == (
        "feed.interval_ms: must divide a minute, 60000, was 0. Choose such as 10, 250, 1000, 5000.",
        "feed.start: must be set in a backtest, was null. Set a UTC date.",
        "feed.end: must be set in a backtest, was null. Set a UTC date.",
    )
