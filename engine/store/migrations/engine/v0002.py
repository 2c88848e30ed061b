"""Indexes for the lists of the panel; each ends with the key, so that a page follows a page."""

import sqlalchemy as sa
from alembic import op

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
