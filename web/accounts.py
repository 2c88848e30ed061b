"""The people who may use the panel: names, roles, and passwords as argon2id hashes.

Every change is one transaction with its audit row, and ends the sessions of that person.
"""

import re
import secrets
import threading
import unicodedata
from pathlib import Path
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Engine, func, select, update

from engine import clock
from engine.errors import ConfigError, did_you_mean
from engine.store.database import open_panel
from engine.store.tables import Row, tables
from web import audit
from web.view import ROLES

PASSWORD_CHARACTERS = (12, 256)  # fewest, most
HASH_SECONDS_MAX = 3.0  # how long a try waits for those before it

_USER, _SESSION = tables("panel")["user"], tables("panel")["session"]
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none looks like another
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)  # 64 MB, 0.15 s
_NOBODYS = (  # a hash of the same cost, of a password that was thrown away
    "$argon2id$v=19$m=65536,t=3,p=1$jNmRwuILh5BAoYDbuF6heg"
    "$fKLt9mmhkLFiFz5K8vCF3e2kbmnf9IlDfYEobu+ejDw"
)
_ALONE = threading.Lock()  # hashes are made one at a time: memory and processor belong to trading


class By(NamedTuple):
    """Who asks for a change, and from where."""

    who: str
    address: str


class Busy(Exception):
    """Too many passwords wait to be checked."""


# ── reading ───────────────────────────────────────────────────────────────────────────────────


def find(connection: Connection, name: str) -> Row | None:
    """Return the row of a person who may log in, None for a stranger and for one revoked."""
    wanted = select(_USER).where(_USER.c.name == name, _USER.c.revoked_at.is_(None))
    row = connection.execute(wanted).mappings().first()
    return dict(row) if row else None


def listed(connection: Connection) -> list[Row]:
    """Return every account by name, the revoked ones too, without hashes."""
    shown = [column for column in _USER.columns if column.name != "password"]
    rows = connection.execute(select(*shown).order_by(_USER.c.name)).mappings()
    return [dict(row) for row in rows]


def is_right(user: Row | None, password: str) -> bool:
    """Tell whether this is the person's password; as slow for nobody as for somebody.

    Raises Busy where others have to wait for theirs already.
    """
    normal = unicodedata.normalize("NFC", password)[: PASSWORD_CHARACTERS[1] + 1]
    typed = normal.encode(errors="replace")
    kept = user["password"] if user else _NOBODYS
    if not _ALONE.acquire(timeout=HASH_SECONDS_MAX):
        raise Busy
    try:
        is_same = _HASHER.verify(kept, typed)
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _ALONE.release()
    return is_same and user is not None


# ── changing ──────────────────────────────────────────────────────────────────────────────────


def add(panel: Engine, name: str, role: str, password: str, by: By) -> None:
    """Make an account, or give a revoked one back; raise ConfigError where it cannot be."""
    _must_be_name(name)
    _must_be_role(role)
    hashed = _hashed(_chosen(name, password))
    with panel.begin() as connection:
        if find(connection, name):
            raise ConfigError(
                f"{name}: must be a new name, is an account already. Type: chanquant user passwd"
                f" {name}, or chanquant user role {name} --role {role}."
            )
        _add(connection, name, role, hashed, by)


def first_admin(directory: Path) -> str | None:
    """Make the account admin in a store without accounts and return its password, else None.

    Makes the panel's store where there is none; raises StoreBroken.
    """
    panel = open_panel(directory)
    try:
        with panel.connect() as connection:
            if connection.execute(select(func.count()).select_from(_USER)).scalar_one():
                return None
        parts = ("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))
        password = "-".join(parts)
        hashed = _hashed(password)
        with panel.begin() as connection:  # asked again: two panels may start at once
            if connection.execute(select(func.count()).select_from(_USER)).scalar_one():
                return None
            _add(connection, "admin", "admin", hashed, By("first start", "shell"))
        return password
    finally:
        panel.dispose()


def change_password(panel: Engine, name: str, password: str, by: By) -> None:
    """Give a person another password; raise ConfigError where it cannot be."""
    hashed = _hashed(_chosen(name, password))
    _change(panel, name, {"password": hashed}, by, "password", f"{name} has a new password")


def change_role(panel: Engine, name: str, role: str, by: By) -> None:
    """Give a person another role; raise ConfigError where it cannot be."""
    _must_be_role(role)
    _change(panel, name, {"role": role}, by, "role", f"{name} is {role}")


def revoke(panel: Engine, name: str, by: By) -> None:
    """Take a person's access away at once; raise ConfigError where there is nobody."""
    _change(panel, name, {"revoked_at": clock.now_ms()}, by, "revoke", f"{name} has no access")


def _add(connection: Connection, name: str, role: str, hashed: str, by: By) -> None:
    now = clock.now_ms()
    row = {"role": role, "password": hashed, "created_at": now, "changed_at": now}
    if connection.execute(select(_USER).where(_USER.c.name == name)).first():
        was = update(_USER).where(_USER.c.name == name)
        connection.execute(was.values(row | {"revoked_at": None}))
    else:
        connection.execute(_USER.insert(), [row | {"name": name}])
    _close(connection, name, now, by, "add", f"{name} is {role}")


def _change(panel: Engine, name: str, values: Row, by: By, action: str, sentence: str) -> None:
    now = clock.now_ms()
    with panel.begin() as connection:
        if not find(connection, name):
            names = [row["name"] for row in listed(connection) if row["revoked_at"] is None]
            near = did_you_mean(name, names) or "."
            raise ConfigError(f"{name}: must be an account, was not{near} See chanquant user list.")
        wanted = update(_USER).where(_USER.c.name == name)
        connection.execute(wanted.values(values | {"changed_at": now}))
        _close(connection, name, now, by, action, sentence)


def _close(connection: Connection, name: str, now: int, by: By, action: str, sentence: str) -> None:
    """End every session of a person whose account has changed, and keep who changed it."""
    open_ones = update(_SESSION).where(_SESSION.c.user == name, _SESSION.c.ended_at.is_(None))
    connection.execute(open_ones.values(ended_at=now))
    audit.write(
        connection,
        ts=now,
        who=by.who,
        action=f"user {action}",
        outcome="done",
        sentence=sentence,
        address=by.address,
    )


# ── what is accepted ──────────────────────────────────────────────────────────────────────────


def _hashed(password: str) -> str:
    with _ALONE:
        return _HASHER.hash(password)


def _must_be_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name[:40]!r}: must be a name of 1 to 32 small letters, digits, '.', '_' or '-' that"
            " begins with a letter, was not. Choose another."
        )


def _must_be_role(role: str) -> None:
    if role not in ROLES:
        near = did_you_mean(role, ROLES) or "."
        raise ConfigError(f"--role: must be one of {', '.join(ROLES)}, was {role!r}{near} Type it.")


def _chosen(name: str, password: str) -> str:
    """Return a password as it is hashed; raise ConfigError where it is easily guessed."""
    typed = unicodedata.normalize("NFC", password)
    fewest, most = PASSWORD_CHARACTERS
    if not fewest <= len(typed) <= most:
        problem = f"must have {fewest} to {most} characters, had {len(typed)}"
    elif len(set(typed)) < 5:
        problem = f"must have 5 or more different characters, had {len(set(typed))}"
    elif not typed.isprintable():
        problem = "must be of characters that can be typed, had others"
    elif name in typed.lower().replace(" ", "") and len(typed) < fewest + len(name):
        problem = "must be more than the name and a little, was not"
    else:
        return typed
    raise ConfigError(f"password of {name}: {problem}. Choose another, such as four words.")
