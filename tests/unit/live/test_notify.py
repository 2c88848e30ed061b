"""What systemd hears, on a real socket."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.live.notify import Notifier, Watchdog
from tests.virtual import on_virtual_time


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return a socket bound to `notify` in the present folder; a long path would not fit."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("notify")
        receiver.setblocking(False)
        yield receiver


def _heard(receiver: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(receiver.recv(1024).decode())
        except BlockingIOError:
            return messages


def test_messages_are_what_systemd_expects(systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "notify"})
    notifier.ready()
    notifier.status("5 instances,\n10 symbols")
    notifier.watchdog()
    notifier.stopping()
    assert _heard(systemd) == [
        "READY=1",
        "STATUS=5 instances, 10 symbols",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


@pytest.mark.parametrize("address", ["notify", "@" * (sys.platform == "linux") + "chanquant-test"])
def test_address_may_be_abstract(address: str, systemd: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.setblocking(False)
        if address != "notify":
            receiver.bind(address.replace("@", "\0"))
        Notifier({"NOTIFY_SOCKET": address}).ready()
        assert _heard(systemd if address == "notify" else receiver) == ["READY=1"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "nobody"}])
def test_nobody_there_does_not_matter(environment: dict[str, str], systemd: socket.socket) -> None:
    Notifier(environment).ready()
    assert _heard(systemd) == []


def test_a_deaf_systemd_does_not_block(systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "notify"})
    for _ in range(10_000):  # more than any socket queues
        notifier.watchdog()
    assert 0 < len(_heard(systemd)) < 10_000


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_watchdog_interval(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_seconds == seconds


@pytest.mark.parametrize("text", ["soon", "0", "-5", ""])
def test_a_wrong_interval_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        Notifier({"WATCHDOG_USEC": text})
    assert wrong.value.problems == (
        f"$WATCHDOG_USEC: must be a number of microseconds above 0, was {text!r}."
        " Let systemd set it (WatchdogSec=), or unset it.",
    )


@on_virtual_time
async def test_watchdog_is_fed_by_progress_or_known_idleness(systemd: socket.socket) -> None:
    done, idle = 0, False
    notifier = Notifier({"NOTIFY_SOCKET": "notify", "WATCHDOG_USEC": "4000000"})
    watchdog = asyncio.create_task(Watchdog(notifier, lambda: done, lambda: idle).run())

    async def look() -> list[str]:
        """Return what was heard over the next interval of 2 s."""
        looked = asyncio.Event()
        asyncio.get_running_loop().call_later(2, looked.set)
        await looked.wait()
        return _heard(systemd)

    looked = asyncio.Event()
    asyncio.get_running_loop().call_later(1, looked.set)
    await looked.wait()
    assert await look() == []  # hangs from the beginning
    done = 7
    assert await look() == ["WATCHDOG=1"]
    assert await look() == []  # hangs
    idle = True
    assert await look() == ["WATCHDOG=1"]
    idle, done = False, 0  # a counter that wrapped has moved
    assert await look() == ["WATCHDOG=1"]
    watchdog.cancel()


@on_virtual_time
async def test_without_an_interval_there_is_no_watchdog() -> None:
    await Watchdog(Notifier({}), lambda: 0, lambda: True).run()
    assert asyncio.get_running_loop().time() == 0
