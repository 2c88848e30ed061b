"""What a running engine tells: how it is, at once and as it changes, to few, without waiting."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine import clock
from engine.live import listen, stream
from engine.live.run import Live
from engine.live.state import state
from engine.store import queries
from engine.store.database import read_only
from tests.unit.live.engines import (
    answered,
    command,
    copied,
    events,
    holds,
    settings,
    standing,
    trade,
)

HALF = "2024-01-01T03:00:30.001"  # within a minute


@pytest.fixture
def folder(left: dict[str, Path], tmp_path: Path) -> Path:
    """Return a copy of what an engine left that holds something."""
    return copied(left["stopped"], tmp_path / "var")


@pytest.fixture
def port() -> int:
    """Return a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@asynccontextmanager
async def heard(folder: Path, port: int) -> AsyncIterator[httpx.AsyncClient]:
    """Have an engine and a client of it, once it listens."""
    async with standing(folder, f"telemetry.port={port}") as engine:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=10.0, trust_env=False) as client:
            while not engine.done():
                with contextlib.suppress(httpx.TransportError):
                    await client.get("/healthz")
                    break
                await asyncio.sleep(0.01)
            yield client


@asynccontextmanager
async def lines(client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[str]]:
    """Yield the lines of the stream that are not empty."""
    async with client.stream("GET", "/stream") as response:
        assert response.headers["content-type"] == "text/event-stream"
        yield (line async for line in response.aiter_lines() if line)


async def told(found: AsyncIterator[str]) -> dict[str, Any]:
    """Return the next state."""
    assert await anext(found) == "event: state"
    line = await anext(found)
    assert line.startswith("data: ")
    return dict(json.loads(line.removeprefix("data: ")))


async def state_of(client: httpx.AsyncClient) -> dict[str, Any]:
    """Return what is told at once."""
    async with lines(client) as found:
        return await told(found)


def seconds_since(ts: int) -> float:
    return (clock.now_ms() - ts) / 1_000


def run(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test, 60.0))


# ── what it tells ─────────────────────────────────────────────────────────────────────────────


def test_it_tells_at_once_what_is_held(folder: Path, port: int) -> None:
    async def test() -> dict[str, Any]:
        async with heard(folder, port) as client:
            return await state_of(client)

    said = asyncio.run(test())
    reader = read_only(folder)
    with reader.connect() as connection:
        rows = [row for row in queries.positions(connection) if row["quantity"]]
        ran = queries.newest(connection, "run")[0]
        equity = queries.newest(connection, "equity")[0]
    reader.dispose()
    assert rows
    assert [one["instance"] for one in said["held"]] == [row["instance"] for row in rows]
    for one, row in zip(said["held"], rows, strict=True):
        assert one["symbol"] == row["symbol"]
        assert one["opened_at"] == row["opened_at"]
        assert {n: one[n] for n in ("quantity", "entry")} == {
            n: pytest.approx(float(row[n])) for n in ("quantity", "entry")
        }
        assert (one["stop"], one["orders"], one["paused"]) == (None, 0, False)
    assert (said["run"], said["mode"]) == (ran["id"], "paper")
    assert said["code_version"] == ran["code_version"]
    assert (said["seq"], said["killed"], said["lag_ms"]) == (equity["seq"], False, 0)
    assert said["equity"] == pytest.approx(float(equity["equity"]))
    assert said["cash"] < said["equity"]
    assert {*said["symbols"]} == {"BTC/USDT", "ETH/USDT"}
    assert said["symbols"]["BTC/USDT"]["bar"] is None  # it ends with a minute
    assert said["ts"] - said["symbols"]["BTC/USDT"]["ts"] < 60_000


def test_it_tells_the_forming_minute(folder: Path) -> None:
    trade(folder, HALF)

    async def now() -> dict[str, Any]:
        with ExitStack() as stack:
            return state(Live(settings(folder), stack).shell)

    mark = asyncio.run(now())["symbols"]["ETH/USDT"]
    begun, opened, high, low, close, volume = mark["bar"]
    assert clock.utc(begun) == "2024-01-01T03:00:00Z"
    assert 0 < mark["ts"] - begun <= 30_000
    assert low <= min(opened, close) <= max(opened, close) <= high
    assert close == mark["price"]
    assert volume > 0


def test_it_tells_what_changes_and_else_that_it_lives(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "ALIVE_SECONDS", 0.1)

    async def test() -> None:
        async with heard(folder, port) as client, lines(client) as found:
            first = await told(found)
            assert [await anext(found) for _ in range(2)] == [": alive"] * 2
            await answered(folder, command(folder, "kill"))
            line = await anext(found)
            while line == ": alive":
                line = await anext(found)
            after = json.loads((await anext(found)).removeprefix("data: "))
            assert (first["killed"], after["killed"]) == (False, True)
            assert after["seq"] == first["seq"] + 1
            assert all(one["orders"] == 1 for one in after["held"])

    run(test())


def test_health(folder: Path, port: int) -> None:
    async def test() -> None:
        async with heard(folder, port) as client:
            said = (await client.get("/healthz")).json()
            marks = (await state_of(client))["symbols"].values()
            age = said.pop("last_tick_age_seconds")
            assert age == pytest.approx(seconds_since(max(mark["ts"] for mark in marks)), abs=5.0)
            version = said.pop("version")
            assert version.startswith("0.")
            assert said == {
                "status": "ok",
                "mode": "paper",
                "lag_seconds": 0.0,
                "lease": None,
                "breakers": [],
            }
            await answered(folder, command(folder, "pause", "ema_cross"))
            await answered(folder, command(folder, "kill"))
            said = (await client.get("/healthz")).json()
            assert (said["status"], {*said["breakers"]}) == ("killed", {"pause ema_cross", "kill"})

    run(test())


# ── what it refuses ───────────────────────────────────────────────────────────────────────────


def test_there_is_nothing_else(folder: Path, port: int) -> None:
    async def test() -> None:
        async with heard(folder, port) as client:
            for method, path in (("GET", "/"), ("POST", "/stream"), ("POST", "/healthz")):
                assert (await client.request(method, path)).status_code == 404
            for host, code in (
                ("evil.example", 403),
                (f"evil.example:{port}", 403),
                ("engine:8001", 200),
                ("localhost", 200),
                ("[::1]:8001", 200),
                ("10.1.2.3", 200),
            ):
                answer = await client.get("/healthz", headers={"host": host})
                assert answer.status_code == code, host

    run(test())


def test_the_21st_waits_until_one_leaves(folder: Path, port: int) -> None:
    async def test() -> None:
        async with heard(folder, port) as client, contextlib.AsyncExitStack() as stack:
            others = []  # what nobody holds is closed
            for _ in range(stream.STREAMS_MAX - 1):
                others.append(await stack.enter_async_context(lines(client)))
                await told(others[-1])
            async with lines(client) as found:
                await told(found)
                assert (await client.get("/stream")).status_code == 503
            while True:
                async with client.stream("GET", "/stream") as response:
                    if response.status_code == 200:
                        break
                await asyncio.sleep(0.01)

    run(test())


def test_who_asks_for_nothing_is_cut_off(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "REQUEST_SECONDS", 0.2)

    async def test() -> None:
        async with heard(folder, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: ")
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()

    run(test())


def test_the_engine_keeps_its_handles(folder: Path, port: int) -> None:
    async def test() -> None:
        async with heard(folder, port) as client:
            many = [
                await asyncio.open_connection("127.0.0.1", port)
                for _ in range(listen.CONNECTIONS_MAX)
            ]
            with pytest.raises(httpx.TransportError):
                await client.get("/healthz")
            for _, writer in many:
                writer.close()
            while True:
                with contextlib.suppress(httpx.TransportError):
                    assert (await client.get("/healthz")).status_code == 200
                    break
                await asyncio.sleep(0.01)

    run(test())


# ── what it does not disturb ──────────────────────────────────────────────────────────────────


def test_a_port_that_is_taken_is_told_once_and_had_when_it_is_free(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "AGAIN_SECONDS", 0.05)

    async def test() -> None:
        other = socket.create_server(("127.0.0.1", port))
        async with standing(folder, f"telemetry.port={port}"):
            while not events(holds(folder), "stream"):
                await asyncio.sleep(0.05)
            assert (await answered(folder, command(folder, "kill")))["outcome"] == "done"
            other.close()
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.01)

    run(test())
    (sentence,) = events(holds(folder), "stream")
    assert sentence.startswith(f"telemetry: 127.0.0.1:{port} must be free to listen on, was not: ")


def test_a_stop_does_not_wait_for_who_listens(folder: Path, port: int) -> None:
    async def test() -> float:
        async with heard(folder, port) as client, lines(client) as found:
            await told(found)
            os.kill(os.getpid(), signal.SIGTERM)
            begun = clock.seconds()
            with contextlib.suppress(httpx.TransportError):
                async for _ in found:
                    pass
            return clock.seconds() - begun

    assert asyncio.run(asyncio.wait_for(test(), 60.0)) < 1.0


def _tell_nobody(_sentence: str) -> None:
    return


async def listened(live: Live, send: Callable[[Mapping[str, Any]], Any], count: int) -> None:
    """Have listeners of a stream until each is through with it."""
    one = stream.Stream(settings(Path("x")).telemetry, live.shell, "paper", "1", list, _tell_nobody)
    scope = {"method": "GET", "path": "/stream", "headers": [(b"host", b"localhost")]}
    silence = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await silence.wait()
        return {"type": "http.disconnect"}

    calls = [asyncio.ensure_future(one(scope, receive, send)) for _ in range(count)]
    await asyncio.wait(calls, timeout=0.3)
    silence.set()
    await asyncio.gather(*calls)


def test_who_takes_nothing_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SEND_SECONDS", 0.05)

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def test() -> None:
        with ExitStack() as stack:
            await listened(Live(settings(folder), stack), send, 1)

    run(test())


def test_it_is_made_once_for_all(folder: Path) -> None:
    sent = []

    async def test() -> None:
        with ExitStack() as stack:
            live = Live(settings(folder), stack)

            async def send(message: Mapping[str, Any]) -> None:
                if message["type"] == "http.response.body":
                    sent.append(message["body"])
                    live.shell.lag_ms += 1_000.0  # which is not told to the next at once

            await listened(live, send, 3)

    run(test())
    assert len({id(body) for body in sent[:3]}) == 1
