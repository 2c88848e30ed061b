"""The shell around the core: journal, advance, commit, send, for each piece of the market."""

import asyncio
import hashlib
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import numpy as np
import zstandard

from engine import clock
from engine.core.block import table_of
from engine.core.machine import Rows
from engine.core.records import Status
from engine.failpoint import hit
from engine.live.commands import Commands
from engine.live.outputs import Outputs, Said
from engine.live.recover import Recovered
from engine.live.snapshot import sections
from engine.settings import Settings
from engine.store.journal import Journal
from engine.store.rows import Scribe, exact
from engine.store.tables import Row
from engine.store.writer import Batch, Writer

WAITS_KEPT = 1 << 16


class Shell:
    """Takes events one piece at a time; nothing else moves the core.

    waits     ns from the receipt of events to the hand-over of the signals they caused
    progress  counts the pieces that were processed
    is_idle   the market has nothing new at the moment
    lag_ms    how far the market is ahead of the last event
    """

    def __init__(
        self,
        recovered: Recovered,
        scribe: Scribe,
        journal: Journal,
        writer: Writer,
        commands: Commands,
        venue: Any,
        *,
        run: str,
        snapshot_events: int,
    ) -> None:
        self.machine = recovered.machine
        self.seq = recovered.seq
        self.place = recovered.place
        self.run = run
        self.waits: deque[int] = deque(maxlen=WAITS_KEPT)
        self.progress = 0
        self.is_idle = False
        self.lag_ms = 0.0
        self._outputs = Outputs(recovered.machine)
        self._identity = recovered.identity
        self._sections = sections(recovered.machine.plan)
        self._symbols = recovered.machine.plan.portfolio.symbols
        self._scribe = scribe
        self._journal = journal
        self._writer = writer
        self._commands = commands
        self._venue = venue
        self._snapshot_events = snapshot_events
        self._snapshot_seq = recovered.seq
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()

    @property
    def ts(self) -> int:
        """Time of the last event, ms; 0 before the first."""
        return int(table_of(self.machine.block, "account")["ts"][0])

    async def take(self, events: Rows, *, is_past: bool = False) -> None:
        """Process events, which are numbered here; an order leaves when it is committed.

        Ticks do not wait for that: the venue is told later. Where the events' time is long over
        (`is_past`), as in a market that is caught up with, all that they caused is awaited, so that
        the writer is never left behind.

        Raises JournalBroken and StoreBroken where events or rows cannot be kept.
        """
        received = clock.nanoseconds()
        async with self._turn:
            begin, done = self._journal.next, 0
            events["seq"] = np.arange(begin, begin + len(events))
            self._journal.append(events)
            committed = None
            for said in self._outputs(events):
                self.seq = said.seq
                self.place.move(events[done : self.seq - begin + 1], self._symbols)
                done = self.seq - begin + 1
                committed = self._commit(said)
                if len(said.logs["signals"]):
                    self.waits.append(clock.nanoseconds() - received)
            self.place.move(events[done:], self._symbols)
            self.seq = begin + len(events) - 1
            self.progress += 1
            if is_past and committed is not None:
                await asyncio.wrap_future(committed)

    def _commit(self, said: Said) -> Future[None]:
        """Hand over what events caused; the future says when it is on disk."""
        if len(said.logs["fills"]):
            hit("report.before")
        is_due = said.seq - self._snapshot_seq >= self._snapshot_events
        done = self._writer.put(self.batch(said, self.snapshot() if is_due else None))
        if said.has_orders:
            done.add_done_callback(partial(self._committed, said.logs["orders"]))
        if len(said.logs["fills"]):
            hit("report.after")
        return done

    def _committed(self, orders: Rows, done: Future[None]) -> None:
        """Have the loop send orders that are on disk; called by the writer's thread."""
        if done.exception() is None and not self._loop.is_closed():
            placed = orders[orders["status"] == Status.PLACED]
            self._loop.call_soon_threadsafe(self._send, placed)

    def _failure(self, k: int, rule: int, seq: int) -> list[Row]:
        """Return the row that says what failed at an event, and what that means."""
        plan = self.machine.plan
        instance, symbol = plan.book(k)
        where = f"{instance.name} on {symbol}"
        if rule < 0:
            sentence = f"{where} failed at event {seq} and is left out; its stop and take go on."
        else:
            name, _ = plan.portfolio.rules[rule]
            sentence = f"the rule {name} failed at event {seq} for {where}: it denies all openings."
        told = f"{sentence} Correct it, then start again."
        return self.happening("failure", "error", told, seq=seq)

    def _send(self, orders: Rows) -> None:
        """Let the venue have orders that are committed."""
        hit("send.before")
        self._venue.send(orders)
        hit("send.after")

    def batch(self, said: Said, snapshot: Callable[[], Row] | None = None) -> Batch:
        """Return what events caused, for the writer."""
        return Batch(self.run, said.seq, said.ts, said.account, lambda: self._rows(said, snapshot))

    def told(self, rows: dict[str, list[Row]]) -> Batch:
        """Return rows that no event caused: a heartbeat, a refusal, something to know."""
        account = table_of(self.machine.block, "account")[0]
        return Batch(self.run, self.seq, int(account["ts"]), account.tobytes(), rows)

    def tell(self, rows: dict[str, list[Row]]) -> None:
        """Hand over rows that no event caused."""
        self._writer.put(self.told(rows))

    def first_batch(
        self, settings: Settings, version: str, started: int, recovered: Recovered
    ) -> Batch:
        """Return the rows of a run that begins, with its configuration."""
        run = {
            "id": self.run,
            "started_at": started,
            "mode": settings.mode.name,
            "code_version": version,
            "config_hash": settings.config_hash,
            "continues": recovered.committed,
            "first_seq": recovered.seq + 1,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        config = {
            "hash": settings.config_hash,
            "yaml": settings.masked_yaml,
            "first_used_at": started,
        }
        begun = f"started after event {recovered.seq}." if recovered.seq >= 0 else "started anew."
        events = self.happening("start", "info", begun)
        for note in recovered.notes:
            events += self.happening("recovery", "warning", note)
        made = {"config": [config], "run": [run], "event": events, "snapshot": [self.snapshot()()]}
        return self.told(made)

    def happening(self, kind: str, severity: str, sentence: str, **data: Any) -> list[Row]:
        """Return the row of something that a person may want to know."""
        return [
            {
                "ts": clock.now_ms(),
                "run": self.run,
                "kind": kind,
                "severity": severity,
                "sentence": sentence,
                "data": json.dumps(data),
            }
        ]

    def snapshot(self) -> Callable[[], Row]:
        """Copy the block as it is after the last event; return what makes its row later."""
        self._snapshot_seq = self.seq
        block = self.machine.block.tobytes()
        account = table_of(self.machine.block, "account")[0]
        seq, ts, cash = self.seq, int(account["ts"]), float(account["cash"])
        place = [self.place.ts, self.place.count, dict(self.place.funded)]
        books = table_of(self.machine.block, "books")["position"].tolist()
        return lambda: self._snapshot_row(block, seq, ts, cash, place, books)

    def _snapshot_row(
        self, block: bytes, seq: int, ts: int, cash: float, place: list[Any], books: Sequence[float]
    ) -> Row:
        names = [self.machine.plan.book(k) for k in range(len(books))]
        held = [
            [instance.name, symbol, str(exact(position))]
            for (instance, symbol), position in zip(names, books, strict=True)
        ]
        return {
            "seq": seq,
            "ts": ts,
            "run": self.run,
            "identity": self._identity,
            "sections": json.dumps(self._sections | {"place": place}),
            "block": zstandard.ZstdCompressor().compress(block),
            "sha256": hashlib.sha256(block).hexdigest(),
            "cash": exact(cash),
            "positions": json.dumps(held),
        }

    def _rows(self, said: Said, snapshot: Callable[[], Row] | None) -> dict[str, list[Row]]:
        """Make the rows of what was said, in the writer's own time."""
        made = self._scribe.rows(said.logs)
        made["equity"] = self._scribe.equity(said.events, said.curve)
        made["position"] = self._scribe.positions(said.books, said.ts, said.seq)
        if said.before:
            made |= self._commands.rows(said, self.run, clock.now_ms())
        made["event"] = [row for one in said.failed for row in self._failure(*one, said.seq)]
        if snapshot is not None:
            made["snapshot"] = [snapshot()]
        return made
