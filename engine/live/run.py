"""The live engine: one loop that takes the market as it comes, until it is told to stop.

Start is recovery; there is no other way to start. Stopping is a snapshot and a last commit.
"""

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from engine import clock
from engine.core.assemble import Layout, layout
from engine.core.block import table_of
from engine.core.compile import build
from engine.core.machine import Rows
from engine.core.records import Kind
from engine.errors import ChanQuantError, ConfigError, StoreBroken
from engine.failpoint import hit
from engine.feeds import funding
from engine.live.commands import OURS, Commands, answer
from engine.live.lag import LagGuard
from engine.live.notify import Notifier, Watchdog
from engine.live.outputs import command
from engine.live.recover import Recovered, recover
from engine.live.shell import Shell
from engine.live.stream import Stream
from engine.live.tasks import Tasks
from engine.settings import Settings
from engine.settings import build as portfolio_of
from engine.store import journal, queries
from engine.store.access import for_the_group
from engine.store.database import open_engine, open_panel, read_only
from engine.store.latches import in_force
from engine.store.lock import alone
from engine.store.rows import Scribe
from engine.store.writer import Writer
from engine.version import code_version

HEARTBEAT_SECONDS = 60.0
COMMANDS_SECONDS = 0.25
STOP_SECONDS = 10.0
SWITCH_SECONDS = 0.0001  # how long the writer's thread may hold up the loop; Python has 0.005
DAY_MS = 86_400_000
PAST_MS = 1_000  # what is due for longer is caught up with
BACK_MS_MAX = 5_000  # the clock may stand this far before the last event


class Live:
    """A started engine, and the tasks that keep it going."""

    def __init__(
        self, settings: Settings, stack: ExitStack, wall: Callable[[], int] = clock.now_ms
    ) -> None:
        """Recover; raise ChanQuantError with a sentence where that must not go on.

        `wall` says what time it is, in ms.
        """
        self._wall = wall
        self._settings = settings
        self._feed = settings.feed
        self._directory = Path(settings.store.directory)
        plan = compiled_layout(settings)
        stack.enter_context(alone(self._directory))
        self._database = open_engine(self._directory)
        open_panel(self._directory).dispose()  # makes it, or says what is wrong with it
        self._panel = read_only(self._directory, "panel")
        self._reader = read_only(self._directory)  # of what others see
        for store in (self._database, self._panel, self._reader):
            stack.callback(store.dispose)
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._failure: ChanQuantError | None = None
        self._late_at = -HEARTBEAT_SECONDS
        self._tasks = Tasks(self._died)
        self._lag = LagGuard(wall, self._late, self._stepped)
        self._version = code_version()
        self.shell = self._start(plan)
        self._stream = Stream(
            settings.telemetry,
            self.shell,
            settings.mode.name,
            self._version,
            self._latches,
            self._unheard,
        )
        self._symbols = plan.portfolio.symbols

    def _start(self, plan: Layout) -> Shell:
        started = self._wall()
        run = clock.utc(started).replace(":", "-").replace(".", "-")
        scribe = Scribe(plan, run, self._settings.config_hash, self._version)
        root = self._directory / "journal"
        with self._database.connect() as connection:
            recovered = recover(connection, root, plan, scribe, self._feed)
            last_command = queries.answered(connection)
        _must_not_be_ahead(recovered, started, self._feed)
        first = recovered.seq + 1
        folder = journal.begin(
            root, journal.Run(run, recovered.continues, first, started, plan.portfolio.symbols)
        )
        if recovered.start is not None:
            journal.keep_start(folder, recovered.identity.encode() + recovered.start)
        journaled = journal.Journal(folder, round(self._settings.store.segment_mb * (1 << 20)))
        writer = Writer(self._database, journaled.sync, self._broken)
        commands = Commands(self._panel, plan, self._directory, last_command)
        shell = Shell(
            recovered,
            scribe,
            journaled,
            writer,
            commands,
            self._settings.venue,
            run=run,
            snapshot_events=self._settings.store.snapshot_events,
        )
        self._journal, self._writer, self._commands = journaled, writer, commands
        late = [shell.batch(said) for said in recovered.uncommitted]
        writer.write(*late, shell.first_batch(self._settings, self._version, started, recovered))
        for said in recovered.uncommitted:
            if said.is_command:
                commands.last = max(commands.last, int(said.events["bar"]["ts"][0]))
        hit("recover.after")
        return shell

    async def until_stopped(self, is_safe: bool) -> None:
        """Trade until the feed ends or a signal comes; raise what fails for good."""
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.freeze()  # what the start has made stays: the collector need not look at it again
        notifier = Notifier()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        await self._obey_waiting()
        if is_safe:
            await self.shell.take(command(Kind.PAUSE, OURS, self.shell.ts))
        watchdog = Watchdog(notifier, lambda: self.shell.progress, lambda: self.shell.is_idle)
        self._tasks.start("market", self._market, limit=1)
        self._tasks.start("commands", self._obey)
        self._tasks.start("heartbeat", self._beat)
        if self._feed.speed is not None:
            self._tasks.start("lag", self._lag.run)
        self._tasks.start("watchdog", watchdog.run)
        if self._settings.telemetry.port is not None:
            self._tasks.start("stream", self._stream.serve, limit=sys.maxsize)  # trading goes on
        notifier.ready()
        ended = asyncio.ensure_future(self._tasks.wait())
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        notifier.stopping()
        await self._tasks.stop()
        stopped.cancel()
        error = ended.exception() if ended.done() else None
        ended.cancel()
        if failure := self._failure or error:
            raise failure
        self._end()

    def _end(self) -> None:
        """Stop cleanly: a last snapshot, so that the next start has nothing to replay."""
        hit("stop.before")
        shell = self.shell
        event = shell.happening("stop", "info", f"stopped at event {shell.seq}.")
        shell.tell({"event": event, "snapshot": [shell.snapshot()()]})
        self._writer.close(STOP_SECONDS)
        self._journal.close()
        hit("stop.after")

    # ── tasks ─────────────────────────────────────────────────────────────────────────────────

    async def _market(self) -> None:
        """Take the market from where the engine was; catch up, then keep its pace."""
        place, feed = self.shell.place, self._feed
        begin = feed.beginning(clock.now_ms()) if place.ts is None else place.ts
        pace = Pace(begin, feed.speed)
        market = feed.after(self._symbols, begin, place.count)
        for events in self._funded(market, begin):
            async for due, is_past in pace.due(events, self.shell):
                await self.shell.take(due, is_past=is_past)
                await asyncio.sleep(0)  # commands come in between, however much is due
        self._stop.set()

    def _funded(self, market: Iterator[Rows], begin: int) -> Iterator[Rows]:
        """Return the market with the funding of its perpetuals, each settled once."""
        costs, universe, place = self._settings.costs, self._settings.universe, self.shell.place
        if not costs.funding_ratio:
            return market
        settled = {
            s: place.settled(symbol, begin)
            for s, symbol in enumerate(self._symbols)
            if universe.instrument(symbol).kind == "linear"
        }
        return funding.amid(market, costs.funding_ratio, costs.funding_hours, settled)

    async def _obey(self) -> None:
        """Look for commands and for the kill file, for ever."""
        while True:
            await asyncio.sleep(COMMANDS_SECONDS)
            await self._obey_waiting()

    async def _obey_waiting(self) -> None:
        """Obey the kill file and what was asked for since the last look."""
        shell, commands = self.shell, self._commands
        await self._heed_kill_file()
        for row in await asyncio.to_thread(commands.waiting):
            event = commands.event(row, shell.ts)
            if isinstance(event, str):
                refused = answer(
                    row["id"], shell.run, clock.now_ms(), shell.seq, "refused", event, {}, {}
                )
                shell.tell({"answer": [refused]})
            else:
                await shell.take(event)

    async def _heed_kill_file(self) -> None:
        account = table_of(self.shell.machine.block, "account")[0]
        if not account["killed"] and self._commands.is_kill_file():
            await self.shell.take(command(Kind.KILL, OURS, self.shell.ts))

    async def _beat(self) -> None:
        """Write a heartbeat each minute, for ever; once an hour remove what has expired."""
        for minute in count():
            if minute % 60 == 0:
                await asyncio.to_thread(self._expire)
            self.shell.tell({"heartbeat": [self._heartbeat()]})
            await asyncio.sleep(seconds_to_minute(clock.now_ms()))

    def _expire(self) -> None:
        """Remove journals that are old enough and that no snapshot needs."""
        with self._database.connect() as connection:
            needed = queries.snapshots(connection)[-1]["seq"]
        before = clock.now_ms() - self._settings.store.journal_days * DAY_MS
        journal.expire(self._directory / "journal", before, needed)

    def _heartbeat(self) -> dict[str, Any]:
        now, shell = clock.now_ms(), self.shell
        return {
            "ts": now // 60_000 * 60_000,
            "run": shell.run,
            "seq": shell.seq,
            "market_ts": shell.ts,
            "lag_ms": shell.lag_ms,
            "loop_lag_ms": self._lag.worst_ms,
            "memory_bytes": _memory_bytes(),
            "handles": _handles(),
        }

    def _latches(self) -> list[str]:
        """Return the names of the latches in force, as the store has them."""
        with self._reader.connect() as connection:
            return [row["name"] for row in in_force(queries.latches(connection).values())]

    # ── what goes wrong ───────────────────────────────────────────────────────────────────────

    def _died(self, name: str, error: Exception) -> None:
        if not isinstance(error, StoreBroken):
            self._say("task", "error", f"the task {name} died: {error!r}.")

    def _late(self, lag_ms: float) -> None:
        if self._loop.time() - self._late_at < HEARTBEAT_SECONDS:
            return
        self._late_at = self._loop.time()
        self._say("lag", "warning", f"the loop woke up {lag_ms:.0f} ms late.")

    def _unheard(self, sentence: str) -> None:
        self._say("stream", "warning", sentence)

    def _stepped(self, step_ms: float) -> None:
        way = "forward" if step_ms > 0 else "back"
        sentence = f"the clock was set {way} by {abs(step_ms) / 1000:.1f} s."
        self._say("clock", "warning", f"{sentence} Look at the time server.")

    def _say(self, kind: str, severity: str, sentence: str) -> None:
        self.shell.tell({"event": self.shell.happening(kind, severity, sentence)})

    def _broken(self, failure: ChanQuantError) -> None:
        """Take note, in whatever thread, that nothing can be written any more."""
        self._failure = failure
        self._loop.call_soon_threadsafe(self._stop.set)


class Pace:
    """When the events of a market are due: those of the past at once, the others in their time."""

    def __init__(self, begin: int, speed: float | None) -> None:
        self._speed = speed
        self._begun = asyncio.get_running_loop().time()
        self._begin = clock.now_ms() if speed == 1.0 else begin

    def now(self) -> float:
        """Return the market's time, ms."""
        seconds = asyncio.get_running_loop().time() - self._begun
        return self._begin + seconds * 1_000 * (self._speed or 0.0)

    async def due(self, events: Rows, shell: Shell) -> AsyncIterator[tuple[Rows, bool]]:
        """Yield pieces of the events as they become due, and whether their time is long over."""
        if self._speed is None:
            yield events, True
            return
        while len(events):
            now = self.now()
            over = int(np.searchsorted(events["ts"], now, "right"))
            shell.lag_ms = max(0.0, now - float(events["ts"][0])) if over else 0.0
            if over:
                shell.is_idle = False
                yield events[:over], shell.lag_ms > PAST_MS
                events = events[over:]
            else:
                shell.is_idle = True
                await asyncio.sleep((float(events["ts"][0]) - now) / 1_000 / self._speed)


async def run(
    settings: Settings, is_safe: bool = False, wall: Callable[[], int] = clock.now_ms
) -> None:
    """Run the engine until it is stopped; raise ChanQuantError where it cannot go on."""
    with for_the_group(), ExitStack() as stack:
        live = Live(settings, stack, wall)
        await live.until_stopped(is_safe)


def seconds_to_minute(now_ms: int) -> float:
    """Return the seconds until the next full minute is surely over its boundary."""
    return HEARTBEAT_SECONDS - now_ms / 1_000 % HEARTBEAT_SECONDS + 0.05


def compiled_layout(settings: Settings) -> Layout:
    """Return the layout of the portfolio; raise ConfigError where something is not compiled yet."""
    plan = layout(portfolio_of(settings))
    if missing := build.uncompiled(plan.parts):
        raise ConfigError(
            f"run: {', '.join(missing)} must be compiled before, was not. Run chanquant compile"
            " with the same overrides, or chanquant up, which does."
        )
    return plan


def _must_not_be_ahead(recovered: Recovered, now: int, feed: Any) -> None:
    """Raise StoreBroken where the clock stands before the last event: it was set back."""
    last = recovered.place.ts
    if feed.speed == 1.0 and last is not None and last > now + BACK_MS_MAX:
        raise StoreBroken(
            f"clock: must not stand before the last event, {clock.utc(last)}, stands at"
            f" {clock.utc(now)}: it was set back. Correct it, then start again."
        )


def _memory_bytes() -> int:
    """Return the resident memory, or the most there ever was where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _handles() -> int:
    """Return how many files and sockets are open."""
    return len(os.listdir("/dev/fd"))
