"""Notices when the loop wakes up late, and when the wall clock is set under it."""

import asyncio
from collections import deque
from collections.abc import Callable

PERIOD = 0.1  # seconds between two samples
MEMORY = 60.0  # seconds for which a sample counts
STEP_MS = 1_000  # the wall clock was set if it is off by more than this between two samples


class LagGuard:
    """Samples how late the loop wakes, and how far the wall clock went meanwhile.

    wall      returns UTC milliseconds, as `clock.now_ms` does
    limit_ms  lag above which `on_lag(lag_ms)` is called
    on_step   is called with the milliseconds by which the wall clock was set forward, negative
              if back; a machine that slept looks like one whose clock was set forward
    """

    def __init__(
        self,
        wall: Callable[[], int],
        on_lag: Callable[[float], None],
        on_step: Callable[[float], None],
        *,
        limit_ms: float = 250.0,
    ) -> None:
        self._wall = wall
        self._on_lag = on_lag
        self._on_step = on_step
        self._limit_ms = limit_ms
        self._late: deque[tuple[float, float]] = deque()  # (time, lag): later ones are smaller

    @property
    def worst_ms(self) -> float:
        """The worst lag of the last minute, 0 before the first sample."""
        return self._late[0][1] if self._late else 0.0

    async def run(self) -> None:
        """Sample for ever."""
        loop = asyncio.get_running_loop()
        before, wall_before = loop.time(), self._wall()
        while True:
            await asyncio.sleep(PERIOD)
            now, wall = loop.time(), self._wall()
            elapsed = now - before
            self._note(now, max(0.0, (elapsed - PERIOD) * 1_000))
            step_ms = (wall - wall_before) - elapsed * 1_000
            if abs(step_ms) > STEP_MS:
                self._on_step(step_ms)
            before, wall_before = now, wall

    def _note(self, now: float, lag_ms: float) -> None:
        while self._late and self._late[-1][1] <= lag_ms:
            self._late.pop()
        self._late.append((now, lag_ms))
        while now - self._late[0][0] > MEMORY:
            self._late.popleft()
        if lag_ms > self._limit_ms:
            self._on_lag(lag_ms)
