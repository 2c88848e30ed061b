"""A loop that is held up, and a wall clock that is set, are both seen, and told apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from engine.live.lag import LagGuard
from tests.virtual import VirtualLoop, on_virtual_time


class Watched:
    """A guard on the virtual loop, and a wall clock that can be set."""

    def __init__(self) -> None:
        self.offset_ms = 1_700_000_000_000
        self.lags: list[float] = []
        self.steps: list[float] = []
        self.guard = LagGuard(self.wall, self.lags.append, self.steps.append, limit_ms=250)

    def wall(self) -> int:
        return self.offset_ms + round(asyncio.get_running_loop().time() * 1_000)

    async def pass_time(self, seconds: float) -> None:
        """Let the loop run for some seconds."""
        reached = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, reached.set)
        await reached.wait()

    def hold_up(self, seconds: float) -> None:
        """Do what a callback does that computes for some seconds."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.jump(seconds)


@asynccontextmanager
async def _watched() -> AsyncIterator[Watched]:
    watched = Watched()
    running = asyncio.create_task(watched.guard.run())
    await watched.pass_time(0.05)
    yield watched
    running.cancel()


@on_virtual_time
async def test_a_free_loop_has_no_lag() -> None:
    async with _watched() as watched:
        await watched.pass_time(10)
        assert watched.guard.worst_ms == pytest.approx(0, abs=0.001)
        assert (watched.lags, watched.steps) == ([], [])


@on_virtual_time
async def test_a_held_up_loop_is_told_with_its_lag() -> None:
    async with _watched() as watched:
        watched.hold_up(0.55)  # 50 ms before the sample is due
        await watched.pass_time(1)
        watched.hold_up(0.2)
        await watched.pass_time(1)
        assert watched.lags == [pytest.approx(500)]
        assert watched.guard.worst_ms == pytest.approx(500)
        assert watched.steps == []


@on_virtual_time
async def test_worst_is_of_the_last_minute() -> None:
    async with _watched() as watched:
        for seconds in (1.0, 0.4, 0.7):  # a lag is up to 0.1 s less: the wait goes on meanwhile
            watched.hold_up(seconds)
            await watched.pass_time(18)
            assert watched.guard.worst_ms == pytest.approx(950, abs=50)
        await watched.pass_time(6)
        assert watched.guard.worst_ms == pytest.approx(650, abs=50)
        await watched.pass_time(60)
        assert watched.guard.worst_ms == pytest.approx(0, abs=0.001)


@on_virtual_time
async def test_nothing_was_sampled_yet() -> None:
    assert Watched().guard.worst_ms == 0


@pytest.mark.parametrize("step_ms", [1_500, -1_500, 3_600_000])
def test_a_wall_clock_that_was_set_is_told(step_ms: int) -> None:
    @on_virtual_time
    async def stepped() -> None:
        async with _watched() as watched:
            watched.offset_ms += step_ms
            await watched.pass_time(5)
            assert watched.steps == [pytest.approx(step_ms, abs=1)]
            assert watched.lags == []

    stepped()


@on_virtual_time
async def test_a_wall_clock_that_drifts_is_let_be() -> None:
    async with _watched() as watched:
        for _ in range(100):
            watched.offset_ms -= 900
            await watched.pass_time(0.1)
        assert watched.steps == []


@on_virtual_time
async def test_a_held_up_loop_is_no_step() -> None:
    async with _watched() as watched:
        watched.hold_up(30)
        await watched.pass_time(1)
        assert watched.steps == []
        assert watched.lags == [pytest.approx(29_950)]
