"""A live engine that is killed: a server that starts one in milliseconds, and what must hold then.

`python -m tests.system.kills MODE FOLDER` is the server. It imports, composes and compiles once,
runs the workload once in FOLDER, and then forks a child for each line of JSON that it reads.
"""

import asyncio
import faulthandler
import functools
import gc
import itertools
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn, TypeVar

import pytest

from engine import clock
from engine.api import compose
from engine.core.assemble import layout
from engine.core.compile import build
from engine.core.machine import Compiled
from engine.errors import ChanQuantError
from engine.failpoint import arm
from engine.feeds import synthetic
from engine.live import run as live
from engine.settings import Settings
from engine.settings import build as portfolio_of
from tests.system.left import CASH, Held, different, held, lost, unsound

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 60.0  # of one start
STOP_MAX = 15.0  # from SIGTERM to the end
EVENTS = 512  # of a chunk, so that even an unpaced run commits often
OVERRIDES = (
    "mode=paper",
    f'account.cash="{CASH}"',
    r"universe.symbols=[BTC/USDT,ETH/USDT,SOL/USDT\:USDT]",
    r"universe.instruments={SOL/USDT\:USDT: {kind: linear, leverage: 5.0}}",
    "costs.funding_ratio=0.0001",
    "costs.funding_hours=0.25",
    "strategy=[ema_cross,rsi_reversion]",
    "strategy.ema_cross.exits.stop_loss=0.002",
    "strategy.rsi_reversion.exits.stop_loss=0.002",
    "sizing.ratio=0.1",
    "venue.rejection_ratio=0.2",
    "venue.latency_ms=500",
    "store.snapshot_events=600",
    "store.segment_mb=0.05",
    "feed.start='2024-01-01'",
)
END = "feed.end='2024-01-01T03:00'"
MODES = {
    "fast": ("feed.speed=null", END),
    "paced": ("feed.speed=30000", END),
    "endless": ("feed.speed=3000",),
}
COMPARED = ("fast", "paced")  # with a run that nobody killed

Job = TypeVar("Job")
Kill = Mapping[str, Any]  # fields of Start


def settings_of(mode: str, folder: Path) -> Settings:
    """Return the workload, fast or paced, with its store in a folder."""
    return compose(overrides(mode, folder))


def overrides(mode: str, folder: Path) -> list[str]:
    """Return what is typed for it."""
    return [*OVERRIDES, *MODES[mode], f"store.directory={folder}"]


# ── the server ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Start:
    """How an engine is to be started, and when it is to be killed.

    failpoint  name:hits, or None
    seconds    after the start
    signal     what is then sent
    is_synced  whether to write down in FOLDER.syncs what was made durable
    """

    folder: str
    mode: str
    failpoint: str | None = None
    seconds: float = SECONDS_MAX
    signal: int = signal.SIGKILL
    is_synced: bool = False


@dataclass(frozen=True)
class Ended:
    """What became of it: its exit code, negative for a signal, and what it said.

    is_stopped  its time was over: the server killed it
    """

    code: int
    told: str
    is_stopped: bool

    @property
    def is_killed(self) -> bool:
        return self.code == -signal.SIGKILL


def serve(mode: str, folder: Path) -> None:
    """Answer each start that is read with how it ended, until nothing more can be read."""
    synthetic.CHUNK = EVENTS
    compiler: Any = build
    compiler.function_of = functools.cache(build.function_of)  # each child would check it again
    settings = {name: settings_of(name, folder) for name in MODES}
    Compiled(layout(portfolio_of(settings[mode])))
    asyncio.run(live.run(settings[mode]))  # imports what is imported late; leaves no thread behind
    gc.freeze()
    _reply(Ended(0, "", False))
    for line in sys.stdin:
        start = Start(**json.loads(line))
        assert threading.active_count() == 1, "a thread would not survive the fork"
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            _live(start, settings[start.mode], writer)
        os.close(writer)
        told, is_stopped = _watched(child, reader, start.seconds, start.signal)
        os.close(reader)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _reply(Ended(code, told, is_stopped))


def _reply(ended: Ended) -> None:
    print(json.dumps(asdict(ended)), flush=True)


def _watched(child: int, reader: int, seconds: float, number: int) -> tuple[str, bool]:
    """Return what a child says until it ends, and whether that took a signal after some seconds."""
    told = b""
    over = clock.seconds() + seconds
    while select.select([reader], [], [], max(0.0, over - clock.seconds()))[0]:
        more = os.read(reader, 1 << 16)
        if not more:
            return told.decode(), False
        told += more
    os.kill(child, number)
    last = "" if number == signal.SIGKILL else _watched(child, reader, STOP_MAX, signal.SIGKILL)[0]
    return told.decode() + last, True


def _live(start: Start, settings: Settings, writer: int) -> NoReturn:
    """Be a live engine, and nothing else, to the end."""
    code = 1
    try:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        faulthandler.dump_traceback_later(SECONDS_MAX / 2)
        store = settings.store.model_copy(update={"directory": start.folder})
        if start.is_synced:
            _write_down_syncs(Path(f"{start.folder}.syncs"))
        if start.failpoint:
            name, _, hits = start.failpoint.partition(":")
            arm(name, int(hits))
        if start.mode == "paced":
            live.PAST_MS = 1 << 60  # so that it never waits for what it commits
        asyncio.run(live.run(settings.model_copy(update={"store": store})))
        code = 0
    except ChanQuantError as wrong:
        print(*wrong.problems, sep="\n", file=sys.stderr)
        code = wrong.exit_code
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stderr.flush()
        os._exit(code)


class Server:
    """A server, from outside; for one thread at a time."""

    def __init__(self, mode: str, folder: Path, stack: ExitStack) -> None:
        self._process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.system.kills", mode, str(folder)],
                cwd=ROOT,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # its threads do not survive a fork
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(self._process.kill)

    def ended(self) -> Ended:
        """Return how the last start ended, the first time that of the run in `folder`."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server of kills died, see what it said above"
        return Ended(**json.loads(line))

    def start(self, start: Start) -> Ended:
        """Start an engine and return how it ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(start)) + "\n")
        self._process.stdin.flush()
        return self.ended()


class Servers:
    """Some servers, and the runs that nobody killed with which they began.

    wanted  what such a run leaves
    killed  for each kill so far its failpoint, or "moment"
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.unkilled = {mode: folder / mode for mode in COMPARED}
        self.killed: list[str] = []
        self._free: SimpleQueue[Server] = SimpleQueue()
        self._pool = stack.enter_context(ThreadPoolExecutor(len(COMPARED)))
        self._made = itertools.count()
        servers = [Server(mode, path, stack) for mode, path in self.unkilled.items()]
        for server in servers:
            server.ended()
            self._free.put(server)
        self.wanted = held(self.unkilled["fast"])

    def another(self) -> Path:
        """Return a folder that is not there yet."""
        return self.folder / str(next(self._made))

    def start(self, folder: Path, mode: str, **more: Any) -> Ended:
        """Start an engine as soon as a server is free; `more` are fields of Start."""
        server = self._free.get()
        try:
            ended = server.start(Start(str(folder), mode, **more))
        finally:
            self._free.put(server)
        if ended.is_killed:
            self.killed.append(more.get("failpoint") or "moment")
        return ended

    def survive(self, job: tuple[str, Iterable[Kill]]) -> Iterator[str]:
        """Kill an engine as (mode, kills) say; yield what does not hold meanwhile and at the end.

        At the end everything must be as if there had been no kill.
        """
        mode, kills = job
        folder = self.another()
        yield from self.alike(
            folder, itertools.chain(self.outlive(folder, mode, kills), self.finish(folder, mode))
        )

    def outlive(self, folder: Path, mode: str, kills: Iterable[Kill]) -> Iterator[str]:
        """Kill an engine in a folder, again and again; yield what does not hold meanwhile.

        A moment that comes after the end is halved until it does not.
        """
        before = Held({}, {})
        for kill in kills:
            ended = self.start(folder, mode, **kill)
            while "seconds" in kill and not ended.is_stopped and not ended.code:
                kill = {**kill, "seconds": kill["seconds"] / 2}
                ended = self.start(folder, mode, **kill)
            if ended.code not in (0, -signal.SIGKILL) or ended.is_stopped > ("seconds" in kill):
                yield f"{kill}: {ended}"
            left = held(folder)
            yield from unsound(left)
            yield from lost(before, left)
            before = left

    def finish(self, folder: Path, mode: str) -> Iterator[str]:
        """Start an engine and let it end by itself; yield what does not hold then."""
        before = held(folder)
        ended = self.start(folder, mode)
        if ended.code:
            yield f"the last start: {ended}"
        after = held(folder)
        if after.broken:
            yield after.broken
        yield from unsound(after)
        yield from lost(before, after)

    def alike(self, folder: Path, problems: Iterable[str]) -> Iterator[str]:
        """Yield the problems, and where a folder differs from what is wanted; remove a good one."""
        found = [*problems, *different(held(folder), self.wanted)]
        if not found:
            shutil.rmtree(folder)
        yield from found

    def each(self, work: Callable[[Job], Iterable[str]], jobs: Iterable[Job]) -> list[str]:
        """Return the problems that all jobs yield, each behind its job."""

        def told(job: Job) -> list[str]:
            return [f"{job}: {problem}" for problem in work(job)]

        return [problem for found in self._pool.map(told, jobs) for problem in found]


@contextmanager
def serving(folder: Path, config: pytest.Config) -> Iterator[Servers]:
    """Yield servers; at the end print how many kills there were in how many seconds."""
    begun = clock.seconds()
    with ExitStack() as stack:
        servers = Servers(folder, stack)
        yield servers
    took = clock.seconds() - begun
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f" {len(servers.killed)} kills in {took:.0f} s ", end="")


# ── a power cut ───────────────────────────────────────────────────────────────────────────────


def _write_down_syncs(path: Path) -> None:
    """From now on write down of each file that is synced its size, of each folder its names."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sync = os.fsync

    def fsync(fd: Any) -> None:
        before = os.fstat(fd)
        what = os.listdir(fd) if stat.S_ISDIR(before.st_mode) else before.st_size
        sync(fd)
        os.write(log, (json.dumps([before.st_ino, what]) + "\n").encode())

    os.fsync = fsync


def cut_power(folder: Path) -> None:
    """Take away from the journal whatever was never made durable."""
    sizes: dict[int, int] = {}
    names: dict[int, set[str]] = {}
    for line in Path(f"{folder}.syncs").read_text().splitlines():
        number, what = json.loads(line)
        if isinstance(what, int):
            sizes[number] = what
        else:  # of two threads the one that looked first may have written last
            names.setdefault(number, set()).update(what)
    for path in sorted((folder / "journal").rglob("*"), reverse=True):  # files before their folder
        is_named = path.name in names.get(path.parent.stat().st_ino, ())
        found = path.stat()
        if path.is_dir() and not is_named:
            shutil.rmtree(path)
        elif path.is_file() and not (is_named and found.st_ino in sizes):
            path.unlink()
        elif path.is_file():
            os.truncate(path, min(sizes[found.st_ino], found.st_size))


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
