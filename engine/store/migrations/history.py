"""Triggers that refuse to change or remove what once happened."""

from alembic import op

_POSTGRESQL = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""


def protect(*names: str) -> None:
    """Let rows of these tables be inserted, never updated nor deleted."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if not is_sqlite:
        op.execute(_POSTGRESQL)
    for name in names:
        for change in ("UPDATE", "DELETE"):
            if is_sqlite:
                what = f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            else:
                what = "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            op.execute(
                f'CREATE TRIGGER {name}_refuses_{change.lower()} BEFORE {change} ON "{name}" {what}'
            )
