"""Bars from the journal: of a real run, while it is written, and of journals that are damaged."""

import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.records import Bar, Event, Kind
from engine.store.bars import Bars, gathered
from engine.store.journal import Journal, Run, begin, read
from engine.store.segment import segments
from tests.unit.live.engines import trade
from tests.unit.store.journaled import garble, only

MINUTE = 60_000
HOUR = 60 * MINUTE
X = "X/USD"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what an engine left that traded two symbols for six hours, tick by tick."""
    made = tmp_path_factory.mktemp("engine") / "var"
    trade(made)
    return made


@pytest.mark.parametrize("span", [MINUTE, 5 * MINUTE, HOUR, 24 * HOUR])
@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/USDT"])
def test_the_bars_of_a_run_are_what_its_ticks_say(folder: Path, symbol: str, span: int) -> None:
    (run,) = [path.name for path in (folder / "journal").iterdir()]
    index = ["BTC/USDT", "ETH/USDT"].index(symbol)
    prices: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for rows in read(folder / "journal", run):
        for event in rows[(rows["kind"] == Kind.TICK) & (rows["symbol"] == index)]:
            bar = event["bar"]
            prices[bar["ts"] // span * span].append((float(bar["close"]), float(bar["volume"])))
    wanted = []
    for ts, ticks in sorted(prices.items()):
        said = [price for price, _ in ticks]
        wanted.append((ts, said[0], max(said), min(said), said[-1], sum(v for _, v in ticks)))
    found = Bars(folder / "journal").of(symbol, span, 10_000)
    assert len(wanted) == len(found.bars) > 0
    for row, bar in zip(wanted, found.bars.tolist(), strict=True):
        assert bar == pytest.approx(row, rel=1e-12)
    assert not found.is_cut
    assert found.trouble is None


def test_it_names_the_symbols_that_were_traded(folder: Path) -> None:
    assert Bars(folder / "journal").symbols() == ["BTC/USDT", "ETH/USDT"]


# ── a journal of the test's own ───────────────────────────────────────────────────────────────


def ticks(first: int, *prices: float, minute: int = 0) -> Any:
    """Return one tick of X/USD each minute."""
    events = np.zeros(len(prices), Event.dtype)
    events["kind"] = Kind.TICK
    events["seq"] = np.arange(first, first + len(prices))
    events["ts"] = events["bar"]["ts"] = (minute + np.arange(len(prices))) * MINUTE
    for name in ("open", "high", "low", "close"):
        events["bar"][name] = prices
    events["bar"]["volume"] = 1.0
    return events


def journaled(root: Path, name: str, first: int = 0, begun: int = 0, **given: Any) -> Journal:
    """Begin a run and return its journal."""
    described = Run(name, given.get("continues"), first, begun, given.get("symbols", (X,)))
    return Journal(begin(root, described), given.get("segment_bytes", 64 << 20))


def closes(bars: Bars, **given: Any) -> list[float]:
    """Return the close of each minute."""
    found = bars.of(X, MINUTE, given.pop("count", 1_000), **given)
    return [float(close) for close in found.bars["close"]]


def test_it_goes_on_with_what_is_appended_and_reads_nothing_twice(tmp_path: Path) -> None:
    journal = journaled(tmp_path, "a")
    journal.append(ticks(0, 1.0, 2.0))
    bars = Bars(tmp_path)
    assert closes(bars) == [1.0, 2.0]
    garble(only(tmp_path / "a"), 20)  # in the first frame, which it has read
    journal.append(ticks(2, 5.0, 3.0, minute=1))  # the forming minute goes on
    assert closes(bars) == [1.0, 5.0, 3.0]
    assert bars.of(X, MINUTE, 3).bars["volume"].tolist() == [1.0, 2.0, 1.0]
    journal.close()


def test_a_half_written_frame_is_waited_for(tmp_path: Path) -> None:
    journal = journaled(tmp_path, "a")
    journal.append(ticks(0, 1.0))
    path = only(tmp_path / "a")
    journal.append(ticks(1, 2.0, minute=1))
    whole = path.read_bytes()
    bars = Bars(tmp_path)
    path.write_bytes(whole[:-1])
    assert closes(bars) == [1.0]
    path.write_bytes(whole)
    assert closes(bars) == [1.0, 2.0]
    journal.close()


def test_a_segment_is_compressed_between_two_looks(tmp_path: Path) -> None:
    journal = journaled(tmp_path, "a", segment_bytes=1)
    journal.append(ticks(0, 1.0, 2.0))
    bars = Bars(tmp_path)
    assert closes(bars) == [1.0, 2.0]
    journal.append(ticks(2, 3.0, minute=2))
    journal.close()  # which compresses
    (segment,) = segments(tmp_path / "a")
    assert segment.is_compressed
    assert closes(bars) == [1.0, 2.0, 3.0]


def test_no_file_is_missed_while_it_is_compressed(tmp_path: Path) -> None:
    journal = journaled(tmp_path, "a", segment_bytes=1)
    journal.append(ticks(0, 0.0))
    bars, count = Bars(tmp_path), 150

    def write() -> None:
        for k in range(1, count):
            journal.append(ticks(k, float(k), minute=k))
            journal.sync()
        journal.close()

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        found = bars.of(X, MINUTE, count)
        assert found.trouble is None
        assert found.bars["close"].tolist() == [float(k) for k in range(len(found.bars))]
    assert len(closes(bars)) == count


def test_what_is_over_is_not_opened_again(tmp_path: Path) -> None:
    segmented(tmp_path)
    bars = Bars(tmp_path)
    assert len(closes(bars)) == 6
    for segment in segments(tmp_path / "a"):
        segment.path.write_bytes(b"garbled")
    assert len(closes(bars)) == 6


def test_a_price_that_comes_late_belongs_to_its_minute(tmp_path: Path) -> None:
    journal = journaled(tmp_path, "a")
    events = ticks(0, 1.0, 2.0, 3.0, 4.0)
    events["bar"]["ts"] = np.array((0, 1, 0, 2)) * MINUTE
    journal.append(events)
    assert closes(Bars(tmp_path)) == [3.0, 2.0, 4.0]
    journal.close()


def test_a_later_run_takes_over_where_it_begins(tmp_path: Path) -> None:
    before = journaled(tmp_path, "a")
    before.append(ticks(0, 1.0, 2.0, 99.0, 98.0))  # killed before the last two were committed
    bars = Bars(tmp_path)
    assert closes(bars) == [1.0, 2.0, 99.0, 98.0]
    after = journaled(tmp_path, "b", first=2, begun=1)  # edited: it goes on from no run
    after.append(ticks(2, 3.0, minute=2))
    assert closes(bars) == [1.0, 2.0, 3.0]
    assert closes(Bars(tmp_path)) == [1.0, 2.0, 3.0]
    before.close()
    after.close()


def test_of_a_store_that_began_anew_the_older_one_does_not_count(tmp_path: Path) -> None:
    for begun, (name, first, price) in enumerate((("a", 0, 1.0), ("b", 2, 3.0), ("c", 0, 7.0))):
        journal = journaled(tmp_path, name, first, begun)
        journal.append(ticks(first, price, price + 1.0, minute=first))
        journal.close()
    bars = Bars(tmp_path).of(X, MINUTE, 9).bars
    assert bars.tolist() == [(0, 7.0, 7.0, 7.0, 7.0, 1.0), (MINUTE, 8.0, 8.0, 8.0, 8.0, 1.0)]


def test_symbols_are_found_by_name_in_whatever_place_a_run_has_them(tmp_path: Path) -> None:
    first = journaled(tmp_path, "a", symbols=("Y/USD", X))
    events = ticks(0, 5.0, 1.0)
    events["symbol"] = (0, 1)
    first.append(events)
    later = journaled(tmp_path, "b", first=2, begun=1)
    later.append(ticks(2, 2.0, minute=2))
    bars = Bars(tmp_path)
    assert closes(bars) == [1.0, 2.0]
    assert bars.of("Y/USD", MINUTE, 9).bars["close"].tolist() == [5.0]
    assert bars.symbols() == [X, "Y/USD"]
    assert len(bars.of("Z/USD", MINUTE, 9).bars) == 0
    first.close()
    later.close()


def test_so_many_bars_before_a_time(tmp_path: Path) -> None:
    journal = journaled(tmp_path, "a")
    journal.append(ticks(0, *map(float, range(10))))
    bars = Bars(tmp_path)
    assert closes(bars, count=3) == [7.0, 8.0, 9.0]
    assert closes(bars, count=3, until=7 * MINUTE) == [4.0, 5.0, 6.0]
    fives = bars.of(X, 5 * MINUTE, 1).bars
    assert fives.tolist() == [(5 * MINUTE, 5.0, 9.0, 5.0, 9.0, 5.0)]
    journal.close()


def segmented(root: Path) -> Path:
    """Write a run of three compressed segments with two minutes each; return its folder."""
    journal = journaled(root, "a", segment_bytes=1)
    for k in range(3):
        journal.append(ticks(2 * k, 2.0 * k, 2.0 * k + 1.0, minute=2 * k))
        journal.sync()
    journal.close()
    return root / "a"


def test_what_is_older_than_asked_for_is_not_read(tmp_path: Path) -> None:
    first, *_ = segments(segmented(tmp_path))
    first.path.write_bytes(b"garbled")
    bars = Bars(tmp_path)
    found = bars.of(X, MINUTE, 4)
    assert found.bars["close"].tolist() == [2.0, 3.0, 4.0, 5.0]
    assert found.trouble is None


def test_what_cannot_be_read_is_said_beside_what_can(tmp_path: Path) -> None:
    first, *_ = segments(segmented(tmp_path))
    first.path.write_bytes(b"garbled")
    found = Bars(tmp_path).of(X, MINUTE, 5)
    assert found.bars["close"].tolist() == [2.0, 3.0, 4.0, 5.0]
    assert found.trouble is not None
    assert "must hold whole events from 0 on" in found.trouble


def test_a_garbled_frame_in_the_middle_is_said(tmp_path: Path) -> None:
    journal = journaled(tmp_path, "a")
    journal.append(ticks(0, 1.0))
    journal.append(ticks(1, 2.0, minute=1))
    path = only(tmp_path / "a")
    garble(path, path.stat().st_size - 1)
    last = path.with_name(f"{2:016d}.events")
    other = journaled(tmp_path / "other", "a", first=2)
    other.append(ticks(2, 3.0, minute=2))
    last.write_bytes(only(tmp_path / "other" / "a").read_bytes())
    found = Bars(tmp_path).of(X, MINUTE, 9)
    assert found.bars["close"].tolist() == [3.0]
    assert found.trouble is not None
    assert "must hold whole events from 1 on" in found.trouble
    journal.close()
    other.close()


def test_a_run_of_another_release_is_said(tmp_path: Path) -> None:
    segmented(tmp_path)
    old = begin(tmp_path, Run("old", None, 0, -1, (X,)))
    (old / "run.json").write_text((old / "run.json").read_text().replace("'span'", "'length'"))
    found = Bars(tmp_path).of(X, MINUTE, 9)
    assert found.bars["close"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert found.trouble is not None
    assert "must be of a release with the same events" in found.trouble


def test_a_long_journal_is_read_in_several_looks(tmp_path: Path) -> None:
    segmented(tmp_path)
    bars = Bars(tmp_path, read_bytes_max=1)
    looks = [bars.of(X, MINUTE, 6) for _ in range(4)]
    assert [look.bars["close"].tolist() for look in looks] == [
        [4.0, 5.0],
        [2.0, 3.0, 4.0, 5.0],
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    ]
    assert [look.is_cut for look in looks] == [True, True, False, False]


def test_what_has_expired_is_forgotten(tmp_path: Path) -> None:
    first, *_ = segments(segmented(tmp_path))
    bars = Bars(tmp_path)
    assert len(closes(bars)) == 6
    first.path.unlink()
    assert closes(bars) == [2.0, 3.0, 4.0, 5.0]


def test_without_a_journal_there_are_no_bars(tmp_path: Path) -> None:
    bars = Bars(tmp_path / "none")
    found = bars.of(X, MINUTE, 9)
    assert (len(found.bars), found.is_cut, found.trouble) == (0, False, None)
    assert bars.symbols() == []


def test_commands_and_timers_have_no_price(tmp_path: Path) -> None:
    journal = journaled(tmp_path, "a")
    events = ticks(0, 1.0, 0.0, 0.0, 2.0)
    events["kind"] = (Kind.TICK, Kind.TIMER, Kind.PAUSE, Kind.BAR)
    journal.append(events)
    assert closes(Bars(tmp_path)) == [1.0, 2.0]
    journal.close()


@settings(max_examples=50)
@given(st.lists(st.integers(0, 30), max_size=40), st.integers(0, 40))
def test_parts_gathered_are_the_whole_gathered(minutes: list[int], cut: int) -> None:
    rows = np.zeros(len(minutes), Bar.dtype)
    rows["ts"] = np.array(sorted(minutes), np.int64) * MINUTE // 4
    for k, name in enumerate(("open", "high", "low", "close", "volume")):
        rows[name] = np.arange(len(rows)) % 7 + k
    whole = gathered(rows, 5 * MINUTE)
    parts = [gathered(part, MINUTE) for part in (rows[:cut], rows[cut:])]
    assert gathered(np.concatenate(parts), 5 * MINUTE).tolist() == whole.tolist()
