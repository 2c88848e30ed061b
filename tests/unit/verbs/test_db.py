"""`chanquant db`: what it says of the two files of the store."""

import json
from pathlib import Path

import pytest

from engine.errors import ConfigError, StoreBroken
from engine.store import database
from engine.verbs import Arguments, db

Captured = pytest.CaptureFixture[str]


def typed(folder: Path, *words: str, json: bool = False) -> int:
    directory = f"store.directory={folder / 'var'}"
    return db.run(Arguments(json=json, overrides=(directory,), words=words))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with both files of a store in var."""
    for opening in (database.open_engine, database.open_panel):
        opening(tmp_path / "var").dispose()
    return tmp_path


def test_path(tmp_path: Path, capsys: Captured) -> None:
    assert typed(tmp_path, "path") == 0
    assert capsys.readouterr().out == f"{tmp_path}/var/engine.db\n{tmp_path}/var/panel.db\n"


def test_check_of_a_store_that_is_whole(folder: Path, capsys: Captured) -> None:
    assert typed(folder, "check") == 0
    assert f"{folder}/var/engine.db: whole, schema 0003_0.2.0\n" in capsys.readouterr().out


def test_check_of_one_that_is_not(folder: Path, capsys: Captured) -> None:
    (folder / "var/panel.db").write_bytes(b"ts,open,high\n")
    assert typed(folder, "check", json=True) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["engine"]["problems"] == []
    (problem,) = told["panel"]["problems"]
    assert "must be a SQLite database, was something else" in problem


def test_upgrade_of_a_store_that_needs_none(folder: Path, capsys: Captured) -> None:
    assert typed(folder, "upgrade") == 0
    assert f"{folder}/var/panel.db: has schema 0002_0.2.0 already\n" in capsys.readouterr().out
    assert not (folder / "var/backup").exists()


def test_upgrade_of_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match="must be there, was not"):
        typed(tmp_path, "upgrade")


def test_a_word_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"was chekc, did you mean check\? Type: chanquant db"):
        db.run(Arguments(words=("chekc",)))
    with pytest.raises(ConfigError, match="must be check, upgrade or path, was nothing"):
        db.run(Arguments())
