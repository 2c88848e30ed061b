"""How the engine is: from itself while it speaks, else from what it has stored."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.store import queries
from engine.store.database import read_only
from tests.unit.live.engines import END, ROOT, STOP, command, settings, trade, typed
from tests.web.served import free_port
from web.hearing import Hearing
from web.recorded import recorded
from web.stores import Stores
from web.view import State


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what an engine left that stopped in the middle of its market."""
    folder = tmp_path_factory.mktemp("half") / "var"
    trade(folder, STOP)
    return folder


@pytest.fixture
def folder(half: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(half, tmp_path / "var"))


def _settings(folder: Path, port: int | None) -> Settings:
    return settings(folder, END, f"telemetry.port={'null' if port is None else port}")


@contextmanager
def _engine(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Have an engine as a process of its own, whose market stands nearly still."""
    slowly = ("feed.speed=1e-6", f"telemetry.port={port}")
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "run", *typed(folder, END, *slowly)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


@asynccontextmanager
async def _hearing(settings: Settings) -> AsyncIterator[Hearing]:
    stores = Stores(Path(settings.store.directory))
    hearing = Hearing(settings, stores)
    listening = asyncio.create_task(hearing.listen())
    yield hearing
    listening.cancel()
    await asyncio.wait([listening])
    stores.close()


async def _until(hearing: Hearing, is_so: Callable[[State], bool]) -> State:
    async with asyncio.timeout(30):
        while not is_so(hearing.state):
            await asyncio.sleep(0.01)
    return hearing.state


def _stored(folder: Path, now: int = 0, is_held: bool = False) -> State:
    database = read_only(folder)
    with database.connect() as connection:
        found = recorded(connection, is_held, now, 150_000)
    database.dispose()
    return found


async def test_a_life_of_an_engine(folder: Path) -> None:
    """Stopped, running, silent (it hangs), running again, killed: each is seen within seconds."""
    port = free_port()
    async with _hearing(_settings(folder, port)) as hearing:
        stopped = await _until(hearing, lambda state: state.run is not None)
        assert (stopped.health, stopped.source) == ("stopped", "store")
        with _engine(folder, port) as process:
            running = await _until(hearing, lambda state: state.source == "stream")
            assert running.health == "running"
            assert running.run != stopped.run
            assert dict(running.held[0].__dict__) == dict(stopped.held[0].__dict__)
            assert running.equity == pytest.approx(stopped.equity)
            assert running.marks.keys() == {"BTC/USDT", "ETH/USDT"}
            heard = running.heard_at or 0
            await _until(hearing, lambda state: (state.heard_at or 0) > heard + 4_000)
            process.kill()
            killed = await _until(hearing, lambda state: state.health == "stopped")
        assert killed.source == "store"
        assert killed.run == running.run
        assert (killed.heard_at or 0) >= heard


async def test_another_engine_on_the_port_is_not_believed(folder: Path, tmp_path: Path) -> None:
    other, port = tmp_path / "other", free_port()
    shutil.copytree(folder, other)
    with _engine(other, port):
        async with _hearing(_settings(other, port)) as theirs:
            await _until(theirs, lambda state: state.source == "stream")
            async with _hearing(_settings(folder, port)) as ours:
                await _until(ours, lambda state: state.run is not None)
                run = theirs.state.run
                await _until(theirs, lambda state: state.source == "stream")
                assert (ours.state.health, ours.state.source) == ("stopped", "store")
                assert ours.state.run != run


async def test_nonsense_on_the_port_is_not_believed(folder: Path) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        answers.append(writer)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\ndata: [1, {\r\ndata: {}\r\n\r\n")
        writer.close()

    answers: list[asyncio.StreamWriter] = []
    port = free_port()
    server = await asyncio.start_server(nonsense, "127.0.0.1", port)
    async with server, _hearing(_settings(folder, port)) as hearing:
        await _until(hearing, lambda state: len(answers) >= 2)
        assert (hearing.state.health, hearing.state.source) == ("stopped", "store")


def test_what_the_store_says_is_exact(folder: Path) -> None:
    state = _stored(folder)
    database = read_only(folder)
    with database.connect() as connection:
        held = [row for row in queries.positions(connection) if row["quantity"]]
        (equity,) = queries.newest(connection, "equity")
    database.dispose()
    assert [(one.instance, one.symbol, one.quantity, one.entry) for one in state.held] == [
        (row["instance"], row["symbol"], float(row["quantity"]), float(row["entry"]))
        for row in held
    ]
    assert state.equity == pytest.approx(float(equity["equity"]), rel=1e-3)
    assert state.equity == pytest.approx(
        (state.cash or 0) + sum(one.quantity * state.marks[one.symbol].price for one in state.held)
    )
    assert all(state.ts - mark.ts < 120_000 for mark in state.marks.values())


def test_never_stopped_silent_running(folder: Path, tmp_path: Path) -> None:
    heard = _stored(folder).heard_at or 0
    assert _stored(folder, heard + 9_999_999).health == "stopped"
    assert _stored(folder, heard + 150_000, is_held=True).health == "running"
    assert _stored(folder, heard + 150_001, is_held=True).health == "silent"
    hearing = Hearing(_settings(tmp_path / "none", None), Stores(tmp_path / "none"))
    hearing.look()
    assert hearing.state == State("never", "store")


def test_a_pause_and_a_kill_are_known_from_the_store(folder: Path) -> None:
    paused = _stored(folder).held[0].instance
    command(folder, "pause", paused)
    command(folder, "kill")
    with _engine(folder, free_port()):
        while not (state := _stored(folder)).killed:
            os.sched_yield()
    assert {one.instance for one in state.held if one.paused} == {paused}


def test_a_layout_of_another_release_leaves_out_what_it_cannot_read(folder: Path) -> None:
    with sqlite3.connect(folder / "engine.db") as database:
        database.execute("UPDATE progress SET account = x'00'")
        database.execute("UPDATE position SET words = x'00'")
    database.close()
    state = _stored(folder)
    assert (state.equity, state.cash) == (None, None)
    assert {one.orders for one in state.held} == {0}
