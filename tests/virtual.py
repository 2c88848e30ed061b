"""An asyncio loop on which hours pass in milliseconds: time jumps to the next timer.

Its coroutines must wait for each other and for timers only; threads and processes take real time,
which this loop does not see.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose `time()` counts virtual seconds from 0.

    Raises RuntimeError when every coroutine waits for something that no timer will bring.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self.jump))

    def time(self) -> float:
        """Return virtual seconds."""
        return self._now

    def jump(self, seconds: float | None) -> None:
        """Go `seconds` ahead; None if there is no timer to go to."""
        if seconds is None:
            raise RuntimeError("everything waits, and no timer is set")
        self._now += seconds


class _Jumping(selectors.DefaultSelector):
    """A selector that jumps where another would wait."""

    def __init__(self, jump: Callable[[float | None], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            self._jump(timeout)
        return ready


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on a new virtual loop, and return what it returns."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


def on_virtual_time(
    test: Callable[Given, Coroutine[Any, Any, None]],
) -> Callable[Given, None]:
    """Turn a coroutine function into a test that runs on a virtual loop."""

    @functools.wraps(test)
    def running(*args: Given.args, **kwargs: Given.kwargs) -> None:
        run(test(*args, **kwargs))

    return running
