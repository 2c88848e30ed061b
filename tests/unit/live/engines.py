"""A live engine in a folder of its own, in this process or as one that can be killed."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import clock
from engine.api import compose
from engine.errors import ChanQuantError
from engine.live.run import run
from engine.live.snapshot import Former
from engine.settings import Settings
from engine.store import journal, queries
from engine.store.database import open_panel, read_only
from engine.store.tables import Row
from engine.store.writer import ask
from tests.system.left import CASH, Held, held

Clock = Callable[[], int]  # UTC milliseconds

ROOT = Path(__file__).parents[3]
STOP = "2024-01-01T03:00:00.001"  # right behind the timer that closes the bars
END = "2024-01-01T06:00"
EVENTS = 512  # of a chunk of an engine that is to be killed, so that it commits often
OVERRIDES = (
    "mode=paper",
    f'account.cash="{CASH}"',
    "universe.symbols=[BTC/USDT,ETH/USDT]",
    "strategy=[ema_cross,rsi_reversion]",
    "sizing=fixed",
    "sizing.quantity=0.01",
    "strategy.rsi_reversion.length=7",
    "risk=[order_notional]",
    "feed.start='2024-01-01'",
    "feed.history=12h",
    "telemetry.port=null",
)


def typed(folder: Path, end: str, *more: str) -> list[str]:
    """Return what is typed for an engine whose market ends at `end`, as fast as it is read."""
    return [
        *OVERRIDES,
        "feed.speed=null",
        f"feed.end='{end}'",
        f"store.directory={folder}",
        *more,
    ]


def settings(folder: Path, end: str = END, *more: str) -> Settings:
    """Return what is typed, composed."""
    return compose(typed(folder, end, *more))


def trade(
    folder: Path, end: str = END, *more: str, is_safe: bool = False, wall: Clock = clock.now_ms
) -> None:
    """Run an engine until its market ends."""
    asyncio.run(run(settings(folder, end, *more), is_safe, wall))


def kill(folder: Path, failpoint: str, end: str = END, *more: str) -> None:
    """Run an engine as a process of its own until a failpoint kills it."""
    program = (
        "import sys; from engine.__main__ import main; from engine.feeds import synthetic;"
        f"synthetic.CHUNK = {EVENTS}; sys.exit(main())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "run", *typed(folder, end, *more)],
        cwd=ROOT,
        env=os.environ | {"CHANQUANT_FAILPOINT": failpoint},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr


def refusal(folder: Path, *more: str, wall: Clock = clock.now_ms) -> str:
    """Return exit code and sentences of an engine that does not start, or does not go on."""
    with pytest.raises(ChanQuantError) as refused:
        trade(folder, END, *more, wall=wall)
    told = f"exit {refused.value.exit_code}\n{refused.value}".replace(str(folder), "var")
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(-\d+)?Z?", "RUN", told)


@asynccontextmanager
async def standing(
    folder: Path, *more: str, wall: Clock = clock.now_ms
) -> AsyncIterator[asyncio.Task[None]]:
    """Have an engine whose market stands nearly still, and stop it as a service manager does."""
    task = asyncio.create_task(run(settings(folder, END, "feed.speed=1e-6", *more), wall=wall))
    yield task
    if not task.done():
        os.kill(os.getpid(), signal.SIGTERM)
    await task


async def answered(folder: Path, number: int) -> Row:
    """Return what a running engine answers to a command."""
    database = read_only(folder)
    while True:
        with database.connect() as connection:
            if found := queries.answer(connection, number):
                database.dispose()
                return found
        await asyncio.sleep(0.02)


def command(folder: Path, action: str, instance: str | None = None, **more: Any) -> int:
    """Store a command as `chanquant do` does; return its number."""
    panel = open_panel(folder)
    row = {"ts": 0, "who": "a trader", "action": action, "instance": instance, "symbol": None}
    row |= {"reason": "a test", "key": str(clock.nanoseconds())} | more
    number = ask(panel, row)
    panel.dispose()
    return number


def told(folder: Path, action: str, instance: str | None = None, **more: Any) -> Row:
    """Start an engine for one command, and return its answer."""
    number = command(folder, action, instance, **more)

    async def start() -> Row:
        async with standing(folder):
            return await answered(folder, number)

    return asyncio.run(start())


# ── what a folder holds ───────────────────────────────────────────────────────────────────────


def copied(folder: Path, to: Path) -> Path:
    """Return a copy of what an engine left."""
    shutil.copytree(folder, to)
    return to


def holds(folder: Path) -> Held:
    """Return what a store holds, with the events of all its runs."""
    events: dict[int, tuple[int, int, int]] = {}
    for one in sorted((folder / "journal").iterdir()):
        for rows in journal.read(folder / "journal", one.name):
            words = (rows["seq"], rows["ts"], rows["kind"], rows["bar"]["ts"])
            seqs, *others = (word.tolist() for word in words)
            events |= dict(zip(seqs, zip(*others, strict=True), strict=True))
    return Held(held(folder).tables, events)


def known(found: Held, instance: str) -> dict[str, tuple[Any, ...]]:
    """Return symbol → the words that a strategy knows, and its wish, of the newest snapshot."""
    sections = json.loads(found.tables["snapshot"][-1]["sections"])
    words, states = np.frombuffer(found.block, np.int64), {}
    for symbol, book in books(found, instance).items():
        at, count = int(book["state"]), sections["words"][int(book["instance"])]
        states[symbol] = (words[at : at + count].tolist(), book["wish"].tolist())
    return states


def books(found: Held, instance: str) -> dict[str, Any]:
    """Return symbol → the book of an instance in the newest snapshot."""
    sections = json.loads(found.tables["snapshot"][-1]["sections"])
    rows = Former(np.frombuffer(found.block, np.int64), sections).table("books")
    keys = zip(sections["books"], rows, strict=True)
    return {symbol: row for (name, symbol, *_), row in keys if name == instance}


def said(found: Held, table: str, instance: str, *columns: str) -> list[tuple[Any, ...]]:
    """Return the columns of all rows of an instance."""
    rows = [row for row in found.tables[table] if row["instance"] == instance]
    return [tuple(row[column] for column in columns) for row in rows]


def events(found: Held, kind: str) -> list[str]:
    """Return the sentences of a kind that the engine has stored."""
    return [row["sentence"] for row in found.tables["event"] if row["kind"] == kind]
