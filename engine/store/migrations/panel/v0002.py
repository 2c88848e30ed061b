"""Who may come in, who is in, who tried, and what was done."""

import sqlalchemy as sa
from alembic import op

from engine.store.columns import WHOLE
from engine.store.migrations.history import protect

revision = "0002_0.2.0"
down_revision = "0001_0.1.0"


def upgrade() -> None:
    """Make the tables; only what was done is history."""
    op.create_table(
        "user",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("password", sa.String, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("changed_at", WHOLE, nullable=False),
        sa.Column("revoked_at", WHOLE),
        sa.PrimaryKeyConstraint("name", name="pk_user"),
    )
    op.create_table(
        "session",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("seen_at", WHOLE, nullable=False),
        sa.Column("fresh_at", WHOLE, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("ended_at", WHOLE),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.ForeignKeyConstraint(["user"], ["user.name"], name="fk_session_user_user"),
    )
    op.create_index("ix_session_user", "session", ["user"])
    op.create_table(
        "throttle",
        sa.Column("key", sa.String, nullable=False),
        sa.Column("failures", WHOLE, nullable=False),
        sa.Column("last_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_throttle"),
    )
    op.create_table(
        "audit",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("ts", WHOLE, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("sentence", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    protect("audit")
