"""Who is logged in: sessions with ids of our own, fresh at each login, kept in the panel's store.

The browser holds 32 random bytes; the store holds their sha256, so that whoever reads it or a
backup of it cannot log in. An id that the store does not know is nobody's, whoever sent it.
"""

import hmac
import re
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, select, update

from engine import clock
from engine.errors import StoreBroken
from engine.store.database import explained, open_panel, path_of, read_only
from engine.store.tables import Row, tables
from web import accounts, audit, throttle
from web.view import Who

COOKIE = "__Host-session"
SEEN_MS = 60_000  # how exactly it is kept when a person was last there
FRESH_MS = 5 * 60_000  # how long after giving the password a dangerous action needs no other
PATIENCE_MS = 2_000  # how long a lock is waited for
KEPT_MS = 30 * 86_400_000  # how long an ended session is still known

_SESSION, _USER = tables("panel")["session"], tables("panel")["user"]
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Session:
    """A person's login; `id` is what the store knows, `csrf` what this person's forms carry.

    fresh_at  ms, when the password was last given
    """

    id: str
    who: Who
    csrf: str
    created_at: int
    fresh_at: int


class Denied(Exception):
    """A password was not accepted; the next will be looked at after `seconds`, 0 for at once."""

    def __init__(self, seconds: int = 0) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Sessions:
    """The sessions of one store; `now` says the time in ms. All methods raise StoreBroken."""

    def __init__(
        self,
        directory: Path,
        *,
        idle_minutes: float = 30,
        session_hours: float = 12,
        now: Callable[[], int] = clock.now_ms,
    ) -> None:
        self._directory = directory
        self._path = path_of(directory, "panel")
        self._idle_ms = round(idle_minutes * 60_000)
        self._session_ms = round(session_hours * 3_600_000)
        self._now = now
        self._opened: dict[str, tuple[int, Engine]] = {}  # kind → inode, what is open
        self._opening = threading.Lock()

    @property
    def panel(self) -> Engine:
        """The panel's store, to be written."""
        return self._current(
            "writing", lambda: open_panel(self._directory, create=False, patience_ms=PATIENCE_MS)
        )

    @property
    def _reading(self) -> Engine:
        return self._current("reading", lambda: read_only(self._directory, "panel", PATIENCE_MS))

    def _current(self, kind: str, opened: Callable[[], Engine]) -> Engine:
        """Return the store as it is open, or open it: anew where a backup took its place."""
        with self._opening:
            inode = self._path.stat().st_ino if self._path.exists() else 0
            before, engine = self._opened.get(kind, (0, None))
            if engine is None or inode != before:
                if engine is not None:
                    engine.dispose()
                engine = opened()
                self._opened[kind] = self._path.stat().st_ino, engine
            return engine

    def close(self) -> None:
        """Close what was opened."""
        with self._opening:
            for _, engine in self._opened.values():
                engine.dispose()
            self._opened.clear()

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def find(self, token: str | None, *, is_seen: bool = True) -> Session | None:
        """Return the session of a cookie's value, None where it is over or never was.

        `is_seen`: a person asked, not a page on its own.
        """
        if token is None or not _TOKEN.fullmatch(token):
            return None
        key, now = _key(token), self._now()
        row = self._alive(key, now)
        if row is None:
            return None
        if is_seen and now - row["seen_at"] >= SEEN_MS:
            with suppress(StoreBroken):  # a full disk must not hide the pages
                self._see(key, now)
        who = Who(row["user"], row["role"])
        return Session(key, who, _csrf(token), row["created_at"], row["fresh_at"])

    def is_alive(self, session: Session) -> bool:
        """Tell whether a session that was found once still is one."""
        return self._alive(session.id, self._now()) is not None

    def is_fresh(self, session: Session) -> bool:
        """Tell whether the password was given a moment ago, so that a dangerous action may be."""
        return 0 <= self._now() - session.fresh_at < FRESH_MS

    def _alive(self, key: str, now: int) -> Row | None:
        wanted = (
            select(_SESSION, _USER.c.role)
            .join(_USER, _USER.c.name == _SESSION.c.user)
            .where(_SESSION.c.id == key, _SESSION.c.ended_at.is_(None))
            .where(_USER.c.revoked_at.is_(None))
        )
        with explained(self._path, PATIENCE_MS), self._reading.connect() as connection:
            row = connection.execute(wanted).mappings().first()
        if row is None or now - row["created_at"] >= self._session_ms:
            return None
        return dict(row) if now - row["seen_at"] < self._idle_ms else None

    def _see(self, key: str, now: int) -> None:
        with explained(self._path, PATIENCE_MS), self.panel.begin() as connection:
            connection.execute(update(_SESSION).where(_SESSION.c.id == key).values(seen_at=now))

    # ── beginning and ending ──────────────────────────────────────────────────────────────────

    def enter(self, name: str, password: str, address: str, token: str | None = None) -> str:
        """Log a person in and return the new cookie's value; end the session of the old one.

        Raises Denied, or accounts.Busy.
        """
        name = name.strip().lower()
        user = self._proven(name, password, address, "login")
        fresh, now = secrets.token_urlsafe(32), self._now()
        row: Row = {"id": _key(fresh), "user": name, "address": address}
        row |= dict.fromkeys(("created_at", "seen_at", "fresh_at"), now)
        with explained(self._path, PATIENCE_MS), self.panel.begin() as connection:
            if accounts.find(connection, name) != user:  # changed while the hash was made
                raise Denied
            if token:
                _end(connection, _key(token), now)
            connection.execute(delete(_SESSION).where(_SESSION.c.created_at < now - KEPT_MS))
            connection.execute(_SESSION.insert(), [row])
            audit.write(
                connection,
                ts=now,
                who=name,
                action="login",
                outcome="done",
                sentence=f"{name} logged in as {user['role']}",
                address=address,
            )
        return fresh

    def confirm(self, session: Session, password: str, address: str) -> None:
        """Take note that the password was given again; raise Denied, or accounts.Busy."""
        self._proven(session.who.name, password, address, "confirm")
        with explained(self._path, PATIENCE_MS), self.panel.begin() as connection:
            wanted = update(_SESSION).where(_SESSION.c.id == session.id)
            connection.execute(wanted.values(fresh_at=self._now()))

    def end(self, key: str, by: accounts.By) -> bool:
        """End a session by its id; False where it had ended or never was."""
        now = self._now()
        with explained(self._path, PATIENCE_MS), self.panel.begin() as connection:
            wanted = select(_SESSION.c.user).where(_SESSION.c.id == key)
            user = connection.execute(wanted).scalar()
            if not _end(connection, key, now):
                return False
            audit.write(
                connection,
                ts=now,
                who=by.who,
                action="logout",
                outcome="done",
                sentence=f"a session of {user} was ended",
                address=by.address,
            )
        return True

    def _proven(self, name: str, password: str, address: str, action: str) -> Row:
        """Return the account whose password this is; raise Denied, and keep that it was wrong."""
        now = self._now()
        with explained(self._path, PATIENCE_MS), self.panel.begin() as connection:
            user = accounts.find(connection, name)
            keys = {throttle.key_of_address(address)}
            if user is None:
                keys.add(throttle.key_of_stranger(name))
            elif not _is_familiar(connection, name, address):
                keys.add(throttle.key_of_user(name))
            wait = throttle.charge(connection, keys, now)
        if wait:
            raise Denied(wait)
        is_right = accounts.is_right(user, password)
        with explained(self._path, PATIENCE_MS), self.panel.begin() as connection:
            if user and is_right:
                throttle.forgive(connection, keys, name)
                return user
            audit.write(
                connection,
                ts=now,
                who=name if user else "unknown",
                action=action,
                outcome="refused",
                sentence="a wrong name or password was given",
                address=address,
            )
        raise Denied


def _key(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _csrf(token: str) -> str:
    return hmac.digest(token.encode(), b"csrf", "sha256").hex()


def _end(connection: Connection, key: str, now: int) -> bool:
    wanted = update(_SESSION).where(_SESSION.c.id == key, _SESSION.c.ended_at.is_(None))
    return connection.execute(wanted.values(ended_at=now)).rowcount > 0


def _is_familiar(connection: Connection, name: str, address: str) -> bool:
    """Tell whether a person has logged in from there: a stranger's tries do not lock them out."""
    before = select(_SESSION.c.id).where(_SESSION.c.user == name, _SESSION.c.address == address)
    return connection.execute(before.limit(1)).first() is not None
