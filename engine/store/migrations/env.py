"""Executed by Alembic: runs the steps of one store in the transaction that it was handed."""

from alembic import context

from engine.store.tables import METADATA

_given = context.config.attributes

context.configure(
    connection=_given["connection"],
    target_metadata=METADATA[_given["store"]],
    render_as_batch=True,  # SQLite cannot alter most of a table in place
)
context.run_migrations()
