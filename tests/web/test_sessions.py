"""Sessions: how they begin, how long they last, and what ends them; the clock is the test's."""

import os
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from engine import clock
from engine.errors import StoreBroken
from engine.store.database import open_panel, path_of
from engine.store.tables import Row, tables
from web import accounts
from web import sessions as limits
from web.accounts import By
from web.sessions import Denied, Session, Sessions

BY = By("a test", "shell")
PASSWORD = "correct horse"
USER = tables("panel")["user"]
HOME, CAFE = "10.0.0.1", "10.0.0.2"
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


class Hands:
    """A clock that the test sets; `then` is done when it is next asked."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000
        self.then: list[Callable[[], None]] = []

    def __call__(self) -> int:
        if self.then:
            self.then.pop(0)()
        return self.ms


@pytest.fixture
def hands() -> Hands:
    """Return the clock of `sessions`."""
    return Hands()


@pytest.fixture
def sessions(tmp_path: Path, hands: Hands) -> Iterator[Sessions]:
    """Return the sessions of a store that knows ann, an operator whose hash costs little."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    ann = {"name": "ann", "role": "operator", "password": cheap}
    panel = open_panel(tmp_path)
    with panel.begin() as connection:
        connection.execute(USER.insert(), [ann | {"created_at": 0, "changed_at": 0}])
    panel.dispose()
    sessions = Sessions(tmp_path, now=hands)
    yield sessions
    sessions.close()


def entered(sessions: Sessions) -> tuple[str, Session]:
    """Log ann in; return the cookie's value and the session."""
    token = sessions.enter("ann", PASSWORD, HOME)
    session = sessions.find(token)
    assert session is not None
    return token, session


def rows(sessions: Sessions, table: str) -> list[Row]:
    """Return what a table holds."""
    with sessions.panel.connect() as connection:
        return [dict(row) for row in connection.execute(select(tables("panel")[table])).mappings()]


# ── ids ───────────────────────────────────────────────────────────────────────────────────────


def test_the_store_holds_nothing_that_logs_in(sessions: Sessions, tmp_path: Path) -> None:
    token, session = entered(sessions)
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())  # with its log
    assert session.id.encode() in content
    assert token.encode() not in content
    assert session.csrf.encode() not in content
    assert sessions.find(session.id) is None


def test_each_login_has_an_id_of_its_own_and_ends_the_one_before(sessions: Sessions) -> None:
    first = sessions.enter("ann", PASSWORD, HOME)
    second = sessions.enter("ann", PASSWORD, HOME, first)
    third = sessions.enter(" ANN ", PASSWORD, CAFE)
    assert len({first, second, third}) == 3
    assert sessions.find(first) is None
    assert sessions.find(second) is not None
    assert sessions.find(third) is not None


@pytest.mark.parametrize(
    "token", ["", "x" * 43, "x" * 42, "' OR 1=1 --", "%", "_" * 43, "é" * 43, "x" * 100_000]
)
def test_an_id_that_the_store_does_not_know_is_nobodys(sessions: Sessions, token: str) -> None:
    entered(sessions)
    assert sessions.find(token) is None
    assert sessions.enter("ann", PASSWORD, HOME, token) != token
    assert sessions.find(token) is None


def test_forms_of_two_sessions_differ(sessions: Sessions) -> None:
    assert entered(sessions)[1].csrf != entered(sessions)[1].csrf


# ── how long ──────────────────────────────────────────────────────────────────────────────────


def test_half_an_hour_of_nothing_ends_it(sessions: Sessions, hands: Hands) -> None:
    token, session = entered(sessions)
    hands.ms += 30 * MINUTE - 1
    assert sessions.find(token, is_seen=False)
    assert sessions.is_alive(session)
    hands.ms += 1
    assert not sessions.find(token)
    assert not sessions.is_alive(session)


def test_who_does_something_stays_and_a_page_on_its_own_does_not(
    sessions: Sessions, hands: Hands
) -> None:
    token, _ = entered(sessions)
    for _ in range(3):
        hands.ms += 20 * MINUTE
        assert sessions.find(token)
    for _ in range(2):
        hands.ms += 14 * MINUTE
        assert sessions.find(token, is_seen=False)
    hands.ms += 3 * MINUTE
    assert not sessions.find(token, is_seen=False)


def test_twelve_hours_end_it_whatever_is_done(sessions: Sessions, hands: Hands) -> None:
    token, _ = entered(sessions)
    for _ in range(12 * 3 - 1):
        hands.ms += 20 * MINUTE
        assert sessions.find(token)
    hands.ms += 20 * MINUTE
    assert not sessions.find(token)


def test_the_limits_are_settings(tmp_path: Path, hands: Hands, sessions: Sessions) -> None:
    short = Sessions(tmp_path, idle_minutes=1, session_hours=0.05, now=hands)
    token = short.enter("ann", PASSWORD, HOME)
    hands.ms += MINUTE
    assert not short.find(token)
    token = short.enter("ann", PASSWORD, HOME)
    for _ in range(5):
        hands.ms += 30 * SECOND
        short.find(token)
    hands.ms += 30 * SECOND
    assert not short.find(token)
    short.close()


def test_a_password_is_fresh_for_five_minutes(sessions: Sessions, hands: Hands) -> None:
    token, session = entered(sessions)
    hands.ms += 5 * MINUTE - 1
    assert sessions.is_fresh(session)
    hands.ms += 1
    assert not sessions.is_fresh(session)
    with pytest.raises(Denied):
        sessions.confirm(session, "wrong", HOME)
    again = sessions.find(token)
    assert again is not None
    assert not sessions.is_fresh(again)
    sessions.confirm(session, PASSWORD, HOME)
    again = sessions.find(token)
    assert again is not None
    assert sessions.is_fresh(again)
    hands.ms -= HOUR
    assert not sessions.is_fresh(again), "of a time that has not come"


# ── what ends it ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [
        lambda panel: accounts.change_password(panel, "ann", "another horse", BY),
        lambda panel: accounts.change_role(panel, "ann", "viewer", BY),
        lambda panel: accounts.change_role(panel, "ann", "admin", BY),
        lambda panel: accounts.revoke(panel, "ann", BY),
    ],
    ids=["password", "less", "more", "revoked"],
)
def test_a_changed_account_ends_every_session(
    sessions: Sessions, change: Callable[[object], None]
) -> None:
    entries = [entered(sessions) for _ in range(2)]
    change(sessions.panel)
    for token, session in entries:
        assert sessions.find(token) is None
        assert not sessions.is_alive(session)


def test_a_logout_ends_it_and_is_kept_with_who_did_it(sessions: Sessions) -> None:
    token, session = entered(sessions)
    other, _ = entered(sessions)
    assert sessions.end(session.id, By("ann", HOME))
    assert sessions.find(token) is None
    assert sessions.find(other) is not None
    assert not sessions.end(session.id, By("ann", HOME))
    assert not sessions.end("unknown", By("ann", HOME))
    ended = [row for row in rows(sessions, "audit") if row["action"] == "logout"]
    assert [(row["who"], row["sentence"]) for row in ended] == [
        ("ann", "a session of ann was ended")
    ]


def test_a_login_that_a_change_has_overtaken_is_none(sessions: Sessions, hands: Hands) -> None:
    hands.then = [
        lambda: None,
        lambda: accounts.change_password(sessions.panel, "ann", "another horse", BY),
    ]  # when the password was right, and before the session is stored
    with pytest.raises(Denied):
        sessions.enter("ann", PASSWORD, HOME)
    assert hands.then == []
    assert rows(sessions, "session") == []


def test_old_sessions_are_forgotten(sessions: Sessions, hands: Hands) -> None:
    entered(sessions)
    hands.ms += 31 * 24 * HOUR
    _, session = entered(sessions)
    assert [row["id"] for row in rows(sessions, "session")] == [session.id]


# ── guessing ──────────────────────────────────────────────────────────────────────────────────


def guessed(sessions: Sessions, count: int, address: str = CAFE, name: str = "ann") -> list[int]:
    """Guess wrongly; return for each try how many seconds to wait, 0 where it was looked at."""
    waits = []
    for number in range(count):
        with pytest.raises(Denied) as denied:
            sessions.enter(name, f"wrong {number}", address)
        waits.append(denied.value.seconds)
    return waits


def test_who_waits_is_not_let_in_by_the_right_password(sessions: Sessions, hands: Hands) -> None:
    assert guessed(sessions, 7) == [0, 0, 0, 0, 0, 2, 2]
    with pytest.raises(Denied):
        sessions.enter("ann", PASSWORD, CAFE)
    hands.ms += 2 * SECOND
    assert sessions.find(sessions.enter("ann", PASSWORD, CAFE))


def test_many_tries_at_once_are_not_looked_at(sessions: Sessions) -> None:
    with ThreadPoolExecutor(16) as threads:
        waits = threads.map(lambda _: guessed(sessions, 1)[0], range(40))
    assert sorted(waits) == [0] * 5 + [2] * 35


def test_a_restart_forgives_nothing(sessions: Sessions, tmp_path: Path, hands: Hands) -> None:
    guessed(sessions, 5)
    sessions.close()
    anew = Sessions(tmp_path, now=hands)
    assert guessed(anew, 1) == [2]
    anew.close()


def test_a_name_that_nobody_has_is_counted_too(sessions: Sessions) -> None:
    """Else who asks from many addresses finds out which names there are."""
    for name in ("ann", "nobody"):
        waits = [guessed(sessions, 1, f"192.0.2.{number}", name)[0] for number in range(7)]
        assert waits == [0, 0, 0, 0, 0, 2, 2], name


def test_a_stranger_does_not_lock_out_who_comes_from_home(sessions: Sessions) -> None:
    entered(sessions)
    for number in range(10):
        guessed(sessions, 2, address=f"192.0.2.{number}")
    assert guessed(sessions, 1, address="198.51.100.1")[0] > 0, "the account waits"
    assert sessions.find(sessions.enter("ann", PASSWORD, HOME))


def test_an_account_of_ones_own_does_not_help_to_guess_anothers(sessions: Sessions) -> None:
    accounts.add(sessions.panel, "bob", "viewer", "another horse", BY)
    entered(sessions)  # from the same home
    looked_at = 0
    for _ in range(20):
        looked_at += guessed(sessions, 1, address=HOME) == [0]
        try:
            sessions.enter("bob", "another horse", HOME)
        except Denied:
            break
    assert looked_at == 5


def test_a_confirmation_is_counted_like_a_login(sessions: Sessions) -> None:
    _, session = entered(sessions)
    waits = []
    for _ in range(7):
        with pytest.raises(Denied) as denied:
            sessions.confirm(session, "wrong", HOME)
        waits.append(denied.value.seconds)
    assert waits == [0, 0, 0, 0, 0, 2, 2]
    with pytest.raises(Denied):
        sessions.confirm(session, PASSWORD, HOME)


def test_what_was_typed_is_not_kept(sessions: Sessions, tmp_path: Path) -> None:
    guessed(sessions, 1, name="my secret as a name")
    guessed(sessions, 1)
    sessions.close()
    assert [(row["who"], row["outcome"]) for row in rows(sessions, "audit")] == [
        ("unknown", "refused"),
        ("ann", "refused"),
    ]
    kept = [str(rows(sessions, table)) for table in ("audit", "throttle", "session")]
    for text in kept:
        assert "secret" not in text
        assert "wrong 0" not in text


def test_a_name_that_nobody_has_takes_as_long_as_one_that_somebody_has(
    sessions: Sessions, hands: Hands
) -> None:
    """The account must not be found out by the time a refusal takes: S6."""
    accounts.add(sessions.panel, "eve", "viewer", PASSWORD, BY)
    accounts.add(sessions.panel, "bob", "viewer", PASSWORD, BY)
    accounts.revoke(sessions.panel, "bob", BY)
    took: dict[str, list[float]] = {"eve": [], "nobody": [], "bob": []}
    for _ in range(5):
        for name, times in took.items():
            hands.ms += 2 * HOUR  # all is forgotten
            begun = clock.seconds()
            assert guessed(sessions, 1, name=name) == [0]
            times.append(clock.seconds() - begun)
    known, *unknown = (min(times) for times in took.values())
    for one in unknown:
        assert one == pytest.approx(known, rel=0.35), {
            name: statistics.median(times) for name, times in took.items()
        }


# ── the store ─────────────────────────────────────────────────────────────────────────────────


def test_pages_are_shown_while_nothing_can_be_written(
    sessions: Sessions, hands: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PATIENCE_MS", 50)
    token, _ = entered(sessions)
    sessions.close()
    assert sessions.find(token), "opened with little patience"
    holder = sqlite3.connect(path_of(tmp_path, "panel"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    hands.ms += 2 * MINUTE
    assert sessions.find(token)
    with pytest.raises(StoreBroken, match="was locked by another process"):
        sessions.enter("ann", PASSWORD, HOME)
    holder.close()
    assert sessions.find(sessions.enter("ann", PASSWORD, HOME))


def test_a_backup_that_takes_the_stores_place_is_read(sessions: Sessions, tmp_path: Path) -> None:
    token, _ = entered(sessions)
    sessions.close()
    path = path_of(tmp_path, "panel")
    backup = tmp_path / "backup.db"
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as copy:
        source.backup(copy)
        copy.execute("DELETE FROM session")
    source.close()
    copy.close()
    assert sessions.find(token) is not None
    os.replace(backup, path)
    for log in ("-wal", "-shm"):
        path.with_name(f"{path.name}{log}").unlink()
    assert sessions.find(token) is None
    assert sessions.find(sessions.enter("ann", PASSWORD, HOME))


def test_a_store_that_is_gone_is_said_and_not_made_anew(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path)
    with pytest.raises(StoreBroken, match="must be there, was not"):
        sessions.find("x" * 43)
    with pytest.raises(StoreBroken, match="must be there, was not"):
        sessions.enter("ann", PASSWORD, HOME)
    assert list(tmp_path.iterdir()) == []
