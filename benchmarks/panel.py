"""How soon the panel answers with a million fills and signals in the store, and what it costs.

50 requests a second over all pages, in even steps, while 100 streams are open; then the engine's
step latency with and without such a load beside it, in pairs.
"""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import numpy as np

from benchmarks import live
from benchmarks.line import Line
from engine import clock
from engine.store.database import open_panel
from web.accounts import By, add

ROOT = Path(__file__).parents[1]
ROWS = 1_000_000
RATE = 50  # requests a second
STREAMS = 100
SECONDS = 12.0
PAIR_SECONDS = 30.0
NAME, PASSWORD = "reader", "a password of the benchmark"
PAGES = (
    *("/", "/positions", "/orders", "/signals", "/trades", "/chart", "/events", "/system"),
    *("/trades?sort=best", "/signals?instance=past", "/orders?symbol=BTC%2FUSDT"),
)
MADE = {  # table → what its rows hold besides seq, ordinal, run, ts, instance and symbol
    "signal": {
        "target": "1.0", "price": "60000.5", "tag": "up_cross", "config_hash": "{hash}",
        "code_version": "0",
    },
    "decision": {"approved": 1, "quantity": "0.1"},
    "fill": {
        "order_id": "{seq}", "quantity": "0.1", "price": "60000.5", "fee": "6.1",
        "position": "0.1", "cash": "1000", "reason": "signal",
    },
}  # fmt: skip


def full(folder: Path) -> Path:
    """Make a store that a day of trading and a million older rows of each table are in."""
    typed = [
        "feed.start='2024-01-01'",
        "feed.end='2024-01-02'",
        "feed.speed=null",
        f"store.directory={folder}",
        "telemetry.port=null",
    ]
    subprocess.run([sys.executable, "-m", "engine", "run", *typed], check=True, cwd=ROOT)
    connection = sqlite3.connect(folder / "engine.db")
    run, config = connection.execute("select id, config_hash from run").fetchone()
    for table, more in MADE.items():
        names = ["seq", "ordinal", "run", "ts", "instance", "symbol", *more]
        values = [config if v == "{hash}" else v for v in more.values()]
        rows = (
            (-n, 0, run, -n, "past", "BTC/USDT", *(n if v == "{seq}" else v for v in values))
            for n in range(ROWS, 0, -1)
        )
        marks = ", ".join("?" * len(names))
        connection.executemany(f"insert into {table} ({', '.join(names)}) values ({marks})", rows)
    connection.commit()
    connection.close()
    return folder


@contextmanager
def panel(folder: Path) -> Iterator[str]:
    """Run a panel over a store as a process of its own; yield its address."""
    store = open_panel(folder)
    add(store, NAME, "admin", PASSWORD, By("benchmark", "-"))
    store.dispose()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    typed = [f"web.port={port}", f"store.directory={folder}", "telemetry.port=null"]
    process = subprocess.Popen([sys.executable, "-m", "engine", "panel", *typed], cwd=ROOT)
    address = f"http://127.0.0.1:{port}"
    patience_ends = clock.seconds() + 30.0
    while not _answers(address):
        assert clock.seconds() < patience_ends, "the panel does not start"
        time.sleep(0.05)
    yield address
    process.send_signal(signal.SIGTERM)
    process.wait()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz").is_success
    except httpx.HTTPError:
        return False


@asynccontextmanager
async def reader(address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Log in as a person does."""
    limits = httpx.Limits(max_connections=STREAMS + RATE)
    headers = {"Origin": address}
    async with httpx.AsyncClient(
        base_url=address, limits=limits, headers=headers, timeout=30.0
    ) as client:
        entered = await client.post("/login", data={"name": NAME, "password": PASSWORD})
        assert entered.status_code == 303, entered.text
        client.headers["Cookie"] = entered.headers["set-cookie"].partition(";")[0]
        yield client


async def load(address: str, seconds: float) -> list[float]:
    """Ask for pages at an even rate while streams are open; return the seconds of each answer."""
    async with reader(address) as client:
        opened = asyncio.Semaphore(0)
        streams = [asyncio.create_task(listen(client, opened)) for _ in range(STREAMS)]
        for _ in streams:
            await opened.acquire()
        took: list[float] = []

        async def ask(path: str) -> None:
            begun = clock.seconds()
            (await client.get(path)).raise_for_status()
            took.append(clock.seconds() - begun)

        asked = []
        for n in range(round(seconds * RATE)):
            asked.append(asyncio.create_task(ask(PAGES[n % len(PAGES)])))
            await asyncio.sleep(1 / RATE)
        await asyncio.gather(*asked)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    return took


async def listen(client: httpx.AsyncClient, opened: asyncio.Semaphore) -> None:
    """Keep a stream of the first page open; say when it is."""
    async with client.stream("GET", "/live/overview") as answer:
        answer.raise_for_status()
        opened.release()
        async for _ in answer.aiter_bytes():
            pass


def answers() -> Line:
    """Measure how soon pages are answered."""
    with tempfile.TemporaryDirectory() as name, panel(full(Path(name) / "var")) as address:
        asyncio.run(load(address, 2.0))  # warms up
        took = np.array(asyncio.run(load(address, SECONDS))) * 1e3
    median, p99 = np.percentile(took, [50, 99])
    return Line(
        f"panel, {RATE} requests/s, {STREAMS} streams, {ROWS:,} fills",
        f"median {median:.1f} ms, p99 {p99:.0f} ms",
        "under 30 ms, under 150 ms",
        bool(median < 30.0 and p99 < 150.0),
        binding=False,
    )


def pairs(count: int = 3) -> Line:
    """Measure the engine's step latency with and without a panel under load, in turns."""
    alone, beside = [], []
    for _ in range(count):
        alone.append(_step_p99(is_loaded=False))
        beside.append(_step_p99(is_loaded=True))
    change = float(np.median(np.array(beside) / np.array(alone))) - 1.0
    return Line(
        "engine beside the panel, p99 of a step",
        f"{np.median(alone):,.0f} us alone, {np.median(beside):,.0f} us beside, {change:+.0%}",
        "changes by less than 10 %",
        change < 0.1,
        binding=False,
    )


def _step_p99(is_loaded: bool) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = subprocess.Popen(
            live.command("ticks", PAIR_SECONDS, folder), stdout=subprocess.PIPE, cwd=ROOT
        )
        if is_loaded:
            while not (folder / "var" / "panel.db").exists():
                time.sleep(0.05)
            with panel(folder / "var") as address:
                readers = [sys.executable, "-m", "benchmarks.panel", address]
                subprocess.run([*readers, str(PAIR_SECONDS - 8.0)], check=True, cwd=ROOT)
        told, _ = engine.communicate()
    return float(json.loads(told)["step_p99_us"])


if __name__ == "__main__":
    os.nice(19)  # people's browsers run elsewhere: they must not take what is measured here
    asyncio.run(load(sys.argv[1], float(sys.argv[2])))
