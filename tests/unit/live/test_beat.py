"""When a heartbeat is due: once in each minute of the clock, whatever moment it is now."""

from hypothesis import given
from hypothesis import strategies as some

from engine.live.run import seconds_to_minute


@given(some.integers(0, 4_000_000_000_000))
def test_the_next_heartbeat_falls_into_the_next_minute(now: int) -> None:
    later = now + seconds_to_minute(now) * 1_000
    assert later // 60_000 == now // 60_000 + 1
    assert later % 60_000 < 100
