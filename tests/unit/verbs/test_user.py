"""chanquant user, as it is typed: who may use the panel, from a shell."""

import getpass
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from engine.__main__ import main
from engine.store.database import open_panel
from engine.store.tables import Row, tables
from web import accounts

PASSWORD = "correct horse"
Captured = pytest.CaptureFixture[str]
TypeIn = Callable[..., tuple[int, str]]


@pytest.fixture
def type_in(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """Return a function that types a verb, with a line on standard input; code and print."""

    def type_in(*words: str, line: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(line))
        code = main(["user", *words, f"store.directory={tmp_path}"])
        return code, "".join(capsys.readouterr())

    return type_in


def found(folder: Path, name: str) -> Row | None:
    """Return a person's row."""
    panel = open_panel(folder)
    with panel.connect() as connection:
        row = accounts.find(connection, name)
    panel.dispose()
    return row


def test_a_person_comes_changes_and_goes(type_in: TypeIn, tmp_path: Path) -> None:
    added = type_in("add", "ann", "--role", "viewer", line=f"{PASSWORD}\nmore\n")
    assert added == (0, "ann may log in as viewer\n")
    ann = found(tmp_path, "ann")
    assert ann is not None
    assert ann["role"] == "viewer"
    assert accounts.is_right(ann, PASSWORD)
    assert type_in("role", "ann", "--role", "admin") == (
        0,
        "ann is admin from the next login on\n",
    )
    assert type_in("passwd", "ann", line="another horse\r\n") == (0, "ann has a new password\n")
    ann = found(tmp_path, "ann")
    assert ann is not None
    assert ann["role"] == "admin"
    assert accounts.is_right(ann, "another horse")
    assert type_in("revoke", "ann")[0] == 0
    assert found(tmp_path, "ann") is None


def test_who_did_it_from_a_shell_is_kept(type_in: TypeIn, tmp_path: Path) -> None:
    type_in("add", "ann", "--role", "viewer", line=PASSWORD)
    panel = open_panel(tmp_path)
    with panel.connect() as connection:
        kept = connection.execute(select(tables("panel")["audit"])).mappings().one()
    panel.dispose()
    assert (kept["who"], kept["address"]) == (getpass.getuser(), "shell")
    assert (kept["action"], kept["sentence"]) == ("user add", "ann is viewer")


def test_a_list_shows_who_there_is(type_in: TypeIn) -> None:
    assert "no accounts yet" in type_in("list")[1]
    type_in("add", "ann", "--role", "viewer", line=PASSWORD)
    type_in("add", "bob", "--role", "admin", line=PASSWORD)
    type_in("revoke", "ann")
    code, printed = type_in("list", "--json")
    assert code == 0
    users = json.loads(printed)["users"]
    assert [(user["name"], user["role"], user["revoked_at"] is None) for user in users] == [
        ("ann", "viewer", False),
        ("bob", "admin", True),
    ]
    assert "argon2" not in printed
    assert "argon2" not in type_in("list")[1]


@pytest.mark.parametrize(
    ("words", "line", "sentence"),
    [
        ((), "", "user: must be one of add, role, passwd, revoke, list, was nothing."),
        (("ad", "ann"), "", "was ad, did you mean add?"),
        (("add", "--role", "viewer"), PASSWORD, "user add: must have 1 name behind it, had 0."),
        (("revoke", "a", "b"), "", "user revoke: must have 1 name behind it, had 2."),
        (("list", "a"), "", "user list: must have no name behind it, had 1."),
        (("add", "ann"), PASSWORD, "user add: must have a --role, had none."),
        (("revoke", "ann", "--role", "viewer"), "", "user revoke: must have no --role, had one."),
        (("add", "ann", "--role", "root"), PASSWORD, "--role: must be one of viewer, operator"),
        (("add", "ann", "--role", "viewer"), "", "must have 12 to 256 characters, had 0."),
        (("passwd", "ann"), PASSWORD, "ann: must be an account, was not."),
        (("add", "Ann", "--role", "viewer"), PASSWORD, "must be a name of 1 to 32 small letters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(
    type_in: TypeIn, tmp_path: Path, words: tuple[str, ...], line: str, sentence: str
) -> None:
    code, printed = type_in(*words, line=line)
    assert code == 2
    assert sentence in printed
    assert found(tmp_path, "ann") is None


@pytest.mark.parametrize(("again", "code"), [(PASSWORD, 0), ("correct hose", 2)])
def test_at_a_terminal_a_password_is_typed_twice_and_not_shown(
    tmp_path: Path, again: str, code: int
) -> None:
    """In a terminal of its own: what it shows is read from the other end."""
    typed = ["user", "add", "ann", "--role", "viewer", f"store.directory={tmp_path}"]
    ours, its = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "engine", *typed],
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    ) as chanquant:
        shown = b""
        for prompt, line in ((b"New password of ann: ", PASSWORD), (b"The same again: ", again)):
            while prompt not in shown:
                shown += os.read(ours, 1_000)
            os.write(ours, f"{line}\n".encode())
        assert chanquant.wait(60) == code
        shown += os.read(ours, 10_000)
    os.close(ours)
    os.close(its)
    assert b"hose" not in shown
    assert b"horse" not in shown
    assert (found(tmp_path, "ann") is not None) == (code == 0)
