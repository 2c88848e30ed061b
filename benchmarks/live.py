"""How soon a live engine says what it wants: 5,000 ticks/s, 50 symbols x 5 instances, on paper.

A minute of the market takes a second, so that bars close sixty times as often as in real time. In
`ticks` each bar is closed by the first tick behind it, one symbol at a time; in `minute` a timer
closes the bars of all 50 symbols at once. Waits are from the receipt of events to the hand-over of
the signals they caused to the writer.
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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.line import Line
from engine.api import compose
from engine.core.assemble import layout
from engine.core.machine import Compiled, Rows
from engine.core.records import Kind
from engine.feeds.synthetic import Synthetic
from engine.live.run import Live
from engine.live.shell import Shell
from engine.settings import Settings, build

ROOT = Path(__file__).parents[1]
SECONDS = {"ticks": 45.0, "minute": 20.0}
SYMBOLS = 50
FILLS = 1_000_000
STRATEGY = """
ema_{n}:
  _target_: engine.strategies.ema_cross.EmaCross
  fast: {n}
  slow: {slow}
"""


@dataclass(frozen=True)
class Ticks(Synthetic):
    """The synthetic market without its timers."""

    def after(self, symbols: Sequence[str], ts: int, skip: int = 0) -> Iterator[Rows]:
        """Yield its ticks."""
        for events in super().after(symbols, ts, skip):
            yield events[events["kind"] == Kind.TICK]


def settings(folder: Path) -> Settings:
    """Return the settings of the workload."""
    strategies = folder / "conf" / "strategy"
    strategies.mkdir(parents=True)
    for n in range(2, 7):
        text = STRATEGY.format(n=n, slow=2 * n)
        (strategies / f"ema_{n}.yaml").write_text(text)
    typed = [
        "mode=paper",
        f"universe.symbols=[{','.join(f'S{i}/USDT' for i in range(SYMBOLS))}]",
        "strategy=[ema_2,ema_3,ema_4,ema_5,ema_6]",
        "sizing.ratio=0.004",
        "risk.open_positions.count_max=250",
        "feed.interval_ms=600",
        "feed.speed=60",
        "feed.start='2024-01-01'",
        f"store.directory={folder / 'var'}",
    ]
    return compose(typed, folder / "conf")


async def measure(kind: str, seconds: float, folder: Path) -> dict[str, float]:
    """Run one workload in this process; return its figures.

    A step is one piece of the market, from its receipt until it is processed, signals or none.
    """
    with ExitStack() as stack:
        found = settings(folder)
        if kind == "ticks":
            feed = Ticks(interval_ms=600, speed=60.0, start="2024-01-01")
            found = found.model_copy(update={"feed": feed})
        Compiled(layout(build(found)))
        live = Live(found, stack)
        steps = timed(live.shell)
        asyncio.get_running_loop().call_later(seconds, os.kill, os.getpid(), signal.SIGTERM)
        await live.until_stopped(is_safe=False)
        waits = np.array(live.shell.waits) / 1e3
        memory = _peak_mb()
    p50, p99 = np.percentile(waits, [50, 99])
    step_p99 = np.percentile(steps[len(steps) // 4 :], 99) / 1e3  # the first quarter warms up
    return {
        "n": len(waits),
        "p50_us": p50,
        "p99_us": p99,
        "max_us": waits.max(),
        "step_p99_us": step_p99,
        "mb": memory,
    }


def timed(shell: Shell) -> list[int]:
    """Have a shell note how long each of its steps takes; return the list that it writes to, ns."""
    take, steps = shell.take, []

    async def take_timed(events: Rows, **more: bool) -> None:
        begun = time.perf_counter_ns()
        await take(events, **more)
        steps.append(time.perf_counter_ns() - begun)

    shell.take = take_timed
    return steps


def _peak_mb() -> float:
    """Return the peak memory of this program alone: getrusage counts what it was forked from."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def restart() -> float:
    """Return how long a start takes with a million fills in the store, until it trades again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        typed = [
            "feed.start='2024-01-01'",
            "feed.end='2024-01-02'",
            "feed.speed=null",
            f"store.directory={folder / 'var'}",
        ]
        command = [sys.executable, "-m", "engine", "run"]
        subprocess.run(
            [sys.executable, "-m", "engine", "compile", "mode=paper", *typed],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        subprocess.run([*command, *typed], check=True)
        _fill(folder / "var" / "engine.db")
        endless = [*typed[:1], "feed.speed=60", *typed[3:]]
        return min(_ready(folder, [*command, *endless]) for _ in range(3))


def _fill(path: Path) -> None:
    """Insert a million fills of the past."""
    with sqlite3.connect(path) as connection:
        (run,) = connection.execute("select run from progress").fetchone()
        same = ("0.1", "60000.5", "6.1", "0.1", "1000", "signal")
        rows = ((-n, 0, run, -n, "past", "BTC/USDT", n, *same) for n in range(FILLS, 0, -1))
        places = ", ".join("?" * 13)
        connection.executemany(
            "insert into fill (seq, ordinal, run, ts, instance, symbol, order_id, quantity, price,"
            f" fee, position, cash, reason) values ({places})",
            rows,
        )
    connection.close()


def _ready(folder: Path, command: list[str]) -> float:
    """Start an engine, wait until it says that it is ready, stop it; return the seconds."""
    address = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        begun = time.perf_counter()
        engine = subprocess.Popen(command, env=os.environ | {"NOTIFY_SOCKET": address})
        while b"READY=1" not in receiver.recv(4096):
            pass
        took = time.perf_counter() - begun
        engine.terminate()
        engine.wait()
    Path(address).unlink()
    return took


def lines() -> list[Line]:
    """Measure each workload in a process of its own, and a restart."""
    ticks, minute = _measured("ticks"), _measured("minute")
    names = ("a bar closed by a tick", "50 bars closed at once")
    again = restart()
    memory = max(ticks["mb"], minute["mb"])
    made = []
    for name, found, p50, p99 in ((names[0], ticks, 200, 2_000), (names[1], minute, None, 20_000)):
        figure = f"p50 {found['p50_us']:,.0f} us, p99 {found['p99_us']:,.0f} us"
        wanted = f"under {p50} us, under {p99:,} us" if p50 else f"p99 under {p99:,} us"
        holds = found["p99_us"] < p99 and (p50 is None or found["p50_us"] < p50)
        made.append(Line(f"live, {name}, to signals queued", figure, wanted, holds, binding=False))
    return [
        *made,
        Line("live, memory", f"{memory:.0f} MB", "at most 400 MB", memory <= 400),
        Line(
            f"restart to trading, {FILLS:,} fills stored",
            f"{again:.2f} s",
            "under 3 s",
            again < 3.0,
            binding=False,
        ),
    ]


def _measured(kind: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            command(kind, SECONDS[kind], Path(folder)), capture_output=True, check=True, cwd=ROOT
        )
    return dict(json.loads(ran.stdout))


def command(kind: str, seconds: float, folder: Path) -> list[str]:
    """Return the command that runs one workload in an empty folder and prints its figures."""
    return [sys.executable, "-m", "benchmarks.live", kind, str(seconds), str(folder)]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])))))
