"""Guessing passwords: what is counted, and how long whoever guesses waits."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine

from engine.store.database import open_panel
from web.throttle import FORGOTTEN_MS, charge, forgive, key_of_address, key_of_user

NOW = 1_700_000_000_000


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Engine]:
    """Return a new store."""
    panel = open_panel(tmp_path)
    yield panel
    panel.dispose()


def tried(panel: Engine, now: int, *keys: str) -> int:
    """Try once, wrongly; return the seconds to wait."""
    with panel.begin() as connection:
        return charge(connection, keys or ("user ann",), now)


def evaluated(panel: Engine, first: int, count: int, apart_ms: int, *keys: str) -> list[int]:
    """Return when, in ms after the first, each of `count` wrong tries was looked at."""
    times = [number * apart_ms for number in range(count)]
    return [time for time in times if tried(panel, first + time, *keys) == 0]


def test_waits_double_behind_the_fifth_wrong_try(panel: Engine) -> None:
    times = evaluated(panel, NOW, 1_000, 100)
    assert times[:5] == [0, 100, 200, 300, 400]
    assert times[5:] == [2_400, 6_400, 14_400, 30_400, 62_400]


def test_a_wait_has_a_longest(panel: Engine) -> None:
    times = evaluated(panel, NOW, 2_000, 5_000)
    waits = [after - before for before, after in pairwise(times)]
    assert max(waits) == waits[-1] == 300_000


def test_it_is_said_how_long_to_wait_and_waiting_makes_it_no_longer(panel: Engine) -> None:
    evaluated(panel, NOW, 6, 0)
    assert tried(panel, NOW) == 2
    assert tried(panel, NOW + 500) == 2
    assert tried(panel, NOW + 1_001) == 1
    assert tried(panel, NOW + 2_000) == 0


def test_each_key_makes_wait_alone(panel: Engine) -> None:
    evaluated(panel, NOW, 5, 0, "user ann", "address a")
    assert tried(panel, NOW, "user ann", "address b") == 2
    assert tried(panel, NOW, "user bob", "address a") == 2
    assert tried(panel, NOW, "user bob", "address b") == 0


def test_an_hour_without_a_try_forgets(panel: Engine) -> None:
    evaluated(panel, NOW, 5, 0)
    assert tried(panel, NOW + 1_000) == 1
    assert len(evaluated(panel, NOW + FORGOTTEN_MS + 1, 6, 0)) == 5


def test_a_right_try_clears_the_account_and_only_itself_of_the_address(panel: Engine) -> None:
    keys = (key_of_user("ann"), key_of_address("10.0.0.1"))
    evaluated(panel, NOW, 4, 0, *keys)
    assert tried(panel, NOW, *keys) == 0
    with panel.begin() as connection:
        forgive(connection, keys, "ann")
    assert tried(panel, NOW, keys[1]) == 0
    assert tried(panel, NOW, keys[1]) > 0, "four tries from there still count"
    assert len(evaluated(panel, NOW, 6, 0, keys[0])) == 5


def test_a_clock_that_was_set_back_does_not_lock_out(panel: Engine) -> None:
    evaluated(panel, NOW, 5, 0)
    assert tried(panel, NOW - 86_400_000) == 2


def test_the_store_remembers(tmp_path: Path) -> None:
    panel = open_panel(tmp_path)
    evaluated(panel, NOW, 5, 0)
    panel.dispose()
    panel = open_panel(tmp_path)
    assert tried(panel, NOW) == 2
    panel.dispose()


def test_addresses_of_one_home_are_one() -> None:
    assert key_of_address("2001:db8:1:2::1") == key_of_address("2001:db8:1:2:ffff::9")
    assert key_of_address("2001:db8:1:3::1") != key_of_address("2001:db8:1:2::1")
    assert key_of_address("10.0.0.1") != key_of_address("10.0.0.2")
    assert key_of_address("testclient") == "address testclient"
