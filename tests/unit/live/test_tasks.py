"""A task that dies is started again with growing waits, tells each death, and at last gives up."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from engine.errors import InvariantBroken
from engine.live.tasks import Backoff, Tasks
from tests.virtual import on_virtual_time, run

Deaths = list[tuple[float, str, str]]


def _now() -> float:
    return asyncio.get_running_loop().time()


def _recording(deaths: Deaths) -> Tasks:
    return Tasks(lambda name, error: deaths.append((_now(), name, str(error))))


def _dying(*lives: float) -> Callable[[], Coroutine[None, None, None]]:
    """Return a function whose runs fail after these seconds each, and then one that ends well."""
    left = list(lives)

    async def live() -> None:
        if left:
            await _after(left.pop(0))
            raise OSError(f"{len(left)} left")

    return live


def test_waits_double_up_to_half_a_minute() -> None:
    backoff = Backoff()
    assert [backoff.died(now, 0.5) for now in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_waits_begin_anew_after_a_minute_of_life() -> None:
    backoff = Backoff()
    assert [backoff.died(0, lived) for lived in (0, 59.9, 60, 0)] == [1, 2, 1, 2]


def test_a_death_is_recent_for_ten_minutes() -> None:
    backoff = Backoff()
    counts = []
    for now in (0, 300, 599.9, 600, 1200):
        backoff.died(now, 0)
        counts.append(backoff.recent)
    assert counts == [1, 2, 3, 3, 1]


@on_virtual_time
async def test_each_death_is_told_when_it_happens() -> None:
    deaths: Deaths = []
    tasks = _recording(deaths)
    tasks.start("feed", _dying(5, 0, 70, 0))
    await tasks.wait()
    assert deaths == [
        (5, "feed", "3 left"),
        (6, "feed", "2 left"),
        (78, "feed", "1 left"),  # after a wait of 2 s and 70 s of life
        (79, "feed", "0 left"),
    ]
    assert _now() == 81


@on_virtual_time
async def test_too_many_deaths_fail_the_whole() -> None:
    deaths: Deaths = []
    tasks = _recording(deaths)
    tasks.start("feed", _dying(*[0] * 9))
    tasks.start("clock", _forever)
    with pytest.raises(OSError, match="4 left"):
        await tasks.wait()
    assert [time for time, *_ in deaths] == [0, 1, 3, 7, 15]
    await tasks.stop()


@on_virtual_time
async def test_a_task_may_start_when_others_have_ended() -> None:
    tasks = _recording([])
    tasks.start("first", _dying())
    await tasks.wait()
    tasks.start("second", _dying(3), limit=1)
    with pytest.raises(OSError, match="0 left"):
        await tasks.wait()
    tasks.start("too late", _forever)
    with pytest.raises(OSError, match="0 left"):
        await tasks.wait()
    await tasks.stop()


@on_virtual_time
async def test_deaths_far_apart_are_borne_for_ever() -> None:
    deaths: Deaths = []
    tasks = _recording(deaths)
    tasks.start("feed", _dying(*[150] * 50))
    await tasks.wait()
    assert len(deaths) == 50


@on_virtual_time
async def test_a_limit_of_one_never_restarts() -> None:
    deaths: Deaths = []
    tasks = _recording(deaths)
    tasks.start("trading", _dying(3, 3), limit=1)
    with pytest.raises(OSError, match="1 left"):
        await tasks.wait()
    assert _now() == 3
    assert len(deaths) == 1


@on_virtual_time
async def test_a_contradiction_is_not_tried_again() -> None:
    async def contradict() -> None:
        raise InvariantBroken("positions differ")

    deaths: Deaths = []
    tasks = _recording(deaths)
    tasks.start("check", contradict)
    with pytest.raises(InvariantBroken, match="positions differ"):
        await tasks.wait()
    assert deaths == [(0, "check", "positions differ")]


@on_virtual_time
async def test_cancellation_from_inside_is_a_death() -> None:
    lives = []

    async def wait_for_what_is_cancelled() -> None:
        lives.append(_now())
        if len(lives) == 1:
            answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            answer.cancel()
            await answer

    deaths: Deaths = []
    tasks = _recording(deaths)
    tasks.start("report", wait_for_what_is_cancelled)
    await tasks.wait()
    assert deaths == [(0, "report", "report: what it waited for was cancelled")]
    assert lives == [0, 1]


@on_virtual_time
async def test_stop_ends_all_cleanly() -> None:
    ended = []

    async def work(name: str) -> None:
        try:
            await _forever()
        finally:
            ended.append(name)

    deaths: Deaths = []
    tasks = _recording(deaths)
    tasks.start("a", lambda: work("a"))
    tasks.start("b", lambda: work("b"))
    tasks.start("waiting to restart", _dying(0))
    await _after(0.5)
    await tasks.stop()
    await tasks.wait()
    assert sorted(ended) == ["a", "b"]
    assert [name for _, name, _ in deaths] == ["waiting to restart"]
    assert _now() == 0.5


@on_virtual_time
async def test_what_fails_while_it_is_stopped_is_told_and_stays_down() -> None:
    async def stumble() -> None:
        try:
            await _forever()
        finally:
            raise OSError("could not close")

    deaths: Deaths = []
    tasks = _recording(deaths)
    tasks.start("feed", stumble)
    await _after(1)
    await tasks.stop()
    assert deaths == [(1, "feed", "could not close")]
    with pytest.raises(OSError, match="could not close"):
        await tasks.wait()


async def _forever() -> None:
    await asyncio.Event().wait()


async def _after(seconds: float) -> None:
    """Return later."""
    reached = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, reached.set)
    await reached.wait()


# ── the virtual loop itself ───────────────────────────────────────────────────────────────────


def test_virtual_time_jumps_and_keeps_the_order_of_timers() -> None:
    async def day() -> list[str]:
        heard: list[str] = []
        loop = asyncio.get_running_loop()
        loop.call_later(86_400 * 3, heard.append, "three days")
        loop.call_later(0.001, heard.append, "a millisecond")
        loop.call_soon(heard.append, "now")
        await _after(86_400 * 4)
        assert loop.time() == 86_400 * 4
        return heard

    assert run(day()) == ["now", "a millisecond", "three days"]


def test_virtual_loop_does_not_wait_for_what_cannot_happen() -> None:
    with pytest.raises(RuntimeError, match="everything waits"):
        run(_forever())
