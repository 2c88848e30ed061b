"""A journal is replayed as it was written."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.api import compose
from engine.core.records import Event
from engine.errors import ConfigError, DataError
from engine.feeds.journal import Journal
from engine.store import journal
from tests.market import MINUTE, random_bars

SYMBOLS = ("X/USD", "Y/USD")


def record(root: Path, run: str, continues: str | None, events: Any, first: int = 0) -> Any:
    """Journal events as a run that begins with seq `first`; return them with their seq."""
    events = events.copy()
    events["seq"] = np.arange(first, first + len(events))
    folder = journal.begin(root / "journal", journal.Run(run, continues, first, 0, SYMBOLS))
    written = journal.Journal(folder)
    for event in range(0, len(events), 7):
        written.append(events[event : event + 7])
    written.close()
    return events


def test_all_that_a_run_went_on_from_is_replayed(tmp_path: Path) -> None:
    bars = random_bars(300, seed=1)
    record(tmp_path, "one", None, bars[:100])
    later = record(tmp_path, "two", "one", bars[100:], first=100)
    found = Journal("two", str(tmp_path)).load(SYMBOLS, (MINUTE,))
    assert found.events.tobytes() == bars.tobytes()
    assert found.sha256 == hashlib.sha256(bars.tobytes()).hexdigest()
    assert found.warnings == []
    assert {symbol: len(rows) for symbol, rows in found.bars.items()} == {"X/USD": 0, "Y/USD": 0}
    assert later["seq"][0] == 100


def test_a_run_that_began_anew_keeps_its_seq(tmp_path: Path) -> None:
    record(tmp_path, "one", None, random_bars(10, seed=1))
    events = record(tmp_path, "two", None, random_bars(20, seed=2), first=10)
    found = Journal("two", str(tmp_path)).load(SYMBOLS, (MINUTE,))
    assert found.events.tobytes() == events.tobytes()


@pytest.mark.parametrize(
    ("symbols", "shown"),
    [(("X/USD",), "X/USD"), (("Y/USD", "X/USD"), "Y/USD, X/USD")],
)
def test_other_symbols_are_refused(tmp_path: Path, symbols: tuple[str, ...], shown: str) -> None:
    record(tmp_path, "one", None, random_bars(10, seed=1))
    with pytest.raises(ConfigError) as refused:
        Journal("one", str(tmp_path)).load(symbols, (MINUTE,))
    assert str(refused.value) == (
        "universe.symbols: must be those of run one, in its order, X/USD, Y/USD, were"
        f" {shown}. Correct them."
    )


def test_all_wrong_parameters_are_told_at_once(tmp_path: Path) -> None:
    record(tmp_path, "20261122-one", None, random_bars(10, seed=1))
    with pytest.raises(ConfigError) as refused:
        Journal("20261122-own", str(tmp_path), "1x").load(SYMBOLS, (MINUTE,))
    timeframe, run = refused.value.problems
    assert timeframe.startswith("feed.timeframe: ")
    assert run == (
        f"feed.run: must name a run in {tmp_path / 'journal'}, was 20261122-own, did you mean"
        " 20261122-one? Correct it; the latest is 20261122-one."
    )


def test_a_store_without_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"was one. Correct it; there is none yet."):
        Journal("one", str(tmp_path)).load(SYMBOLS, (MINUTE,))


def test_a_run_without_events_is_refused(tmp_path: Path) -> None:
    record(tmp_path, "one", None, np.empty(0, Event.dtype))
    with pytest.raises(DataError, match=r"one: must hold events, holds none. Choose another run."):
        Journal("one", str(tmp_path)).load(SYMBOLS, (MINUTE,))


def test_a_beginning_that_has_expired_is_refused(tmp_path: Path) -> None:
    record(tmp_path, "two", "one", random_bars(10, seed=1), first=5)
    with pytest.raises(DataError, match="must be whole from its beginning, goes on from one"):
        Journal("two", str(tmp_path)).load(SYMBOLS, (MINUTE,))


def test_it_is_chosen_by_name(tmp_path: Path) -> None:
    given = ["feed=journal", "feed.run=one", "universe.symbols=[X/USD]", "strategy=[ema_cross]"]
    feed = compose([*given, f"store.directory={tmp_path}"]).feed
    assert feed == Journal("one", str(tmp_path), "1m")
