"""The migrations: they make the tables that are declared, and leave nothing half done."""

import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

from engine.errors import StoreBroken
from engine.store import database, migrations
from engine.store.migrations.engine import v0001 as engine_v0001
from engine.store.migrations.panel import v0001 as panel_v0001
from engine.store.tables import METADATA
from tests.unit.store.committed import batch, count, writing

STEPS = {"engine": [engine_v0001], "panel": [panel_v0001]}
NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0002_0.2.0"
down_revision = "0001_0.1.0"

def upgrade():
    op.add_column("run", sa.Column("mood", sa.String))
"""


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be the next release, whose schema has one more step for the engine; return its file."""
    folder = tmp_path / "migrations of 100%"
    shutil.copytree(migrations.FOLDER, folder)
    step = folder / "engine" / "v0002.py"
    step.write_text(NEXT)
    monkeypatch.setattr(migrations, "FOLDER", folder)
    monkeypatch.setattr(database, "HEADS", database.HEADS | {"engine": "0002_0.2.0"})
    return step


@pytest.mark.parametrize("store", ["engine", "panel"])
def test_they_make_what_is_declared(store: str, request: pytest.FixtureRequest) -> None:
    made: Engine = request.getfixturevalue(store)
    with made.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA[store]) == []


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
    with pytest.raises(StoreBroken, match=r"was older, 0001_0.1.0.*chanquant db upgrade"):
        database.open_engine(Path(engine.url.database or "").parent)


def test_an_upgrade_keeps_a_copy_and_every_row(
    engine: Engine, next_release: Path, tmp_path: Path
) -> None:
    with writing(engine) as (writer, _):
        writer.write(batch(0))
    engine.dispose()
    found, head, copy = database.upgrade(tmp_path, "engine")
    assert (found, head) == ("0001_0.1.0", "0002_0.2.0")
    assert copy == tmp_path / "backup" / "engine-0001_0.1.0.db"
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
    monkeypatch.setattr(database, "HEADS", {"engine": "0001_0.1.0"})
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
    with pytest.raises(StoreBroken, match=r"was older, 0001_0.1.0"):
        database.open_engine(tmp_path)


def test_a_store_that_could_not_be_made_is_made_the_next_time(
    next_release: Path, tmp_path: Path
) -> None:
    next_release.write_text(f"{NEXT}    op.execute('SELECT * FROM nowhere')\n")
    with pytest.raises(StoreBroken, match="no such table: nowhere"):
        database.open_engine(tmp_path)
    next_release.write_text(NEXT)
    database.open_engine(tmp_path).dispose()


def test_a_newer_store_names_its_release(
    next_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.open_engine(tmp_path).dispose()
    monkeypatch.setattr(database, "HEADS", {"engine": "0001_0.1.0"})
    for act in (database.open_engine, database.read_only):
        with pytest.raises(StoreBroken, match=r"was newer, 0002_0.2.0. Start release 0.2.0 or"):
            act(tmp_path)
    with pytest.raises(StoreBroken, match="was newer"):
        database.upgrade(tmp_path, "engine")
