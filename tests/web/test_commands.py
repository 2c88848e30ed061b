"""Forms that are sent once, twice, at the same time, too late, changed, and by somebody else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from engine.store import queries
from engine.store.database import open_panel, read_only
from engine.store.tables import ACTIONS
from tests.unit.live.engines import STOP, settings, told, trade
from web import commands
from web.commands import KEY_MINUTES, Told, Wish, give, is_fresh, is_ours, new_key
from web.view import Held, State

NOW = 1_800_000_000_000
SECRET = "that of a session"


def command(**different: Any) -> dict[str, Any]:
    """Return the row of a command."""
    row = {"ts": NOW, "who": "ann", "action": "pause", "instance": "ema_cross", "symbol": None}
    return row | {"reason": "news", "key": new_key(SECRET, NOW)} | different


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Engine]:
    """Return the panel's store of a new folder."""
    database = open_panel(tmp_path)
    yield database
    database.dispose()


def asked(folder: Path) -> list[dict[str, Any]]:
    """Return all commands of a store."""
    database = read_only(folder, "panel")
    with database.connect() as connection:
        found = queries.commands(connection, 0)
    database.dispose()
    return found


# ── keys ──────────────────────────────────────────────────────────────────────────────────────


def test_a_key_belongs_to_its_session() -> None:
    key = new_key(SECRET, NOW)
    assert is_ours(key, SECRET)
    assert not is_ours(key, "that of another session")


def test_two_forms_have_two_keys() -> None:
    assert new_key(SECRET, NOW) != new_key(SECRET, NOW)


@pytest.mark.parametrize("at", range(0, 100, 7))
def test_a_changed_key_is_nobodys(at: int) -> None:
    key = new_key(SECRET, NOW)
    changed = key[:at] + ("0" if key[at] != "0" else "1") + key[at + 1 :]
    assert not is_ours(changed, SECRET)


@pytest.mark.parametrize("key", ["", "a", "..", "a.b.c", "é" * 90, "1" * 5_000, "\0", "1.\n."])
def test_what_is_no_key_is_nobodys(key: str) -> None:
    assert not is_ours(key, SECRET)


def test_a_key_is_fresh_for_some_minutes() -> None:
    key, end = new_key(SECRET, NOW), NOW + KEY_MINUTES * 60_000
    assert [is_fresh(key, now) for now in (NOW - 1, NOW, end, end + 1)] == [0, 1, 1, 0]


# ── the table ─────────────────────────────────────────────────────────────────────────────────


def test_a_form_that_is_sent_ten_times_at_once_is_one_command(
    panel: Engine, tmp_path: Path
) -> None:
    row = command()
    with ThreadPoolExecutor(10) as pool:
        became = list(pool.map(lambda _: give(panel, tmp_path, row), range(10)))
    assert sorted(became, key=str) == [Told.AGAIN] * 9 + [Told.STORED]
    assert [one["key"] for one in asked(tmp_path)] == [row["key"]]


@pytest.mark.parametrize(
    "different",
    [
        {"who": "bob"},
        {"action": "close"},
        {"instance": None},
        {"symbol": "BTC/USDT"},
        {"reason": "other news"},
    ],
    ids=lambda different: next(iter(different)),
)
def test_a_key_with_another_content_is_refused(
    panel: Engine, tmp_path: Path, different: dict[str, Any]
) -> None:
    row = command()
    assert give(panel, tmp_path, row) == Told.STORED
    assert give(panel, tmp_path, row | different) == Told.OTHER
    assert give(panel, tmp_path, row | {"ts": NOW + 1}) == Told.AGAIN  # the time is no content
    assert len(asked(tmp_path)) == 1


def test_a_new_panel_store_counts_on_from_what_was_answered(tmp_path: Path) -> None:
    trade(tmp_path, STOP)
    assert told(tmp_path, "pause")["command_id"] == 1
    for file in tmp_path.glob("panel.db*"):
        file.unlink()
    panel = open_panel(tmp_path)
    assert give(panel, tmp_path, command()) == Told.STORED
    panel.dispose()
    assert [row["id"] for row in asked(tmp_path)] == [2]


# ── what may be asked for ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("action", ACTIONS)
def test_what_each_action_needs(action: str) -> None:
    def needs(wish: Wish) -> tuple[str, bool, bool]:
        return wish.role, wish.is_dangerous, wish.needs_reason

    expected = {
        "pause": ("operator", False, False),
        "resume": ("operator", True, True),
        "close": ("operator", True, False),
        "flatten": ("operator", True, False),
        "kill": ("operator", True, False),
        "rearm": ("admin", True, True),
    }
    assert needs(Wish(action)) == expected[action]
    if action in ("close", "resume"):
        role, _, reason = expected[action]
        for place in (("ema_cross", None), (None, "BTC/USDT"), ("ema_cross", "BTC/USDT")):
            assert needs(Wish(action, *place)) == (role, False, reason)


HELD = Held("gone", "OLD/USDT", 1.0, 1.0, None, None, 0, 0, False)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (Wish("pause"), None),
        (Wish("pause", "ema_cross", "BTC/USDT"), None),
        (Wish("close", "gone", "OLD/USDT"), None),  # held, though no longer declared
        (
            Wish("buy"),
            "action: must be one of close, flatten, kill, pause, rearm, resume, was buy.",
        ),
        (
            Wish("close", "ema_cros"),
            "instance: must be one of ema_cross, gone, rsi_reversion, was ema_cros, did you mean"
            " ema_cross?",
        ),
        (
            Wish("close", None, "BTC/USD"),
            "symbol: must be one of BTC/USDT, ETH/USDT, OLD/USDT, was BTC/USD, did you mean"
            " BTC/USDT?",
        ),
        (
            Wish("kill", "ema_cross"),
            "kill: must be about the whole account, was about ema_cross. Leave it.",
        ),
        (
            Wish("rearm", None, "BTC/USDT"),
            "rearm: must be about the whole account, was about BTC/USDT. Leave it.",
        ),
    ],
)
def test_what_is_asked_for_must_exist(tmp_path: Path, wish: Wish, sentence: str | None) -> None:
    state = State("running", "store", held=(HELD,))
    assert wish.problem(settings(tmp_path), state) == sentence


def test_a_reason_is_one_line_that_can_be_seen() -> None:
    text = "news\r\n of\t<b>\0\x1b[31m today\u202e \u202e 新闻 \ud800"
    assert commands.tidied(text) == "news of <b>[31m today 新闻"
