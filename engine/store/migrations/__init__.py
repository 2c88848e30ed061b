"""How the tables came to be, one numbered file a step; Alembic runs them, told by code alone.

`upgrade` has Alembic execute `engine.store.migrations.env`, and with it the files of one store that
are not applied yet. A step is named by its number and the release it appears in, as `0002_0.2.0`;
the newest stands in `engine.store.database.HEADS`, and a test compares its tables with
`engine.store.tables`. Steps only ever add: the release before must still find what it knows.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

FOLDER = Path(__file__).parent


def configuration(store: str) -> Config:
    """Return what Alembic must know of the store `engine` or `panel`."""
    config = Config()
    for name, value in (
        ("script_location", FOLDER),
        ("version_locations", FOLDER / store),
        ("path_separator", "newline"),
    ):
        config.set_main_option(name, str(value).replace("%", "%%"))
    config.attributes["store"] = store
    return config


def upgrade(connection: Connection, store: str) -> None:
    """Apply, in the transaction of a connection, every step that it lacks."""
    config = configuration(store)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
