"""What is made is the group's, whatever the umask is; what is there stays as it is."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store import database
from engine.store.access import for_the_group, make_file, make_folder
from engine.store.lock import NAME, alone
from tests.unit.live.engines import STOP, trade


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Have another umask."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.usefixtures("umask")
def test_what_is_made_is_the_groups(tmp_path: Path) -> None:
    folder = tmp_path / "some" / "var"
    database.open_engine(folder).dispose()
    panel = database.open_panel(folder)
    with panel.begin() as connection:
        connection.exec_driver_sql("DELETE FROM session")
    with alone(folder):
        names = ("engine.db", "panel.db", "panel.db-wal", "panel.db-shm", NAME)
        assert {mode(folder / name) for name in names} == {0o660}
    panel.dispose()
    assert mode(folder) == 0o2770


@pytest.mark.usefixtures("umask")
def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "file").write_text("content")
    (tmp_path / "file").chmod(0o600)
    make_folder(tmp_path)
    make_file(tmp_path / "file")
    assert (mode(tmp_path), mode(tmp_path / "file")) == (0o700, 0o600)
    assert (tmp_path / "file").read_text() == "content"


def test_a_process_makes_all_for_the_group_and_is_then_as_before(
    umask: int, tmp_path: Path
) -> None:
    with for_the_group():
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
    assert mode(tmp_path / "file") == 0o660
    assert mode(tmp_path / "folder") & 0o777 == 0o770
    assert os.umask(umask) == umask


@pytest.mark.usefixtures("umask")
def test_nobody_else_reads_what_an_engine_leaves(tmp_path: Path) -> None:
    trade(tmp_path / "var", STOP)
    left = list((tmp_path / "var").rglob("*"))
    assert {path.suffix for path in left} >= {".db", ".json", ".lock"}
    assert [path for path in left if mode(path) & 0o007 or not mode(path) & 0o040] == []
