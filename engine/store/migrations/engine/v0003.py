"""The price of a level that a strategy asks for, and which reasons belong to which decision."""

import sqlalchemy as sa
from alembic import op

from engine.store.columns import WHOLE, Exact

revision = "0003_0.2.0"
down_revision = "0002_0.2.0"


def upgrade() -> None:
    """Add both; what was signaled before was a target, one for each book and event."""
    op.add_column("signal", sa.Column("limit", Exact))
    op.add_column("decision", sa.Column("denials", WHOLE))
