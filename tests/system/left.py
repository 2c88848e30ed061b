"""What a killed engine left in its folder, and what must hold of it before and after a restart."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from engine.core.assemble import layout
from engine.core.records import Account
from engine.errors import JournalBroken
from engine.live.outputs import Outputs, live_machine
from engine.settings import Settings
from engine.settings import build as portfolio_of
from engine.store import journal
from engine.store.database import read_only
from engine.store.rows import LOGGED, Scribe, difference, stored
from engine.store.tables import Row

CASH = 10_000.0
PRESENT = ("position", "progress", "snapshot")  # tables that say how it is now
WITHOUT = {"run", "config_hash", "code_version"}  # columns that say who wrote a row


# ── what a folder holds ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Held:
    """What the store and the journal hold.

    tables  name → rows in the order of their keys
    events  seq → (time, kind, number of the command) of the events that the journal holds
    broken  why there are no more of them; what a crash left may be torn behind those that are named
    """

    tables: Mapping[str, list[Row]]
    events: Mapping[int, tuple[int, int, int]]
    broken: str = ""

    @property
    def progress(self) -> Row | None:
        return next(iter(self.tables.get("progress", ())), None)

    @property
    def block(self) -> bytes:
        """The block of the newest snapshot."""
        newest = self.tables["snapshot"][-1]
        return zstandard.ZstdDecompressor().decompress(newest["block"])


def held(folder: Path) -> Held:
    """Look at what an engine left, and leave its log where it is: the next start must meet it."""
    with tempfile.TemporaryDirectory() as copy:
        for path in [folder / "engine.db", folder / "engine.db-wal"]:
            if path.exists():
                shutil.copy(path, copy)
        with closing(sqlite3.connect(Path(copy) / "engine.db")) as connection:
            connection.row_factory = sqlite3.Row
            wanted = "SELECT name FROM sqlite_master WHERE type = 'table'"
            tables = {
                name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
                for (name,) in connection.execute(wanted).fetchall()
            }
    events: dict[int, tuple[int, int, int]] = {}
    for progress in tables.get("progress", ()):
        try:
            for rows in journal.read(folder / "journal", progress["run"]):
                words = (rows["seq"], rows["ts"], rows["kind"], rows["bar"]["ts"])
                seqs, *others = (word.tolist() for word in words)
                events |= dict(zip(seqs, zip(*others, strict=True), strict=True))
        except JournalBroken as wrong:
            return Held(tables, events, str(wrong))
    return Held(tables, events)


# ── what must hold ────────────────────────────────────────────────────────────────────────────


def unsound(found: Held) -> Iterator[str]:
    """Yield where what is committed lacks its event, is doubled, or does not add up."""
    if found.progress is None:
        return
    if found.progress["seq"] not in {-1, *found.events}:
        yield f"event {found.progress['seq']} is committed, and not in the journal"
    for table in (*LOGGED, "equity"):
        for row in found.tables[table]:
            ts = row.get("ts", row.get("closed_at"))
            if found.events.get(row["seq"], (None,))[0] != ts:
                yield f"{table} {row['seq']} lacks its event"
            if row["seq"] > found.progress["seq"]:
                yield f"{table} {row['seq']} is behind what is said to be committed"
    yield from _doubled(found)
    yield from _wrong_sums(found)


def _doubled(found: Held) -> Iterator[str]:
    statuses: dict[int, list[str]] = {}
    for row in found.tables["order"]:
        statuses.setdefault(row["order_id"], []).append(row["status"])
    fills = [row["order_id"] for row in found.tables["fill"]]
    for order, said in statuses.items():
        if said[0] != "placed" or len(said) > 2 or "placed" in said[1:]:
            yield f"order {order} was {', '.join(said)}"
        if fills.count(order) != said.count("filled"):
            yield f"order {order} was {', '.join(said)}, with {fills.count(order)} fills"
    if strangers := set(fills).difference(statuses):
        yield f"fills of no order: {strangers}"
    for row in found.tables["answer"]:
        number = found.events.get(row["seq"], (0, 0, 0))[2]
        if row["outcome"] == "done" and number != row["command_id"]:
            yield f"the answer to {row['command_id']} names an event of {number}"


def _wrong_sums(found: Held) -> Iterator[str]:
    """Add up the fills and the funding as the ledger did: to the last digit."""
    cash, positions = CASH, dict[tuple[str, str], float]()
    moved = [*found.tables["fill"], *found.tables["posting"]]  # no event causes both
    for row in sorted(moved, key=lambda row: (row["seq"], row["ordinal"])):
        if "amount" in row:
            cash += float(row["amount"])
            continue
        quantity, price, fee = (float(row[name]) for name in ("quantity", "price", "fee"))
        book = (row["instance"], row["symbol"])
        positions[book] = positions.get(book, 0.0) + quantity
        is_perpetual = ":" in row["symbol"]
        cash -= float(row["paid"]) if is_perpetual else quantity * price + fee
        if (float(row["position"]), float(row["cash"])) != (positions[book], cash):
            yield f"fill {row['seq']} leaves {row['position']} and {row['cash']}, not the sums"
    kept = {(row["instance"], row["symbol"]): row["quantity"] for row in found.tables["position"]}
    for book, position in positions.items():
        if float(kept.get(book, "nan")) != position:
            yield f"position of {book} is {kept.get(book)}, its fills add up to {position}"
    account = np.frombuffer((found.progress or {})["account"], Account.dtype)[0]
    if account["cash"] != cash:
        yield f"cash is {account['cash']}, the fills leave {cash}"


def lost(before: Held, after: Held) -> Iterator[str]:
    """Yield which rows were committed before and are not there, as they were, afterwards."""
    for table, rows in before.tables.items():
        now = {tuple(row.values()) for row in after.tables[table]}
        for row in rows:
            if table not in PRESENT and tuple(row.values()) not in now:
                yield f"{table} {list(row.values())[:3]} was committed, is not there any more"
    if before.progress and after.progress and before.progress["seq"] > after.progress["seq"]:
        yield "the progress went back"


def different(found: Held, wanted: Held) -> Iterator[str]:
    """Yield where two runs did not end alike."""
    for table in (*LOGGED, "equity", "position"):
        ours, theirs = _alike(found.tables[table]), _alike(wanted.tables[table])
        if ours != theirs:
            place = next(
                (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), 0
            )
            yield f"{table}: {len(ours)} rows, not {len(theirs)}, or others from row {place} on"
    if found.block != wanted.block:
        yield "the block is another"


def _alike(rows: list[Row]) -> list[list[Any]]:
    return [[value for name, value in row.items() if name not in WITHOUT] for row in rows]


def contradicted(folder: Path, settings: Settings) -> Iterator[str]:
    """Yield where the journal, replayed at once from its first event, says something else."""
    plan = layout(portfolio_of(settings))
    machine, scribe = live_machine(plan), Scribe(plan, "", "", "")
    outputs = Outputs(machine)
    made: dict[str, list[Row]] = {table: [] for table in (*LOGGED, "equity")}
    found = held(folder)
    for events in journal.read(folder / "journal", (found.progress or {})["run"]):
        for said in outputs(events):
            equity = scribe.equity(said.events, said.curve)
            for table, rows in (scribe.rows(said.logs) | {"equity": equity}).items():
                made[table] += rows
    database = read_only(folder)
    with database.connect() as connection:
        for table, rows in made.items():
            if wrong := difference(table, stored(connection, table, -1, max(found.events)), rows):
                yield wrong
    database.dispose()
    if machine.block.tobytes() != found.block:
        yield "the block is another than that of the replay"
