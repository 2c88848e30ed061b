"""Brings a portfolio back to where it was: newest snapshot, then the journal, checked on the way.

What is replayed must say again what was committed, to the last digit. What it says beyond that was
decided and not committed yet, and is committed now. After an edit the committed events since the
snapshot are history: they move strategies, and what is held is what the store says. Those behind
them never happened: the market is asked for them again.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from sqlalchemy import Connection

from engine.core.assemble import Layout
from engine.core.block import table_of
from engine.core.identity import LENGTH, identity
from engine.core.machine import Compiled, Rows, drain
from engine.core.records import Failure, Kind
from engine.errors import InvariantBroken, JournalBroken, StoreBroken
from engine.failpoint import hit
from engine.live.outputs import Outputs, Said, live_machine
from engine.live.recount import recount
from engine.live.snapshot import (
    Former,
    carry_over,
    copy_fresh,
    protect_again,
    restore_best,
    restore_ledger,
    tell_again,
)
from engine.store import journal, queries
from engine.store.latches import is_paused
from engine.store.rows import LOGGED, Scribe, difference, stored
from engine.store.tables import Row

_TIMER, _FUNDING = int(Kind.TIMER), int(Kind.FUNDING)


@dataclass
class Place:
    """How far a market was processed: its last time in ms, and how many events had exactly it.

    funded  perpetual → time of its last funding, ms
    """

    ts: int | None = None
    count: int = 0
    funded: dict[str, int] = field(default_factory=dict)

    def move(self, events: Rows, symbols: Sequence[str]) -> None:
        """Take note of processed events, whose symbols count `symbols`."""
        kinds = events["kind"]
        if not len(events) or kinds.max() > _TIMER:
            for event in events[kinds == _FUNDING]:
                self.funded[symbols[int(event["symbol"])]] = int(event["ts"])
            events = events[kinds <= _TIMER]
        if not len(events):
            return
        market = events["ts"]
        last = int(market[-1])
        count = len(market) - int(market.searchsorted(last))
        self.count = self.count + count if last == self.ts else count
        self.ts = last

    def settled(self, symbol: str, begin: int) -> int:
        """Return up to which time (ms) a perpetual is settled; `begin` is when its market begins.

        Funding comes behind all else of its time: what is due before the place is settled.
        """
        if self.ts is None:
            return begin
        return max(self.ts - 1, self.funded.get(symbol, 0))

    def before(self, events: Rows) -> Rows:
        """Return those that stand before this place, of events in the order of time."""
        return events[: int((events["ts"] < self.ts).sum()) + self.count]


@dataclass
class Recovered:
    """A machine that is where the engine was, and how to go on from there.

    continues    run whose journal goes on; None where a new one begins
    committed    the last run up to there that has a row in the store: one that was killed before
                 its first commit has none
    start        block to keep beside a journal that begins anew
    uncommitted  what was decided and is not in the store yet
    notes        sentences that a person should read
    """

    machine: Compiled
    identity: str
    seq: int = -1
    place: Place = field(default_factory=Place)
    continues: str | None = None
    committed: str | None = None
    start: bytes | None = None
    uncommitted: list[Said] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def recover(
    connection: Connection, root: Path, plan: Layout, scribe: Scribe, feed: Any
) -> Recovered:
    """Return where the engine was. `root` is the folder of the journals.

    Raises JournalBroken where events are missing, InvariantBroken where the replay contradicts the
    store, ConfigError where something is held that the configuration no longer trades.
    """
    hit("recover.before")
    found = Recovered(live_machine(plan), identity(plan))
    progress = queries.progress(connection)
    if progress is None:
        return found
    _mend(root / progress["run"], progress["seq"], found.notes)
    run = journal.latest(root, progress["run"])
    if run != progress["run"]:
        _mend(root / run, progress["seq"], found.notes)
    snapshot = _newest(connection, root, found.notes)
    found.seq = snapshot["seq"]
    found.place = Place(*snapshot["sections"].pop("place"))
    if snapshot["identity"] == found.identity:
        found.continues, found.committed = run, progress["run"]
        found.machine.block[:] = snapshot["block"]
        _replay(connection, root, found, progress["seq"], scribe)
    else:
        _adapt(connection, root, plan, found, snapshot, progress | {"run": run}, feed)
    if found.seq < progress["seq"]:
        raise JournalBroken(
            f"{root / progress['run']}: must hold the events up to {progress['seq']}, which are"
            f" committed, ends at {found.seq}. Restore the folder from a backup, or begin with"
            " another store.directory."
        )
    recount(connection, snapshot, progress["account"])
    for k in np.flatnonzero(table_of(found.machine.block, "books")["step"] < 0).tolist():
        instance, symbol = plan.book(k)
        found.notes.append(
            f"{instance.name} on {symbol} has failed and is left out; its stop and take go on."
            " Correct it, then start again."
        )
    hit("recover.replayed")
    return found


def _mend(folder: Path, committed: int, notes: list[str]) -> None:
    if not folder.exists():
        raise JournalBroken(
            f"{folder}: must hold the events up to {committed}, is gone. Restore it from a backup,"
            " or begin with another store.directory."
        )
    if torn := journal.repair(folder, committed):
        notes.append(f"{folder}: {torn} bytes behind the last whole event were cut off.")


def _newest(connection: Connection, root: Path, notes: list[str]) -> dict[str, Any]:
    """Return the newest snapshot that is whole, its block as words and its sections as a map."""
    for row in queries.snapshots(connection):
        for block in _copies(row, root):
            if hashlib.sha256(block).hexdigest() == row["sha256"]:
                words = np.frombuffer(block, np.int64).copy()
                return dict(row) | {"block": words, "sections": json.loads(row["sections"])}
        notes.append(f"the snapshot at event {row['seq']} is garbled and was passed over.")
    raise StoreBroken(
        "snapshot: one must be whole, none is. Restore engine.db from a backup: the journal then"
        " brings it up to date."
    )


def _copies(row: Row, root: Path) -> Iterator[bytes]:
    """Yield the block of a snapshot from the store, and what its run began with."""
    with suppress(zstandard.ZstdError):
        yield zstandard.ZstdDecompressor().decompress(row["block"])
    with suppress(JournalBroken):
        yield (journal.start(root / row["run"]) or b"")[LENGTH:]


def _journaled(root: Path, run: str, after: int) -> Iterator[Rows]:
    """Yield the events behind a snapshot; raise JournalBroken where the first are missing."""
    for events in journal.read(root, run, after):
        if (first := int(events["seq"][0])) > after + 1:
            raise JournalBroken(
                f"{root / run}: must go on from a whole snapshot, that at event {first - 1} is"
                " garbled. Restore engine.db from a backup: the journal then brings it up to date."
            )
        yield events
        after = int(events["seq"][-1])


def _replay(
    connection: Connection, root: Path, found: Recovered, committed: int, scribe: Scribe
) -> None:
    """Repeat what came after the snapshot; compare what is committed, keep what is not."""
    run = found.continues or ""
    outputs = Outputs(found.machine)
    for events in _journaled(root, run, found.seq):
        made: dict[str, list[Row]] = {}
        for said in outputs(events):
            if said.seq > committed:
                new = said.events["seq"] > committed
                found.uncommitted.append(
                    replace(said, events=said.events[new], curve=said.curve[new])
                )
            for table, rows in _rows(scribe, said).items():
                made.setdefault(table, []).extend(r for r in rows if r["seq"] <= committed)
        last = int(events["seq"][-1])
        for table in (*LOGGED, "equity"):
            kept = stored(connection, table, found.seq, min(last, committed))
            if wrong := difference(table, kept, made.get(table, [])):
                raise InvariantBroken(
                    f"{wrong}. The replay of the journal must say what was committed. Keep"
                    f" {root.parent} as it is and report this."
                )
        found.place.move(events, found.machine.plan.portfolio.symbols)
        found.seq = last


def _rows(scribe: Scribe, said: Said) -> Mapping[str, list[Row]]:
    return scribe.rows(said.logs) | {"equity": scribe.equity(said.events, said.curve)}


# ── after an edit ─────────────────────────────────────────────────────────────────────────────


def _adapt(
    connection: Connection,
    root: Path,
    plan: Layout,
    found: Recovered,
    snapshot: Mapping[str, Any],
    progress: Mapping[str, Any],
    feed: Any,
) -> None:
    """Take over what is unchanged and what is held; warm up what is new on history."""
    former = Former(snapshot["block"], snapshot["sections"])
    block = found.machine.block
    fresh = carry_over(former, plan, block)
    since: list[Rows] = []
    for events in _journaled(root, progress["run"], found.seq):
        committed = events[events["seq"] <= progress["seq"]]
        found.place.move(committed, former.sections["symbols"])
        since.append(_as_history(committed, former.sections, plan))
        _pass(found.machine, since[-1])
        found.seq = min(int(events["seq"][-1]), progress["seq"])
    if fresh and found.place.ts is not None:
        warm = live_machine(plan)
        past = feed.past(plan.portfolio.symbols, found.place.ts + 1)
        _pass(warm, found.place.before(past))
        copy_fresh(former, warm.block, plan, block, fresh)
        found.notes.append(f"{_names(plan, fresh)}: began anew, warmed up on {feed.history}.")
    held = {(p["instance"], p["symbol"]): p["words"] for p in queries.positions(connection)}
    restore_ledger(former, progress["account"], held, found.machine)
    restore_best(former, since, plan, block)
    tell_again(found.machine, fresh)
    protect_again(former, held, found.machine, fresh)
    latches = queries.latches(connection).values()
    for k, book in enumerate(table_of(block, "books")):
        instance, symbol = plan.book(k)
        book["paused"] = is_paused(latches, instance.name, symbol)
    account = table_of(block, "account")
    account["seq"] = found.seq
    account["history"] = 0
    found.start = block.tobytes()


def _names(plan: Layout, books: Iterable[int]) -> str:
    """Return which instances these books are, with the symbols where it is not all of them."""
    found: dict[str, list[str]] = {}
    for instance, symbol in map(plan.book, books):
        found.setdefault(instance.name, []).append(symbol)
    all_of = {instance.name: len(instance.symbols) for instance in plan.portfolio.instances}
    return ", ".join(
        name if len(symbols) == all_of[name] else f"{name} on {' and '.join(symbols)}"
        for name, symbols in sorted(found.items())
    )


def _as_history(events: Rows, sections: Mapping[str, Any], plan: Layout) -> Rows:
    """Return the market events of another configuration, as history of this one."""
    symbols = [_index(plan.portfolio.symbols, symbol) for symbol in sections["symbols"]]
    market = events[events["kind"] <= Kind.TIMER].copy()
    market["history"] = 1
    market["symbol"] = np.array(symbols)[market["symbol"]]
    kept: Rows = market[(market["symbol"] >= 0) | (market["kind"] == Kind.TIMER)]
    return kept


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -1


def _pass(machine: Compiled, events: Rows) -> None:
    """Let history pass by; what is said about it is not kept, and who fails on it is left out."""
    curve = np.empty(len(events))
    account, log = table_of(machine.block, "account"), table_of(machine.log, "log")
    stop, log["rows_max"] = int(log["rows_max"][0]), 1 << 12
    done = 0
    while done < len(events):
        done = machine.advance(events, done, len(events), curve)
        account["failure"] = Failure.NONE
        drain(machine)
    log["rows_max"] = stop
