"""The price of a level that a strategy asks for."""

import sqlalchemy as sa
from alembic import op

from engine.store.columns import Exact

revision = "0003_0.2.0"
down_revision = "0002_0.2.0"


def upgrade() -> None:
    """Add it; what was signaled before was a target, which has none."""
    op.add_column("signal", sa.Column("limit", Exact))
