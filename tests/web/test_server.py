"""A panel on a port: what slow and greedy clients get, how it ends, and the verb that runs it."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path

import httpx
import pytest

from engine.clock import seconds
from engine.errors import ConfigError
from tests.unit.live.engines import ROOT
from tests.web.conftest import settings_of
from tests.web.served import Served, events, free_port, served
from web import server
from web.guard import HEADERS
from web.server import serve

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BODY = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n"


@pytest.fixture
async def panel(stores: Path) -> AsyncIterator[Served]:
    async with served(stores) as one:
        yield one


async def _connected(panel: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(panel.url.host, panel.url.port)


async def _dripped(panel: Served, content: bytes, pause: float) -> float:
    """Send a byte now and then until the connection is cut; return the seconds it lived."""
    reader, writer = await _connected(panel)
    begun, sent = seconds(), 0
    while True:
        writer.write(content[sent : sent + 1])
        sent += 1
        try:
            got = await asyncio.wait_for(reader.read(1), pause)
        except TimeoutError:
            continue
        except ConnectionResetError:
            got = b""
        writer.close()
        assert got == b""
        return seconds() - begun


async def _asked_for_ever(client: socket.socket, wanted: bytes) -> None:
    """Ask again and again, and take no answer."""
    while True:
        await asyncio.get_running_loop().sock_sendall(client, wanted * 100)


# ── slow clients ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("content", [b"", REQUEST, BODY + b"a" * 9], ids=["silent", "head", "body"])
async def test_a_client_that_drips_its_request_is_cut_off(
    content: bytes, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SEND_SECONDS_MAX", 0.5)
    async with served(stores) as panel:
        lived = await asyncio.wait_for(_dripped(panel, content[:-1], 0.05), 10)
    assert lived > 0.4


async def test_a_connection_serves_one_request_after_another(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SEND_SECONDS_MAX", 0.3)
    async with served(stores) as panel:
        reader, writer = await _connected(panel)
        begun = seconds()
        while seconds() - begun < 1.0:
            writer.write(REQUEST)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            await reader.readuntil(b'{"status":"ok"}')
            await asyncio.sleep(0.05)
        writer.close()


async def test_a_stream_outlives_the_limit_for_requests(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SEND_SECONDS_MAX", 0.3)
    async with (
        served(stores) as panel,
        panel.client(stores, "viewer") as client,
        aclosing(events(client, "/live/trades")) as stream,
    ):
        heard = [(await anext(stream)).name for _ in range(4)]
    assert heard.count("alive") == 2  # 5 s apart


async def test_a_client_that_takes_nothing_is_cut_off(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TAKE_SECONDS_MAX", 0.3)
    wanted = b"GET /static/bundled/tabler.min.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    async with served(stores) as panel:
        with socket.create_connection((panel.url.host, panel.url.port or 0)) as greedy:
            greedy.setblocking(False)
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(_asked_for_ever(greedy, wanted), 20)


async def test_there_are_only_so_many_connections(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 4)
    async with served(stores) as panel:
        held = [await _connected(panel) for _ in range(4)]
        async with httpx.AsyncClient(base_url=panel.address) as client:
            refused = await client.get("/healthz")
            assert refused.status_code == 503
            assert HEADERS.items() <= titled(refused.headers).items()
            for _, writer in held:
                writer.close()
            while (await client.get("/healthz")).status_code == 503:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
    ids=["tls", "two hosts", "long", "other host"],
)
async def test_what_is_no_request_of_ours(garbage: bytes, panel: Served) -> None:
    reader, writer = await _connected(panel)
    writer.write(garbage)
    status, _, rest = (await reader.readuntil(b"\r\n\r\n")).decode().partition("\r\n")
    assert status.startswith("HTTP/1.1 400")
    told = dict(line.split(": ", 1) for line in rest.strip().split("\r\n"))
    assert HEADERS.items() <= titled(told).items()
    writer.close()


def titled(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as they are written in `HEADERS`."""
    return {name.title(): text for name, text in headers.items()}


# ── the end ───────────────────────────────────────────────────────────────────────────────────


async def test_open_streams_do_not_hold_up_the_end(stores: Path) -> None:
    async with (
        served(stores) as panel,
        panel.client(stores, "viewer") as client,
        aclosing(events(client, "/live/trades")) as stream,
    ):
        await anext(stream)
        begun = seconds()
        panel.stop.set()
        assert "alive" not in [event.name async for event in stream]
        await panel.serving
    assert seconds() - begun < 2


async def test_a_port_that_is_taken(panel: Served, stores: Path) -> None:
    port = panel.url.port
    with pytest.raises(ConfigError, match=f"{port} is used by another program"):
        await serve(settings_of(stores, f"web.port={port}"), asyncio.Event(), print)


async def test_an_address_of_another_machine(stores: Path) -> None:
    with pytest.raises(ConfigError, match=r"must be an address of this machine, 192\.0\.2\.1 was"):
        await serve(settings_of(stores, "web.host=192.0.2.1"), asyncio.Event(), print)


# ── the verb ──────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _started(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Yield a panel as a process of its own, and what it said until it answered."""
    typed = ["panel", f"store.directory={folder}/var", f"web.port={free_port()}"]
    with subprocess.Popen(
        [sys.executable, "-m", "engine", *typed, "telemetry.port=null"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = [process.stderr.readline()]
        while said[-1] and "http://" not in said[-1]:
            said.append(process.stderr.readline())
        yield process, said
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_verb_makes_an_admin_once_and_ends_cleanly(
    number: signal.Signals, tmp_path: Path
) -> None:
    with _started(tmp_path) as (process, (password, line)):
        given = re.search(r"with the password (\S+), which is not shown again", password)
        assert given
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
        address = line.split()[1]
        form = {"name": "admin", "password": given[1]}
        entered = httpx.post(f"{address}/login", data=form, headers={"Origin": address})
        assert entered.headers["location"] == "/"
        process.send_signal(number)
        assert process.communicate(timeout=20)[1] == ""
        assert process.returncode == 0
    with _started(tmp_path) as (_, said):
        assert len(said) == 1
