"""Every table of both stores: what is written down, by whom, and what may be changed afterwards.

The store `engine` is written by the engine alone, the store `panel` by whoever gives commands. Rows
of history are never changed: triggers refuse it. Times are UTC milliseconds; money, prices and
quantities are `Exact`; the rows that one event caused are keyed by its `seq` and an `ordinal` that
counts them.
"""

from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from sqlalchemy import BigInteger, Dialect, Integer, MetaData, Numeric, Table, Text
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Exact(TypeDecorator[Decimal]):
    """A decimal number as it was written: text where the database would make a float of it."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of a column."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return what is stored."""
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, _dialect: Dialect) -> Decimal | None:
        """Return what was stored."""
        return None if value is None else Decimal(value)


WHOLE = BigInteger().with_variant(Integer, "sqlite")  # there, only INTEGER is the row's own id
Whole = Annotated[int, Field(sa_type=WHOLE)]
Key = Annotated[
    int, Field(sa_type=WHOLE, primary_key=True, sa_column_kwargs={"autoincrement": False})
]
Sought = Annotated[int, Field(sa_type=WHOLE, index=True)]
NextKey = Annotated[int | None, Field(default=None, sa_type=WHOLE, primary_key=True)]
Number = Annotated[Decimal, Field(sa_type=Exact)]
MaybeNumber = Annotated[Decimal | None, Field(default=None, sa_type=Exact)]
RunId = Annotated[str, Field(foreign_key="run.id")]
ConfigHash = Annotated[str, Field(foreign_key="config.hash")]


class EngineTable(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMES))):
    """Base of the tables that the engine alone writes."""


class PanelTable(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMES))):
    """Base of the tables that commands are written to."""


METADATA: dict[str, MetaData] = {"engine": EngineTable.metadata, "panel": PanelTable.metadata}

# What a second row of the same key means: an error, unless a table says otherwise.
HISTORY: Any = {"info": {"history": True}}  # never changed
CAUSED: Any = HISTORY | {"sqlite_with_rowid": False}  # stored in the order of its key
KEPT: Any = {"info": {"history": True, "again": "keep"}}  # never changed, said twice is said once
PRESENT: Any = {"info": {"again": "replace"}}  # how it is now


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
    """A strategy changed what it wants; stop and take are prices, null for none."""

    target: Number
    stop: MaybeNumber
    take: MaybeNumber
    price: Number
    tag: str | None = None
    config_hash: ConfigHash
    code_version: str


class Decision(_Booked, table=True):
    """What risk said to the signal of the same seq and book: the size, or no."""

    approved: bool
    quantity: Number


class Denial(_Booked, table=True):
    """One of the reasons of a decision that said no."""

    reason: str
    measured: Number
    limit: Number


class Order(_Booked, table=True):
    """A change of an order's status: placed, filled or refused."""

    order_id: Sought
    status: str
    quantity: Number
    price: Number
    reason: str
    config_hash: ConfigHash
    code_version: str


class Fill(_Booked, table=True):
    """A fill, with the book's position and the account's cash right after it."""

    order_id: Sought
    quantity: Number
    price: Number
    fee: Number
    position: Number
    cash: Number
    reason: str


class Trade(_Caused, table=True):
    """A closed round trip; `equity` is the account's at its entry, `reason` that of the exit."""

    instance: str
    symbol: str
    opened_at: Whole
    closed_at: Whole
    opened_seq: Whole
    quantity: Number
    entry: Number
    exit: Number
    fees: Number
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
    __table_args__ = HISTORY
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


# ── what people ask for ───────────────────────────────────────────────────────────────────────


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
