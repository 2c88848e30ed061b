"""What happens to a running engine: a store that is locked, a full disk, a clock that is set back,
a strategy that fails.
"""

import asyncio
import importlib
import resource
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine import clock
from engine.core.assemble import layout
from engine.core.machine import Compiled
from engine.errors import StoreBroken
from engine.live import run as live
from engine.settings import build
from engine.store import writer
from engine.store.database import open_engine
from tests.golden import golden
from tests.system.left import different, unsound
from tests.unit.live.conftest import Seen
from tests.unit.live.engines import (
    END,
    STOP,
    answered,
    command,
    copied,
    events,
    holds,
    refusal,
    said,
    settings,
    standing,
    trade,
)


@pytest.fixture
def folder(left: dict[str, Path], tmp_path: Path) -> Path:
    """Return a copy of what an engine left that holds something."""
    return copied(left["stopped"], tmp_path / "var")


# ── the store and the disk ────────────────────────────────────────────────────────────────────


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    with closing(sqlite3.connect(folder / "engine.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an engine wait for a lock no longer than a test can."""
    monkeypatch.setattr(live, "open_engine", partial(open_engine, patience_ms=50))


@pytest.mark.usefixtures("impatient")
def test_a_store_that_is_locked_for_long_while_it_runs(
    folder: Path, undisturbed: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOCKED_SECONDS_MAX", 0.2)

    async def run() -> None:
        async with standing(folder) as engine:
            await answered(folder, command(folder, "pause", "nobody"))
            with locked(folder):
                command(folder, "pause", "nobody")
                await asyncio.wait([engine])

    with pytest.raises(StoreBroken) as broken:
        asyncio.run(asyncio.wait_for(run(), 10.0))
    golden("live/locked_meanwhile.txt", str(broken.value).replace(str(folder), "var"))
    trade(folder, END)
    assert list(different(holds(folder), undisturbed())) == []


@pytest.mark.usefixtures("impatient")
def test_a_store_that_is_locked_for_a_moment_while_it_runs(folder: Path, undisturbed: Seen) -> None:
    async def run() -> None:
        async with standing(folder) as engine:
            await answered(folder, command(folder, "pause", "nobody"))
            with locked(folder):
                number = command(folder, "pause", "nobody")
                await asyncio.wait([engine], timeout=0.5)  # which some attempts do not end
                assert not engine.done()
            await answered(folder, number)

    asyncio.run(asyncio.wait_for(run(), 10.0))
    trade(folder, END)
    assert list(different(holds(folder), undisturbed())) == []


def test_a_file_that_may_not_grow(folder: Path, undisturbed: Seen) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = holds(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (420_000, limit[1]))
    try:
        told = refusal(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    full = "store" if "engine.db" in told else "journal"  # whichever comes to it first
    golden(f"live/{full}_too_large.txt", told)
    assert before.tables["signal"] == holds(folder).tables["signal"][: len(before.tables["signal"])]
    trade(folder, END)
    found = holds(folder)
    assert list(different(found, undisturbed())) == []
    assert list(unsound(found)) == []


def test_what_is_not_compiled_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANQUANT_CACHE", str(tmp_path / "cold"))
    golden("live/cold_cache.txt", refusal(tmp_path / "var"))
    assert not (tmp_path / "var").exists()


# ── the clock ─────────────────────────────────────────────────────────────────────────────────


def test_a_clock_that_is_set_back_is_told(folder: Path) -> None:
    step = 0

    async def run() -> None:
        nonlocal step
        async with standing(folder, wall=lambda: clock.now_ms() + step) as engine:
            await answered(folder, command(folder, "pause", "nobody"))
            await asyncio.wait([engine], timeout=0.15)  # for the guard to look once
            step = -3_600_000
            while not events(holds(folder), "clock"):
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(run(), 10.0))
    (sentence,) = events(holds(folder), "clock")
    assert sentence.startswith("the clock was set back by 36")
    trade(folder, END)
    assert list(unsound(holds(folder))) == []


# ── a strategy that fails ─────────────────────────────────────────────────────────────────────

BRITTLE = '''
from engine.core.compile.declare import Strategy


class Brittle(Strategy):
    """Is in and out by turns."""

    tags = {1: "in", 2: "out"}

    class State:
        count: int

    def step(p, s, bar, out):
        s.count += 1
        DEFECT
        out.target = 1.0 if s.count % 10 < 5 else 0.0
        out.tag = 1 if s.count % 10 < 5 else 2
'''
DEFECTS = {
    "raises": "if s.count == 93 and bar.close > 10000.0: out.target = 1 / (s.count - 93)",
    "not a number": "if s.count == 93 and bar.close > 10000.0: out.target = float('nan'); return",
}
LATER = "2024-01-01T04:00"
MENDED = "out.target = out.target"


WITH_BRITTLE = ("plugins=[desk]", "strategy=[ema_cross,rsi_reversion,brittle]")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that writes and compiles a strategy of one's own with a defect."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    declared = tmp_path / "conf" / "strategy" / "brittle.yaml"
    declared.parent.mkdir(parents=True)
    declared.write_text("brittle:\n  _target_: desk.Brittle\n")

    def desk(defect: str) -> None:
        (tmp_path / "desk.py").write_text(BRITTLE.replace("DEFECT", defect))
        sys.modules.pop("desk", None)
        importlib.invalidate_caches()
        Compiled(layout(build(settings(tmp_path, END, *WITH_BRITTLE))))

    return desk


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_strategy_that_fails_is_left_out_until_it_is_mended(
    defect: str, desk: Callable[[str], None], tmp_path: Path, undisturbed: Seen
) -> None:
    folder = tmp_path / "var"

    def signals(symbol: str) -> list[Any]:
        rows = said(holds(folder), "signal", "brittle", "symbol", "ts")
        return [row for row in rows if row[0] == symbol]

    desk(DEFECTS[defect])
    trade(folder, STOP, *WITH_BRITTLE)
    left = signals("BTC/USDT")
    trade(folder, LATER, *WITH_BRITTLE)
    assert signals("BTC/USDT") == left
    assert len(signals("ETH/USDT")) > len(left)
    found = holds(folder)
    told = [*events(found, "failure"), *events(found, "recovery")]
    golden("live/failure.txt", "\n".join(told))

    desk(MENDED)
    trade(folder, END, *WITH_BRITTLE)
    assert len(signals("BTC/USDT")) > len(left) + 5
    found = holds(folder)
    assert "brittle on BTC/USDT: began anew, warmed up on 12h." in events(found, "recovery")
    for instance in ("ema_cross", "rsi_reversion"):
        for table in ("signal", "fill"):
            wanted = said(undisturbed(), table, instance, "ts", "symbol", "price")
            assert said(found, table, instance, "ts", "symbol", "price") == wanted
    assert list(unsound(found)) == []


def test_a_strategy_that_fails_while_it_is_warmed_up(
    desk: Callable[[str], None], left: dict[str, Path], tmp_path: Path, undisturbed: Seen
) -> None:
    folder = copied(left["killed"], tmp_path / "var")
    desk(DEFECTS["raises"].replace("93", "3"))
    trade(folder, END, *WITH_BRITTLE)
    found = holds(folder)
    golden("live/failure_on_history.txt", "\n".join(events(found, "recovery")[-2:]))
    assert not events(found, "failure")
    assert {symbol for (symbol,) in said(found, "signal", "brittle", "symbol")} == {"ETH/USDT"}
    wanted = said(undisturbed(), "fill", "ema_cross", "ts", "symbol", "price")
    assert said(found, "fill", "ema_cross", "ts", "symbol", "price") == wanted
