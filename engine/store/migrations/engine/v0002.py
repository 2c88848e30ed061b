"""Indexes for the lists of the panel, each with the key behind it; what perpetuals cost."""

import sqlalchemy as sa
from alembic import op

from engine.store.columns import WHOLE, Exact
from engine.store.migrations.history import protect

revision = "0002_0.2.0"
down_revision = "0001_0.1.0"

CAUSED = {
    "signal": ("instance", "symbol"),
    "decision": ("approved",),
    "order": ("instance", "symbol"),
    "fill": ("instance",),
    "trade": ("instance", "symbol", "closed_at"),
}


def upgrade() -> None:
    """Make them; a number is sorted as a number, though it is kept as text."""
    for table, columns in CAUSED.items():
        for column in columns:
            op.create_index(f"ix_{table}_{column}", table, [column, "seq", "ordinal"])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    profit = sa.text(f"CAST(profit AS {'REAL' if is_sqlite else 'DOUBLE PRECISION'})")
    op.create_index("ix_trade_profit", "trade", [profit, "seq", "ordinal"])
    for column in ("severity", "kind"):
        op.create_index(f"ix_event_{column}", "event", [column, "id"])
    _perpetuals()


def _perpetuals() -> None:
    op.add_column("fill", sa.Column("paid", Exact))
    op.add_column("trade", sa.Column("funding", Exact))
    op.create_table(
        "posting",
        *(sa.Column(name, WHOLE, nullable=False) for name in ("seq", "ordinal", "ts")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("run", "instance", "symbol")),
        sa.Column("amount", Exact, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("seq", "ordinal", name="pk_posting"),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_posting_run_run"),
        sqlite_with_rowid=False,
    )
    protect("posting")
