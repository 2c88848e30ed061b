"""People, their roles and their passwords, in a store of their own."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from engine.errors import ConfigError
from engine.store.database import open_panel
from engine.store.tables import Row, tables
from web import accounts
from web.accounts import By

BY = By("a test", "shell")
PASSWORD = "correct horse"


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Engine]:
    """Return a new store."""
    panel = open_panel(tmp_path)
    yield panel
    panel.dispose()


def found(panel: Engine, name: str) -> Row | None:
    """Return a person's row."""
    with panel.connect() as connection:
        return accounts.find(connection, name)


def audit(panel: Engine) -> list[tuple[str, str, str]]:
    """Return who did what, and the sentence about it."""
    table = tables("panel")["audit"]
    with panel.connect() as connection:
        rows = connection.execute(select(table).order_by(table.c.id)).mappings()
        return [(row["who"], row["action"], row["sentence"]) for row in rows]


def test_a_password_is_kept_as_argon2id_and_only_it_is_right(panel: Engine) -> None:
    accounts.add(panel, "ann", "viewer", PASSWORD, BY)
    ann = found(panel, "ann")
    assert ann is not None
    assert ann["password"].startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert PASSWORD not in str(ann)
    assert accounts.is_right(ann, PASSWORD)
    assert not accounts.is_right(ann, PASSWORD + " ")
    assert not accounts.is_right(ann, "")
    assert not accounts.is_right(ann, "\ud83d")
    assert not accounts.is_right(None, PASSWORD)
    assert not accounts.is_right(ann | {"password": "no hash"}, PASSWORD)


def test_a_password_is_the_same_however_its_letters_are_composed(panel: Engine) -> None:
    composed, apart = "Z\u00fcrich bei Nacht", "Zu\u0308rich bei Nacht"
    accounts.add(panel, "ann", "viewer", apart, BY)
    accounts.add(panel, "bob", "viewer", composed, BY)
    for name in ("ann", "bob"):
        assert accounts.is_right(found(panel, name), composed)
        assert accounts.is_right(found(panel, name), apart)


@pytest.mark.parametrize(
    ("name", "role", "password", "sentence"),
    [
        ("Ann", "viewer", PASSWORD, "'Ann': must be a name of 1 to 32 small letters"),
        ("", "viewer", PASSWORD, "'': must be a name"),
        ("a" * 33, "viewer", PASSWORD, "must be a name"),
        ("ann\n", "viewer", PASSWORD, "must be a name"),
        ("<b>", "viewer", PASSWORD, "must be a name"),
        ("-rf", "viewer", PASSWORD, "must be a name"),
        ("ann", "amdin", PASSWORD, "was 'amdin', did you mean admin?"),
        ("ann", "viewer", "short", "must have 12 to 256 characters, had 5"),
        ("ann", "viewer", "x" * 257, "must have 12 to 256 characters, had 257"),
        ("ann", "viewer", "abababababab", "must have 5 or more different characters, had 2"),
        ("ann", "viewer", "correct\nhorse1", "must be of characters that can be typed"),
        ("trader", "viewer", "trader123456", "must be more than the name and a little"),
    ],
)
def test_what_is_no_account_is_refused_in_a_sentence(
    panel: Engine, name: str, role: str, password: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        accounts.add(panel, name, role, password, BY)
    assert sentence in str(refused.value)
    assert password not in str(refused.value) or len(password) < 6
    assert audit(panel) == []


def test_a_name_is_given_once_and_a_revoked_one_can_be_given_back(panel: Engine) -> None:
    accounts.add(panel, "ann", "viewer", PASSWORD, BY)
    with pytest.raises(ConfigError, match="must be a new name, is an account already"):
        accounts.add(panel, "ann", "admin", PASSWORD, BY)
    accounts.revoke(panel, "ann", BY)
    assert found(panel, "ann") is None
    accounts.add(panel, "ann", "operator", "another horse", BY)
    ann = found(panel, "ann")
    assert ann is not None
    assert ann["role"] == "operator"
    assert accounts.is_right(ann, "another horse")
    assert not accounts.is_right(ann, PASSWORD)


def test_each_change_is_kept_with_who_made_it(panel: Engine) -> None:
    accounts.add(panel, "ann", "viewer", PASSWORD, BY)
    accounts.change_role(panel, "ann", "admin", BY)
    accounts.change_password(panel, "ann", "another horse", BY)
    accounts.revoke(panel, "ann", BY)
    assert audit(panel) == [
        ("a test", "user add", "ann is viewer"),
        ("a test", "user role", "ann is admin"),
        ("a test", "user password", "ann has a new password"),
        ("a test", "user revoke", "ann has no access"),
    ]


def test_a_change_of_nobody_names_who_was_meant(panel: Engine) -> None:
    accounts.add(panel, "anna", "viewer", PASSWORD, BY)
    accounts.add(panel, "annb", "viewer", PASSWORD, BY)
    accounts.revoke(panel, "annb", BY)
    changes: list[Callable[[], None]] = [
        lambda: accounts.change_role(panel, "annb", "admin", BY),
        lambda: accounts.change_password(panel, "annb", PASSWORD, BY),
        lambda: accounts.revoke(panel, "annb", BY),
    ]
    for change in changes:
        with pytest.raises(ConfigError, match=r"annb: must be an account, .*did you mean anna\?"):
            change()


def test_a_list_shows_no_hash(panel: Engine) -> None:
    accounts.add(panel, "bob", "viewer", PASSWORD, BY)
    accounts.add(panel, "ann", "viewer", PASSWORD, BY)
    with panel.connect() as connection:
        rows = accounts.listed(connection)
    assert [row["name"] for row in rows] == ["ann", "bob"]
    assert "argon2" not in str(rows)


# ── the first start ───────────────────────────────────────────────────────────────────────────


def test_the_first_start_makes_an_admin_once(tmp_path: Path) -> None:
    password = accounts.first_admin(tmp_path / "var")
    assert password is not None
    assert len(set(password)) > 5
    panel = open_panel(tmp_path / "var")
    admin = found(panel, "admin")
    panel.dispose()
    assert admin is not None
    assert admin["role"] == "admin"
    assert accounts.is_right(admin, password)
    assert accounts.first_admin(tmp_path / "var") is None


def test_nobody_is_made_where_somebody_is_or_was(tmp_path: Path) -> None:
    panel = open_panel(tmp_path)
    accounts.add(panel, "ann", "viewer", PASSWORD, BY)
    accounts.revoke(panel, "ann", BY)
    panel.dispose()
    assert accounts.first_admin(tmp_path) is None


def test_two_first_starts_at_once_make_one_admin(tmp_path: Path) -> None:
    open_panel(tmp_path).dispose()
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(accounts.first_admin, [tmp_path] * 4))
    assert len([password for password in made if password]) == 1


# ── one at a time ─────────────────────────────────────────────────────────────────────────────


def test_many_passwords_at_once_do_not_take_all_memory(
    panel: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.add(panel, "ann", "viewer", PASSWORD, BY)
    ann = found(panel, "ann")
    monkeypatch.setattr(accounts, "HASH_SECONDS_MAX", 0.0)

    def tried(_number: int) -> str:
        try:
            return str(accounts.is_right(ann, PASSWORD))
        except accounts.Busy:
            return "busy"

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(tried, range(8)))
    assert set(answers) == {"True", "busy"}
