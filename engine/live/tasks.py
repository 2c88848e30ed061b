"""Tasks that are started again when they die, and never die unseen."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import InvariantBroken

LIMIT = 5  # deaths within the window that are too many


@dataclass
class Backoff:
    """How long to wait before what has died is started again. Knows only the times it is told.

    waits    seconds before the first, second … start; the last of them from there on
    healthy  seconds; a life of that length or more begins the waits anew
    window   seconds for which a death counts as recent
    """

    waits: Sequence[float] = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
    healthy: float = 60.0
    window: float = 600.0
    _deaths: list[float] = field(default_factory=list, init=False)
    _in_a_row: int = field(default=0, init=False)

    def died(self, now: float, lived: float) -> float:
        """Note a death at `now` after `lived` seconds, and return the seconds to wait."""
        self._deaths = [*(death for death in self._deaths if now - death < self.window), now]
        self._in_a_row = 1 if lived >= self.healthy else self._in_a_row + 1
        return self.waits[min(self._in_a_row, len(self.waits)) - 1]

    @property
    def recent(self) -> int:
        """How many deaths the window before the last one holds, that one included."""
        return len(self._deaths)


class Tasks:
    """Asyncio tasks under supervision; every death is told to `on_death(name, error)` at once."""

    def __init__(
        self,
        on_death: Callable[[str, Exception], None],
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._on_death = on_death
        self._backoff = backoff
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._error: BaseException | None = None

    def start(
        self, name: str, run: Callable[[], Coroutine[Any, Any, None]], *, limit: int = LIMIT
    ) -> None:
        """Run `run()` as a task until it returns or is cancelled; when it raises, run it again.

        Gives up at the `limit`-th death in 10 minutes, and at once where the engine contradicts
        itself (InvariantBroken); a `limit` of 1 never restarts.
        """
        if self._error is None:
            self._over.clear()
        task = asyncio.create_task(self._keep_alive(name, run, limit), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def wait(self) -> None:
        """Return when every task has ended; raise what the first that was given up died of.

        The others go on until `stop`.
        """
        await self._over.wait()
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        """Cancel every task and return when all have ended. To be called from outside of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_alive(
        self, name: str, run: Callable[[], Coroutine[Any, Any, None]], limit: int
    ) -> None:
        loop, backoff = asyncio.get_running_loop(), self._backoff()
        while True:
            begun = loop.time()
            try:
                return await run()
            except asyncio.CancelledError as inner:
                if _is_being_cancelled():
                    raise
                error: Exception = RuntimeError(f"{name}: what it waited for was cancelled")
                error = error.with_traceback(inner.__traceback__)
            except Exception as wrong:  # noqa: BLE001  whatever a task dies of is told
                error = wrong
            self._on_death(name, error)
            wait = backoff.died(loop.time(), loop.time() - begun)
            is_final = backoff.recent >= limit or isinstance(error, InvariantBroken)
            if is_final or _is_being_cancelled():
                raise error
            await asyncio.sleep(wait)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        self._error = self._error or error
        if self._error is not None or not self._tasks:
            self._over.set()


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
