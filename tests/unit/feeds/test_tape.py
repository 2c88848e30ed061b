"""A tape turns files into events in time order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.core.records import Bar, Event, Kind
from engine.feeds.files import Tick
from engine.feeds.tape import Tape, from_bars, interleave, merge

Make = Callable[..., dict[str, Any]]
Save = Callable[[str, dict[str, Any]], str]

FIRST = 1_514_764_800_000  # 2018-01-01 UTC
MINUTE, HOUR = 60_000, 3_600_000
PRICES = ("open", "high", "low", "close", "volume")
VOLUME = {Bar.dtype: "volume", Tick.dtype: "amount"}


def rows_of(columns: dict[str, Any], dtype: np.dtype[np.void]) -> np.ndarray[Any, Any]:
    rows = np.empty(len(columns["ts"]), dtype)
    for name in dtype.names or ():
        rows[name] = columns[name]
    return rows


def kinds_and_minutes(events: Any) -> list[tuple[str, float]]:
    return [
        (Kind(kind).name, (ts - FIRST) / MINUTE) for kind, ts in events[["kind", "ts"]].tolist()
    ]


def test_bars_become_events_that_are_known_when_they_close(bars: Make, save: Save) -> None:
    columns = bars(3)
    recording = Tape(files={"BTC/USD": save("btc.parquet", columns)}).load(("BTC/USD",), (MINUTE,))
    events = recording.events
    assert events.dtype == Event.dtype
    assert events["ts"].tolist() == [FIRST + MINUTE, FIRST + 2 * MINUTE, FIRST + 3 * MINUTE]
    assert events["seq"].tolist() == [0, 1, 2]
    assert events["kind"].tolist() == [Kind.BAR] * 3
    assert events["span"].tolist() == [MINUTE] * 3
    for name in ("symbol", "instance", "history"):
        assert events[name].tolist() == [0, 0, 0]
    for name in PRICES:
        assert events["bar"][name].tolist() == columns[name].tolist()
    assert (recording.bars["BTC/USD"] == rows_of(columns, Bar.dtype)).all()
    assert recording.warnings == []


def test_trades_become_ticks(trades: Make, save: Save) -> None:
    tape = Tape(files={"BTC/USD": save("btc.parquet", trades(10, 10, 20))})
    recording = tape.load(("BTC/USD",), ())
    events = recording.events
    assert events["kind"].tolist() == [Kind.TICK] * 3
    assert (events["ts"] - FIRST).tolist() == [10, 10, 20]
    assert events["bar"]["close"].tolist() == [100.0, 101.0, 102.0]
    assert events["bar"]["volume"].tolist() == [0.5, 0.5, 0.5]
    assert len(recording.bars["BTC/USD"]) == 0


@pytest.mark.parametrize("kind", ["bars", "trades"])
def test_csv_is_parquet(kind: str, bars: Make, trades: Make, save: Save) -> None:
    columns = bars(50, price=1.1) if kind == "bars" else trades(*range(50))
    columns |= {"note": ["ignored"] * 50}
    one, other = (
        Tape(files={"BTC/USD": save(name, columns)}).load(("BTC/USD",), (MINUTE, HOUR))
        for name in ("btc.parquet", "btc.csv")
    )
    assert (one.events == other.events).all()
    assert one.sha256 == other.sha256


def test_whole_numbers_and_short_floats_are_prices_too(bars: Make, save: Save) -> None:
    columns = bars()
    columns["close"] = columns["close"].astype(np.int32)
    columns["open"] = columns["open"].astype(np.float32)
    columns["volume"] = np.full(5, 2**53 + 1)
    events = Tape(files={"A/B": save("a.parquet", columns)}).load(("A/B",), ()).events
    assert events["bar"]["close"].tolist() == [100.0, 101.0, 102.0, 103.0, 104.0]
    assert events["bar"]["open"].tolist() == [99.5, 100.5, 101.5, 102.5, 103.5]
    assert events["bar"]["volume"].tolist() == [2.0**53] * 5


def test_sha256_is_that_of_everything_that_was_read(bars: Make, save: Save) -> None:
    def sha256(columns: dict[str, Any], symbol: str = "A/B", **settings: Any) -> str:
        files = {symbol: save("a.parquet", columns)}
        return Tape(files=files, **settings).load((symbol,), ()).sha256

    changed = bars()
    changed["volume"][4] += 1e-12
    different = [
        sha256(bars()),
        sha256(changed),
        sha256(bars(), "A/C"),
        sha256(bars(), timeframe="30s"),
        sha256(bars(), start="2018-01-01 00:01"),
    ]
    assert sha256(bars()) == different[0]
    assert len(set(different)) == len(different)


def test_start_is_kept_and_end_left_out(bars: Make, save: Save) -> None:
    name = save("btc.parquet", bars(5))
    tape = Tape(files={"A/B": name}, start="2018-01-01T00:01", end="2018-01-01T01:03:00+01:00")
    recording = tape.load(("A/B",), ())
    assert kinds_and_minutes(recording.events) == [("BAR", 2), ("BAR", 3)]
    assert recording.bars["A/B"]["ts"].tolist() == [FIRST + MINUTE, FIRST + 2 * MINUTE]


def test_rows_are_numbered_as_in_the_file_whatever_the_start(bars: Make, save: Save) -> None:
    columns = bars(9)
    columns["ts"][6:] += 5 * MINUTE
    tape = Tape(files={"A/B": save("a.parquet", columns)}, start="2018-01-01T00:02")
    (warning,) = tape.load(("A/B",), ()).warnings
    assert warning == (
        "A/B: a.parquet: row 6 (2018-01-01T00:05:00Z): 5 bars of 1m are missing after it, the"
        " longest gap, 5 in all. No strategy is called in a gap."
    )


def test_a_pattern_names_the_files_and_files_win(bars: Make, save: Save) -> None:
    Path("tape").mkdir()
    save("tape/BTC_USDT_USDT_5m.parquet", bars(step=5 * MINUTE))
    save("tape/ETH_USDT_5m.parquet", bars(step=5 * MINUTE, price=50.0))
    save("other.csv", bars(step=5 * MINUTE, price=10.0))
    tape = Tape("5m", "tape/{symbol}_{timeframe}.parquet", {"LTC/USDT": "other.csv"})
    events = tape.load(("BTC/USDT:USDT", "ETH/USDT", "LTC/USDT"), ()).events
    assert events["bar"]["close"][:3].tolist() == [100.0, 50.0, 10.0]


def test_symbols_are_interleaved_in_time_and_then_in_their_order(
    bars: Make, trades: Make, save: Save
) -> None:
    files = {
        "A/USD": save("a.parquet", bars(3)),
        "B/USD": save("b.csv", bars(2, first=FIRST + MINUTE)),
        "C/USD": save("c.parquet", trades(30_000, 2 * MINUTE)),
    }
    events = Tape(files=files).load(("C/USD", "A/USD", "B/USD"), ()).events
    assert [(s, (ts - FIRST) / MINUTE) for s, ts in events[["symbol", "ts"]].tolist()] == [
        (0, 0.5),
        (1, 1.0),
        (0, 2.0),
        (1, 2.0),
        (2, 2.0),
        (1, 3.0),
        (2, 3.0),
    ]
    assert events["seq"].tolist() == list(range(7))


def test_bars_need_a_timer_only_where_the_last_part_of_a_longer_bar_is_missing(
    bars: Make, save: Save
) -> None:
    columns = bars(12)
    kept = np.array([0, 1, 3, 4, 5, 8, 9, 10])  # minute 2 is inside a bar of 3m, 11 ends one
    columns = {name: column[kept] for name, column in columns.items()}
    tape = Tape(files={"A/B": save("a.parquet", columns)})
    assert kinds_and_minutes(tape.load(("A/B",), (MINUTE,)).events) == [
        ("BAR", minute + 1) for minute in kept
    ]
    timers = [
        minute
        for kind, minute in kinds_and_minutes(tape.load(("A/B",), (MINUTE, 3 * MINUTE)).events)
        if kind == "TIMER"
    ]
    assert timers == [3, 12]


def test_trades_need_a_timer_at_the_end_of_each_bar_with_trades(trades: Make, save: Save) -> None:
    prints = trades(0, 59_999, MINUTE, 3 * MINUTE + 1)
    tape = Tape(files={"A/B": save("a.parquet", prints)})
    assert kinds_and_minutes(tape.load(("A/B",), (MINUTE, 2 * MINUTE)).events) == [
        ("TICK", 0),
        ("TICK", 59_999 / MINUTE),
        ("TICK", 1),
        ("TIMER", 1),
        ("TIMER", 2),
        ("TICK", 3 + 1 / MINUTE),
        ("TIMER", 4),
    ]


def test_one_timer_serves_all_symbols_and_timeframes(trades: Make, save: Save) -> None:
    files = {"A/B": save("a.parquet", trades(1)), "C/D": save("c.parquet", trades(2))}
    events = Tape(files=files).load(("A/B", "C/D"), (MINUTE, 2 * MINUTE)).events
    assert kinds_and_minutes(events)[2:] == [("TIMER", 1), ("TIMER", 2)]


def test_targets_come_last_among_equal_times(bars: Make, save: Save) -> None:
    events = Tape(files={"A/B": save("a.parquet", bars(3))}).load(("A/B",), ()).events
    targets = np.zeros(3, Event.dtype)
    targets["kind"] = Kind.TARGET
    targets["ts"] = FIRST + MINUTE * np.array([3, 0, 2])
    targets["bar"]["open"] = [0.3, 0.1, 0.2]
    merged = merge(events, targets)
    assert kinds_and_minutes(merged) == [
        ("TARGET", 0),
        ("BAR", 1),
        ("BAR", 2),
        ("TARGET", 2),
        ("BAR", 3),
        ("TARGET", 3),
    ]
    assert merged["seq"].tolist() == list(range(6))
    assert merged["bar"]["open"][[0, 3, 5]].tolist() == [0.1, 0.2, 0.3]
    assert events["seq"].tolist() == [0, 1, 2]


@some.composite
def recorded(draw: some.DrawFn) -> list[np.ndarray[Any, Any]]:
    """Return bars or ticks of a few symbols, in time order, each row with a volume of its own."""
    symbols = []
    for symbol in range(draw(some.integers(1, 4))):
        dtype = draw(some.sampled_from([Bar.dtype, Tick.dtype]))
        ts = draw(some.lists(some.integers(0, 12), min_size=1, max_size=12))
        rows = np.zeros(len(ts), dtype)
        rows["ts"] = np.sort(ts) * MINUTE
        rows[VOLUME[dtype]] = 100 * symbol + np.arange(len(ts))
        symbols.append(rows)
    return symbols


@given(recorded(), some.sets(some.sampled_from([MINUTE, 3 * MINUTE, 5 * MINUTE])))
def test_interleaving_is_sorted_complete_and_stable(
    symbols: list[np.ndarray[Any, Any]], spans: set[int]
) -> None:
    events = interleave(symbols, MINUTE, sorted(spans))
    rank = np.where(events["kind"] == Kind.TIMER, len(symbols), events["symbol"])
    order = list(zip(events["ts"].tolist(), rank.tolist(), strict=True))
    assert order == sorted(order)
    assert events["seq"].tolist() == list(range(len(events)))
    for symbol, rows in enumerate(symbols):
        mine = events[rank == symbol]
        known = rows["ts"] + (MINUTE if rows.dtype == Bar.dtype else 0)
        assert mine["ts"].tolist() == known.tolist()
        assert mine["bar"]["volume"].tolist() == rows[VOLUME[rows.dtype]].tolist()


@given(recorded(), some.sampled_from([MINUTE, 3 * MINUTE, 5 * MINUTE]))
def test_each_bar_with_something_in_it_is_closed_on_time(
    symbols: list[np.ndarray[Any, Any]], span: int
) -> None:
    events = interleave(symbols, MINUTE, [span])
    timers = set(events["ts"][events["kind"] == Kind.TIMER].tolist())
    due = set()
    for rows in symbols:
        for bucket in set((rows["ts"] // span).tolist()):
            over = (bucket + 1) * span
            if rows.dtype != Bar.dtype or over - MINUTE not in rows["ts"]:
                due.add(over)
    assert timers == due


@pytest.mark.parametrize(
    ("name", "symbol", "count"),
    [
        ("ohlcv/bitfinex_spot_BTCUSD_1m_2018.parquet", "BTC/USD", 520_499),
        ("ohlcv/binance_spot_ETH_USDT_1m_2024-07-26_2024-08-25.parquet", "ETH/USDT", 43_207),
        ("trades/binance_spot_XRP_ETH_aggtrades_2019-10.parquet", "XRP/ETH", 12_477),
    ],
)
def test_real_files_load(name: str, symbol: str, count: int, shared: Path) -> None:
    recording = Tape(files={symbol: str(shared / name)}).load((symbol,), (MINUTE, HOUR))
    events = recording.events
    assert (events["kind"] != Kind.TIMER).sum() == count
    assert (np.diff(events["ts"]) >= 0).all()


def test_a_timer_ends_each_minute_with_trades(shared: Path) -> None:
    path = shared / "trades/binance_spot_XRP_ETH_aggtrades_2019-10.parquet"
    events = Tape(files={"XRP/ETH": str(path)}).load(("XRP/ETH",), (MINUTE,)).events
    assert (events["kind"] == Kind.TIMER).sum() == 2_469


def test_tables_in_memory_are_a_recording_too(bars: Make, save: Save) -> None:
    columns = bars(5)
    tape = Tape(files={"A/B": save("a.parquet", columns)})
    recording = tape.load(("A/B",), (MINUTE,))
    for table in (columns, pa.table(columns), recording.bars["A/B"], pd.DataFrame(columns)):
        again = from_bars({"A/B": table}, ("A/B",), (MINUTE,), "1m")
        assert (again.events == recording.events).all()
        assert again.sha256 == recording.sha256
