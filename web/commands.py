"""What a person asks the engine to do: checked, stored once as a command, and its answer.

A form carries a key that was made with it and is bound to its session. The same key again with the
same content is the same command; with another content it is refused, and so is a key that this
session was not given, or that is older than `KEY_MINUTES`: what its form said is no longer true.
"""

import hmac
import re
import secrets
import threading
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select

from engine.errors import did_you_mean
from engine.settings import Settings
from engine.store import queries
from engine.store.database import explained, path_of, read_only
from engine.store.tables import ACTIONS, Row, tables
from engine.store.writer import ask
from web.view import Role, State

KEY_MINUTES = 15
REASON_MAX = 500  # characters

_ACCOUNT_ONLY = ("kill", "rearm")  # concern the whole account, never a part of it
_REASONED = ("resume", "rearm")  # what was stopped goes on only with a reason
_CONTENT = ("who", "action", "instance", "symbol", "reason")
_ONE_AT_A_TIME = threading.Lock()  # so that of a double click one is the first
_KEY = re.compile(r"([0-9a-f]{1,12})\.[\w-]{22}\.[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Wish:
    """What is asked for: an action on all, on an instance, on a symbol, or on one book."""

    action: str
    instance: str | None = None
    symbol: str | None = None

    @property
    def role(self) -> Role:
        """The least role that may ask for it."""
        return "admin" if self.action == "rearm" else "operator"

    @property
    def is_dangerous(self) -> bool:
        """Whether it needs a typed word and a fresh password: it is about much, or much at once."""
        is_all = self.instance is None and self.symbol is None
        is_broad = is_all and self.action in ("close", "resume")
        return is_broad or self.action in ("kill", "flatten", "rearm")

    @property
    def word(self) -> str:
        """The word that is typed for a dangerous one."""
        return self.action.upper()

    @property
    def needs_reason(self) -> bool:
        """Whether it must say why."""
        return self.action in _REASONED

    def problem(self, settings: Settings, state: State) -> str | None:
        """Return a sentence that says what is wrong with it, None where nothing is."""
        if self.action not in ACTIONS:
            return _unknown("action", self.action, ACTIONS)
        if self.action in _ACCOUNT_ONLY and (self.instance or self.symbol):
            place = self.instance or self.symbol
            return f"{self.action}: must be about the whole account, was about {place}. Leave it."
        instances = [*settings.strategy, *(held.instance for held in state.held)]
        symbols = [*settings.universe.symbols, *(held.symbol for held in state.held)]
        if self.instance is not None and self.instance not in instances:
            return _unknown("instance", self.instance, instances)
        if self.symbol is not None and self.symbol not in symbols:
            return _unknown("symbol", self.symbol, symbols)
        return None


def _unknown(name: str, word: str, known: Any) -> str:
    words = sorted(set(known))
    near = did_you_mean(word, words) or "."
    return f"{name}: must be one of {', '.join(words)}, was {word}{near}"


def tidied(reason: str) -> str:
    """Return a reason as one line, without signs that cannot be seen."""
    seen = "".join(sign for sign in reason if sign.isprintable() or sign.isspace())
    return " ".join(seen.split())


# ── keys ──────────────────────────────────────────────────────────────────────────────────────


def new_key(secret: str, now: int) -> str:
    """Return a key for one form of the session that has `secret`, at `now` in ms."""
    begin = f"{now:x}.{secrets.token_urlsafe(16)}"
    return f"{begin}.{_seal(secret, begin)}"


def is_ours(key: str, secret: str) -> bool:
    """Tell whether a key was made by `new_key` for this session."""
    if not _KEY.fullmatch(key):
        return False
    begin, _, seal = key.rpartition(".")
    return hmac.compare_digest(seal, _seal(secret, begin))


def is_fresh(key: str, now: int) -> bool:
    """Tell whether a key of ours is young enough to be used for the first time."""
    return 0 <= now - int(key.partition(".")[0], 16) <= KEY_MINUTES * 60_000


def _seal(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), b"command " + text.encode(), "sha256").hexdigest()


# ── the command table ─────────────────────────────────────────────────────────────────────────


class Told(Enum):
    """What became of a form that was sent."""

    STORED = "stored"
    AGAIN = "again"  # the same form once more: nothing was added
    OTHER = "other"  # its key belongs to another command


def stored(panel: Connection, key: str) -> Row | None:
    """Return the command with a key, None where there is none."""
    table = tables("panel")["command"]
    found = panel.execute(select(table).where(table.c.key == key)).mappings().first()
    return None if found is None else dict(found)


def is_same(one: Row, other: Row) -> bool:
    """Tell whether two commands ask for the same."""
    return all(one[column] == other[column] for column in _CONTENT)


def give(panel: Engine, directory: Path, command: Row) -> Told:
    """Store a command where its key is new; raise StoreBroken where it cannot be stored."""
    path = path_of(directory, "panel")
    with _ONE_AT_A_TIME:
        with explained(path), panel.connect() as connection:
            before = stored(connection, command["key"])
        if before is None:
            ask(panel, command, _answered(directory))
            return Told.STORED
    return Told.AGAIN if is_same(before, command) else Told.OTHER


def _answered(directory: Path) -> int:
    """Return the last command that the engine has answered, 0 where it never ran."""
    if not path_of(directory, "engine").exists():
        return 0
    database = read_only(directory)
    try:
        with database.connect() as connection:
            return queries.answered(connection)
    finally:
        database.dispose()
