"""The table of commands."""

import sqlalchemy as sa
from alembic import op

from engine.store.columns import WHOLE
from engine.store.migrations.history import protect

revision = "0001_0.1.0"
down_revision = None


def upgrade() -> None:
    """Make it, and let nobody change it."""
    op.create_table(
        "command",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("ts", WHOLE, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("instance", sa.String),
        sa.Column("symbol", sa.String),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_command"),
        sa.UniqueConstraint("key", name="uq_command_key"),
    )
    protect("command")
