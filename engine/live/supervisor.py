"""Keeps processes alive: starts them again when they die, in safe mode when they die too often."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.live.tasks import LIMIT, Backoff

Say = Callable[[str], None]

GRACE_SECONDS = 10.0  # between SIGTERM and SIGKILL

_STDERR = 2
_CORRECT = " Correct what it says above, then start again."
_FINAL = {
    0: "",
    2: _CORRECT,
    3: _CORRECT,
    70: " Keep the folder var as it is and report what it says above; do not trade on it.",
}
_SAFELY = (
    " in safe mode: it protects what is open and opens nothing. Find out why it dies, stop"
    " chanquant up, start it again, then chanquant do resume --reason 'what was wrong'."
)


class Verdict(NamedTuple):
    """What follows the end of the process; `wait` in seconds, None if it is not started again."""

    sentence: str
    wait: float | None


class Policy:
    """Decides whether and when a process is started again. Knows only the times it is told.

    `is_safe` turns true at the `limit`-th crash in 10 minutes and stays so: a person has to look.
    A process that has no safe mode has no limit.
    """

    def __init__(
        self, name: str = "engine", backoff: Backoff | None = None, limit: int | None = LIMIT
    ) -> None:
        self.name = name
        self._backoff = backoff or Backoff()
        self._limit = limit
        self.is_safe = False

    def ended(self, code: int, now: float, lived: float) -> Verdict:
        """Judge an exit code (-n for signal n) at `now`, after `lived` seconds."""
        life = f"{self.name}: {_end(code)} after {lived:.0f} s"
        if code in _FINAL:
            return Verdict(f"{life}.{_FINAL[code]}", None)
        wait = self._backoff.died(now, lived)
        if self._limit is not None and self._backoff.recent >= self._limit:
            self.is_safe = True
        crash = f"{life}, crash {self._backoff.recent} within 10 minutes"
        how = _SAFELY if self.is_safe else "."
        return Verdict(f"{crash}. Starting it again in {wait:g} s{how}", wait)


class Service(NamedTuple):
    """A process that is kept alive; the flag --safe is added to its command in safe mode."""

    command: Sequence[str]
    policy: Policy


async def supervise(
    compiling: Sequence[str],
    services: Sequence[Service],
    say: Say,
    grace: float = GRACE_SECONDS,
) -> int:
    """Run `compiling` once, then keep the services alive; return the exit code for the shell.

    The first service counts: where a restart does not help it, the others are stopped, and its
    code is returned; the end of another changes nothing for it. SIGTERM, SIGINT or SIGHUP reach
    all as SIGTERM, and after `grace` seconds as SIGKILL. What happens is told to `say`; what the
    processes print goes to stderr.
    """
    stop = _stop_on_signals(say, grace)
    code = await _live("compile", compiling, stop, say, grace)
    if stop.is_set():
        return _code_of_stop(code)
    if code != 0:
        say(f"compile: {_end(code)}.{_CORRECT}")
        return max(code, 1)
    first, *others = (asyncio.create_task(_keep(one, stop, say, grace)) for one in services)
    code = await first
    stop.set()
    await asyncio.gather(*others)
    return code


async def _keep(service: Service, stop: asyncio.Event, say: Say, grace: float) -> int:
    """Start a service again and again, until a restart does not help it or `stop` ends it."""
    loop, policy = asyncio.get_running_loop(), service.policy
    while True:
        begun = loop.time()
        flags = ["--safe"] if policy.is_safe else []
        code = await _live(policy.name, [*service.command, *flags], stop, say, grace)
        if stop.is_set():
            return _code_of_stop(code)
        verdict = policy.ended(code, loop.time(), loop.time() - begun)
        say(verdict.sentence)
        if verdict.wait is None:
            return code
        if await _is_set_within(stop, verdict.wait):
            return 0


async def _live(
    name: str, command: Sequence[str], stop: asyncio.Event, say: Say, grace: float
) -> int:
    """Run a process until it ends, or `stop` ends it; return its exit code, -n for signal n."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=_STDERR,
            start_new_session=True,  # Ctrl-C reaches only us, who pass it on once
        )
    except OSError as wrong:
        say(f"{command[0]}: cannot be started: {wrong.strerror}.")
        return 1
    ended, stopping = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not ended.done():
        process.terminate()
        await asyncio.wait((ended,), timeout=grace)
    if not ended.done():
        say(f"{name}: killed, it was still there after {grace:g} s. The next start recovers.")
        process.kill()
    return await ended


def _stop_on_signals(say: Say, grace: float) -> asyncio.Event:
    """Return an event that SIGTERM, SIGINT and SIGHUP set, but those that nohup has ignored."""
    stop = asyncio.Event()

    def end() -> None:
        if not stop.is_set():
            say(f"stopping: waiting up to {grace:g} s for a clean end.")
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, end)
    return stop


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _code_of_stop(code: int) -> int:
    """Return what a stopped process means for the shell: SIGTERM is how it was told to end."""
    return code if code >= 0 else int(code != -signal.SIGTERM)


def _end(code: int) -> str:
    """Return the end of a process in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"died of {name}"
