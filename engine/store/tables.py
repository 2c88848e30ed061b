"""Every table of both stores: what is written down, by whom, and what may be changed afterwards.

The store `engine` is written by the engine alone, the store `panel` by whoever gives commands. Rows
of history are never changed: triggers refuse it. Times are UTC milliseconds; money, prices and
quantities are `Exact`; the rows that one event caused are keyed by its `seq` and an `ordinal` that
counts them.
"""

from functools import cache
from typing import Any

from sqlalchemy import Index, MetaData, Table, literal_column
from sqlmodel import Field

from engine.store.columns import (
    CAUSED,
    HISTORY,
    KEPT,
    PRESENT,
    ConfigHash,
    EngineTable,
    Exact,
    Key,
    MaybeNumber,
    MaybeWhole,
    NextKey,
    Number,
    PanelTable,
    RunId,
    Sought,
    Whole,
    by,
    sortable,
)

Row = dict[str, Any]

ACTIONS = ("pause", "resume", "close", "flatten", "kill", "rearm")  # what a command can ask for

METADATA: dict[str, MetaData] = {"engine": EngineTable.metadata, "panel": PanelTable.metadata}


@cache
def tables(store: str) -> dict[str, Table]:
    """Return name → table of the store `engine` or `panel`, each behind those it refers to."""
    return {table.name: table for table in METADATA[store].sorted_tables}


class _Caused(EngineTable):
    """A row that an event caused."""

    __table_args__ = CAUSED
    seq: Key
    ordinal: Key
    run: RunId


class _Booked(_Caused):
    """A row about one book, at the time `ts` of the event."""

    ts: Whole
    instance: str
    symbol: str


# ── runs ──────────────────────────────────────────────────────────────────────────────────────


class Config(EngineTable, table=True):
    """Every configuration that ever ran, secrets masked."""

    __table_args__ = KEPT
    hash: str = Field(primary_key=True)
    yaml: str
    first_used_at: Whole


class Run(EngineTable, table=True):
    """One start of the engine; `continues` is the run that it goes on from."""

    __table_args__ = HISTORY
    id: str = Field(primary_key=True)
    started_at: Whole
    mode: str
    code_version: str
    config_hash: ConfigHash
    continues: str | None = Field(default=None, foreign_key="run.id")
    first_seq: Whole
    host: str
    pid: Whole


# ── what the core said ────────────────────────────────────────────────────────────────────────


class Signal(_Booked, table=True):
    """A strategy changed what it wants; stop and take are prices, null for none.

    With a `limit`, the price of a level, `target` is what it wants to gain there.
    """

    __table_args__ = (*by("instance", "symbol"), CAUSED)
    target: Number
    limit: MaybeNumber
    stop: MaybeNumber
    take: MaybeNumber
    price: Number
    tag: str | None = None
    config_hash: ConfigHash
    code_version: str


class Decision(_Booked, table=True):
    """What risk said to the signal of the same seq and book: the size, or no."""

    __table_args__ = (*by("approved"), CAUSED)
    approved: bool
    quantity: Number
    denials: MaybeWhole  # how many of its event's denials are its own, in their order


class Denial(_Booked, table=True):
    """One of the reasons of a decision that said no."""

    reason: str
    measured: Number
    limit: Number


class Order(_Booked, table=True):
    """A change of an order's status: placed, filled or refused."""

    __table_args__ = (*by("instance", "symbol"), CAUSED)
    order_id: Sought
    status: str
    quantity: Number
    price: Number
    reason: str
    config_hash: ConfigHash
    code_version: str


class Fill(_Booked, table=True):
    """A fill, with the book's position and the account's cash right after it."""

    __table_args__ = (*by("instance"), CAUSED)
    order_id: Sought
    quantity: Number
    price: Number
    fee: Number
    paid: MaybeNumber  # what the cash lost by it; null before 0.2.0
    position: Number
    cash: Number
    reason: str


class Posting(_Booked, table=True):
    """Money that moved without a fill: the funding of a perpetual."""

    amount: Number
    reason: str


_PROFIT = sortable(literal_column("profit", Exact))
_BY_PROFIT = Index("ix_trade_profit", _PROFIT, "seq", "ordinal")


class Trade(_Caused, table=True):
    """A closed round trip, a short below 0; `equity` is the account's at its entry.

    `reason` is that of the exit.
    """

    __table_args__ = (*by("instance", "symbol", "closed_at"), _BY_PROFIT, CAUSED)
    instance: str
    symbol: str
    opened_at: Whole
    closed_at: Whole
    opened_seq: Whole
    quantity: Number
    entry: Number
    exit: Number
    fees: Number
    funding: MaybeNumber  # null before 0.2.0
    profit: Number
    equity: Number
    reason: str
    config_hash: ConfigHash
    code_version: str


class Breaker(_Caused, table=True):
    """A latch was set or released, by a rule or a person."""

    ts: Whole
    name: str
    state: str
    reason: str
    who: str


class Equity(EngineTable, table=True):
    """The account's equity at a full minute."""

    __table_args__ = HISTORY
    seq: Key
    ts: Sought
    run: RunId
    equity: Number


# ── how it is now ─────────────────────────────────────────────────────────────────────────────


class Position(EngineTable, table=True):
    """What a book holds, and its row of the core's block as bytes."""

    __table_args__ = PRESENT
    instance: str = Field(primary_key=True)
    symbol: str = Field(primary_key=True)
    ts: Whole
    seq: Whole
    quantity: Number
    entry: Number
    stop: MaybeNumber
    take: MaybeNumber
    opened_at: Whole
    words: bytes


class Progress(EngineTable, table=True):
    """The one row that says up to which event everything is committed."""

    __table_args__ = PRESENT
    id: Key
    seq: Whole
    ts: Whole
    run: RunId
    account: bytes


class Snapshot(EngineTable, table=True):
    """The core's block after an event, compressed; what `sections` and `sha256` tell apart."""

    __table_args__ = PRESENT
    seq: Key
    ts: Whole
    run: RunId
    identity: str
    sections: str
    block: bytes
    sha256: str
    cash: Number
    positions: str


# ── how the engine is ─────────────────────────────────────────────────────────────────────────


class Happening(EngineTable, table=True):
    """Something a person may want to know, in one sentence; `data` is JSON."""

    __tablename__ = "event"
    __table_args__ = (Index(None, "severity", "id"), Index(None, "kind", "id"), HISTORY)
    id: NextKey
    ts: Sought
    run: RunId
    kind: str
    severity: str
    sentence: str
    data: str


class Heartbeat(EngineTable, table=True):
    """The engine was alive at this minute."""

    __table_args__ = KEPT
    ts: Key
    run: RunId
    seq: Whole
    market_ts: Whole
    lag_ms: float
    loop_lag_ms: float
    memory_bytes: Whole
    handles: Whole


class Answer(EngineTable, table=True):
    """What became of a command; `before` and `after` are JSON."""

    __table_args__ = HISTORY
    command_id: Key
    ts: Whole
    seq: Whole
    run: RunId
    outcome: str
    sentence: str
    before: str
    after: str


# ── what people ask for, and who they are ─────────────────────────────────────────────────────


class Command(PanelTable, table=True):
    """Somebody wants something done; the same `key` twice is one command."""

    __table_args__ = KEPT
    id: NextKey
    ts: Whole
    who: str
    action: str
    instance: str | None = None
    symbol: str | None = None
    reason: str
    key: str = Field(unique=True)


class User(PanelTable, table=True):
    """Who may come in; sessions from before `changed_at` are over, and all of a revoked one."""

    __table_args__ = PRESENT
    name: str = Field(primary_key=True)
    role: str
    password: str  # argon2id
    created_at: Whole
    changed_at: Whole
    revoked_at: MaybeWhole


class Session(PanelTable, table=True):
    """Somebody came in; `id` is a hash of what the browser has, `fresh_at` the last password."""

    __table_args__ = PRESENT
    id: str = Field(primary_key=True)
    user: str = Field(foreign_key="user.name", index=True)
    created_at: Whole
    seen_at: Whole
    fresh_at: Whole
    address: str
    ended_at: MaybeWhole


class Throttle(PanelTable, table=True):
    """How often in a row a password was wrong, for a user or from an address."""

    __table_args__ = PRESENT
    key: str = Field(primary_key=True)
    failures: Whole
    last_at: Whole


class Audit(PanelTable, table=True):
    """Who did what in the panel, or tried to."""

    __table_args__ = HISTORY
    id: NextKey
    ts: Whole
    who: str
    action: str
    outcome: str
    sentence: str
    address: str
