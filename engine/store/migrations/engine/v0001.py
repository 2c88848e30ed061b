"""The tables of paper trading."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from engine.store.columns import WHOLE, Exact
from engine.store.migrations.history import protect

revision = "0001_0.1.0"
down_revision = None

REFERS = {"run": "run.id", "continues": "run.id", "config_hash": "config.hash"}


def upgrade() -> None:
    """Make them all, and let nobody change what is history."""
    _runs()
    _said_by_the_core()
    _present()
    _health()
    protect("config", "run", "signal", "decision", "denial", "order", "fill", "trade", "breaker")
    protect("equity", "event", "heartbeat", "answer")


def _runs() -> None:
    _create("config", "hash", _texts("hash", "yaml"), _wholes("first_used_at"))
    _create(
        "run",
        "id",
        _texts("id"),
        _wholes("started_at"),
        _texts("mode", "code_version", "config_hash"),
        _texts("continues", nullable=True),
        _wholes("first_seq"),
        _texts("host"),
        _wholes("pid"),
    )


def _said_by_the_core() -> None:
    _caused(
        "signal",
        *_book(),
        _exacts("target"),
        _exacts("stop", "take", nullable=True),
        _exacts("price"),
        _texts("tag", nullable=True),
        _texts("config_hash", "code_version"),
    )
    flag = [sa.Column("approved", sa.Boolean, nullable=False)]
    _caused("decision", *_book(), flag, _exacts("quantity"))
    _caused("denial", *_book(), _texts("reason"), _exacts("measured", "limit"))
    _caused(
        "order",
        *_book(),
        _wholes("order_id"),
        _texts("status"),
        _exacts("quantity", "price"),
        _texts("reason"),
        _texts("config_hash", "code_version"),
    )
    op.create_index("ix_order_order_id", "order", ["order_id"])
    numbers = _exacts("quantity", "price", "fee", "position", "cash")
    _caused("fill", *_book(), _wholes("order_id"), numbers, _texts("reason"))
    op.create_index("ix_fill_order_id", "fill", ["order_id"])
    _caused(
        "trade",
        _texts("instance", "symbol"),
        _wholes("opened_at", "closed_at", "opened_seq"),
        _exacts("quantity", "entry", "exit", "fees", "profit", "equity"),
        _texts("reason", "config_hash", "code_version"),
    )
    _caused("breaker", _wholes("ts"), _texts("name", "state", "reason", "who"))
    _create("equity", "seq", _wholes("seq", "ts"), _texts("run"), _exacts("equity"))
    op.create_index("ix_equity_ts", "equity", ["ts"])


def _present() -> None:
    _create(
        "position",
        "instance symbol",
        _texts("instance", "symbol"),
        _wholes("ts", "seq"),
        _exacts("quantity", "entry"),
        _exacts("stop", "take", nullable=True),
        _wholes("opened_at"),
        _bytes("words"),
    )
    _create("progress", "id", _wholes("id", "seq", "ts"), _texts("run"), _bytes("account"))
    _create(
        "snapshot",
        "seq",
        _wholes("seq", "ts"),
        _texts("run", "identity", "sections"),
        _bytes("block"),
        _texts("sha256"),
        _exacts("cash"),
        _texts("positions"),
    )


def _health() -> None:
    _create(
        "event",
        "id",
        _wholes("id", "ts"),
        _texts("run", "kind", "severity", "sentence", "data"),
    )
    op.create_index("ix_event_ts", "event", ["ts"])
    _create(
        "heartbeat",
        "ts",
        _wholes("ts"),
        _texts("run"),
        _wholes("seq", "market_ts"),
        [sa.Column(name, sa.Float, nullable=False) for name in ("lag_ms", "loop_lag_ms")],
        _wholes("memory_bytes", "handles"),
    )
    _create(
        "answer",
        "command_id",
        _wholes("command_id", "ts", "seq"),
        _texts("run", "outcome", "sentence", "before", "after"),
    )


# ── columns ───────────────────────────────────────────────────────────────────────────────────

Columns = list["sa.Column[Any]"]


def _create(name: str, key: str, *columns: Columns, **options: Any) -> None:
    every = [column for some in columns for column in some]
    links = [
        sa.ForeignKeyConstraint(
            [column.name],
            [REFERS[column.name]],
            name=f"fk_{name}_{column.name}_{REFERS[column.name].partition('.')[0]}",
        )
        for column in every
        if column.name in REFERS
    ]
    primary = sa.PrimaryKeyConstraint(*key.split(), name=f"pk_{name}")
    op.create_table(name, *every, primary, *links, **options)


def _caused(name: str, *columns: Columns) -> None:
    first = [*_wholes("seq", "ordinal"), *_texts("run")]
    _create(name, "seq ordinal", first, *columns, sqlite_with_rowid=False)


def _book() -> tuple[Columns, Columns]:
    return _wholes("ts"), _texts("instance", "symbol")


def _wholes(*names: str) -> Columns:
    return [sa.Column(n, WHOLE, nullable=False, autoincrement=n == "id") for n in names]


def _texts(*names: str, nullable: bool = False) -> Columns:
    return [sa.Column(name, sa.String, nullable=nullable) for name in names]


def _exacts(*names: str, nullable: bool = False) -> Columns:
    return [sa.Column(name, Exact, nullable=nullable) for name in names]


def _bytes(*names: str) -> Columns:
    return [sa.Column(name, sa.LargeBinary, nullable=False) for name in names]
