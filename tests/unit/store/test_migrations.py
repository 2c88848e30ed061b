"""The migrations: they make the tables that are declared, and leave nothing half done."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, select

from engine.errors import StoreBroken
from engine.store import database, migrations
from engine.store.columns import sortable
from engine.store.migrations.engine import v0001 as engine_v0001
from engine.store.migrations.engine import v0002 as engine_v0002
from engine.store.migrations.engine import v0003 as engine_v0003
from engine.store.migrations.panel import v0001 as panel_v0001
from engine.store.migrations.panel import v0002 as panel_v0002
from engine.store.tables import METADATA, tables
from tests.unit.store.committed import batch, count, writing

STEPS = {"engine": [engine_v0001, engine_v0002, engine_v0003], "panel": [panel_v0001, panel_v0002]}
NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0004_0.3.0"
down_revision = "0003_0.2.0"

def upgrade():
    op.add_column("run", sa.Column("mood", sa.String))
"""


unreflected = pytest.mark.filterwarnings(  # SQLite does not tell of an index over an expression
    "ignore:Skipped unsupported reflection", "ignore:autogenerate skipping metadata-specified"
)


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be the next release, whose schema has one more step for the engine; return its file."""
    folder = tmp_path / "migrations of 100%"
    shutil.copytree(migrations.FOLDER, folder)
    step = folder / "engine" / "v0004.py"
    step.write_text(NEXT)
    monkeypatch.setattr(migrations, "FOLDER", folder)
    monkeypatch.setattr(database, "HEADS", database.HEADS | {"engine": "0004_0.3.0"})
    return step


@unreflected
@pytest.mark.parametrize("store", ["engine", "panel"])
def test_they_make_what_is_declared(store: str, request: pytest.FixtureRequest) -> None:
    made: Engine = request.getfixturevalue(store)
    with made.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA[store]) == []


def test_the_index_of_a_number_is_the_one_declared(engine: Engine) -> None:
    trade = tables("engine")["trade"]
    wanted = select(trade.c.seq).order_by(sortable(trade.c.profit), trade.c.seq, trade.c.ordinal)
    with engine.connect() as connection:
        text = wanted.compile(connection, compile_kwargs={"literal_binds": True})
        (step,) = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    assert step.detail == "SCAN trade USING INDEX ix_trade_profit"


@unreflected
def test_a_missing_column_would_be_found(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql('ALTER TABLE "position" DROP COLUMN words')
        context = MigrationContext.configure(connection)
        found = compare_metadata(context, METADATA["engine"])
    assert [change[0] for change in found] == ["add_column"]


@pytest.mark.parametrize("store", ["engine", "panel"])
def test_the_newest_is_the_one_that_this_release_opens(store: str) -> None:
    scripts = ScriptDirectory.from_config(migrations.configuration(store))
    assert scripts.get_current_head() == database.HEADS[store]
    assert [s.revision for s in scripts.walk_revisions()][::-1] == [
        step.revision for step in STEPS[store]
    ]


def test_an_older_store_is_told_from_a_broken_one(engine: Engine, next_release: Path) -> None:
    engine.dispose()
    with pytest.raises(StoreBroken, match=r"was older, 0003_0.2.0.*chanquant db upgrade"):
        database.open_engine(Path(engine.url.database or "").parent)


def test_an_upgrade_keeps_a_copy_and_every_row(
    engine: Engine, next_release: Path, tmp_path: Path
) -> None:
    with writing(engine) as (writer, _):
        writer.write(batch(0))
    engine.dispose()
    found, head, copy = database.upgrade(tmp_path, "engine")
    assert (found, head) == ("0003_0.2.0", "0004_0.3.0")
    assert copy == tmp_path / "backup" / "engine-0003_0.2.0.db"
    upgraded = database.open_engine(tmp_path)
    assert "mood" in {column["name"] for column in inspect(upgraded).get_columns("run")}
    assert count(upgraded, "signal") == 1
    upgraded.dispose()
    assert database.upgrade(tmp_path, "engine") == (head, head, None)


def test_the_copy_is_the_store_as_it_was(
    engine: Engine, next_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(engine) as (writer, _):
        writer.write(batch(0))
    _, _, copy = database.upgrade(tmp_path, "engine")
    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(str(copy), restored / "engine.db")
    monkeypatch.setattr(database, "HEADS", {"engine": "0003_0.2.0"})
    opened = database.open_engine(restored)
    assert count(opened, "signal") == 1
    opened.dispose()


def test_an_upgrade_that_fails_has_done_nothing(
    engine: Engine, next_release: Path, tmp_path: Path
) -> None:
    engine.dispose()
    next_release.write_text(f"{NEXT}    op.execute('SELECT * FROM nowhere')\n")
    with pytest.raises(StoreBroken, match="no such table: nowhere"):
        database.upgrade(tmp_path, "engine")
    with pytest.raises(StoreBroken, match=r"was older, 0003_0.2.0"):
        database.open_engine(tmp_path)


def test_a_store_that_could_not_be_made_is_made_the_next_time(
    next_release: Path, tmp_path: Path
) -> None:
    next_release.write_text(f"{NEXT}    op.execute('SELECT * FROM nowhere')\n")
    with pytest.raises(StoreBroken, match="no such table: nowhere"):
        database.open_engine(tmp_path)
    next_release.write_text(NEXT)
    database.open_engine(tmp_path).dispose()


@pytest.mark.parametrize("store", ["engine", "panel"])
def test_a_step_only_adds(store: str, tmp_path: Path) -> None:
    """The release before finds all it knows, and can leave out what it does not know."""
    made = create_engine(f"sqlite:///{tmp_path}/{store}.db")
    with made.begin() as connection:
        config = migrations.configuration(store)
        config.attributes["connection"] = connection
        before: dict[str, dict[str, Any]] = {}
        for step in STEPS[store]:
            command.upgrade(config, step.revision)
            after = shape(connection)
            for table, columns in before.items():
                assert columns.items() <= after[table].items(), (step.revision, table)
                for name in after[table].keys() - columns:
                    assert not re.search("NOT NULL|UNIQUE|TRIGGER", after[table][name]), name
            before = after
    made.dispose()


def shape(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return table → name → what it is, of its columns, indexes and triggers."""
    rows = connection.exec_driver_sql("SELECT name, tbl_name, sql FROM sqlite_master").all()
    found: dict[str, dict[str, Any]] = {}
    for name, table, sql in rows:
        found.setdefault(table, {})[name] = sql
    for table, names in found.items():
        names.pop(table, None)
        columns = connection.exec_driver_sql(f'PRAGMA table_info("{table}")').all()
        for _, name, kind, is_needed, default, key in columns:
            has_to_be = " NOT NULL" if is_needed and default is None else ""
            names[name] = f"{kind}{has_to_be} {key}"
    return found


def test_the_release_before_starts_on_the_newer_store(
    next_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.open_engine(tmp_path).dispose()
    monkeypatch.setattr(database, "HEADS", database.HEADS | {"engine": "0003_0.2.0"})
    opened = database.open_engine(tmp_path)
    with writing(opened) as (writer, failures):
        writer.write(batch(0))
        assert failures == []
    reader = database.read_only(tmp_path)
    assert count(reader, "signal") == count(reader, "run") == 1
    reader.dispose()
    opened.dispose()
    assert database.check(tmp_path, "engine") == []
    newer = "0004_0.3.0"
    assert database.upgrade(tmp_path, "engine") == (newer, newer, None)


def test_a_much_newer_store_names_its_release(
    next_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.open_engine(tmp_path).dispose()
    monkeypatch.setattr(database, "HEADS", {"engine": "0001_0.1.0"})
    for act in (database.open_engine, database.read_only):
        with pytest.raises(StoreBroken, match=r"was newer, 0004_0.3.0. Start release 0.3.0 or"):
            act(tmp_path)
    with pytest.raises(StoreBroken, match="was newer"):
        database.upgrade(tmp_path, "engine")


def test_a_store_with_the_versions_of_others_is_none_of_ours(tmp_path: Path) -> None:
    database.open_engine(tmp_path).dispose()
    with closing(sqlite3.connect(tmp_path / "engine.db")) as other, other:
        other.execute("UPDATE alembic_version SET version_num = 'f00d12345678'")
    with pytest.raises(StoreBroken, match="was a database of something else"):
        database.open_engine(tmp_path)
