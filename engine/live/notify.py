"""Tells systemd that the engine is ready, what it does, and that its loop makes progress."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping

from engine.errors import ConfigError


class Notifier:
    """Sends what `sd_notify` sends; silent where no $NOTIFY_SOCKET is set.

    watchdog_seconds  how often `watchdog` must be sent, half of $WATCHDOG_USEC; None if never

    Raises ConfigError where $WATCHDOG_USEC is no number of microseconds.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = _watchdog_seconds(environment)

    def ready(self) -> None:
        """Say that recovery is over and the engine works."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send("STATUS=" + " ".join(text.splitlines()))

    def watchdog(self) -> None:
        """Ask not to be restarted for another interval."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that a clean stop has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),  # systemd acts on silence; trading must not
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(message.encode(), self._address)


class Watchdog:
    """Keeps systemd's watchdog quiet for as long as the trading loop makes progress.

    progress  returns a number that changes whenever the loop has done something
    is_idle   returns whether there is nothing to do, as between the ticks of a quiet market
    """

    def __init__(
        self, notifier: Notifier, progress: Callable[[], int], is_idle: Callable[[], bool]
    ) -> None:
        self._notifier = notifier
        self._progress = progress
        self._is_idle = is_idle
        self._seen = progress()

    async def run(self) -> None:
        """Look twice in each of systemd's intervals, for ever; return at once if there is none."""
        while (seconds := self._notifier.watchdog_seconds) is not None:
            await asyncio.sleep(seconds)
            self.look()

    def look(self) -> None:
        """Notify if something was done since the last look, or there is nothing to do."""
        progress = self._progress()
        if progress != self._seen or self._is_idle():
            self._notifier.watchdog()
        self._seen = progress


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    microseconds = environment.get("WATCHDOG_USEC")
    is_ours = environment.get("WATCHDOG_PID") in (None, str(os.getpid()))
    if microseconds is None or not is_ours:
        return None
    if not microseconds.isdecimal() or int(microseconds) == 0:
        raise ConfigError(
            f"$WATCHDOG_USEC: must be a number of microseconds above 0, was {microseconds!r}."
            " Let systemd set it (WatchdogSec=), or unset it."
        )
    return int(microseconds) / 2 / 1_000_000
