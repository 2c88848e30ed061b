"""Hears how the engine is: from the engine's own stream, else from its store, and says which."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from engine.clock import now_ms
from engine.errors import StoreBroken
from engine.settings import Settings
from engine.store import queries
from engine.store.lock import holder
from web.recorded import recorded
from web.stores import Stores
from web.view import Held, Mark, State

SILENT_SECONDS = 12.0  # the stream gives a sign of life each 5 s
AGAIN_SECONDS = 1.0  # from one look into the store to the next
BEAT_MS_MAX = 150_000  # a heartbeat is written each minute


class Hearing:
    """What is known of the engine: `state`, replaced whenever something was heard."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._directory = Path(settings.store.directory)
        self._stores = stores
        telemetry = settings.telemetry
        is_there = telemetry.port is not None
        self._address = f"http://{telemetry.host}:{telemetry.port}/stream" if is_there else None
        self._run: str | None = None  # the run of the stream, known to be of this store
        self.state = State("never", "store")

    async def listen(self) -> None:
        """Listen until cancelled."""
        timeout = httpx.Timeout(SILENT_SECONDS, connect=AGAIN_SECONDS)
        async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            while True:
                if self._address:
                    with contextlib.suppress(httpx.HTTPError, ValueError, KeyError, TypeError):
                        await self._follow(client, self._address)
                await asyncio.to_thread(self.look)
                await asyncio.sleep(AGAIN_SECONDS)

    def look(self) -> None:
        """Take from the store how the engine is; what cannot be read leaves what was known."""
        with contextlib.suppress(StoreBroken, OSError), self._stores.reading() as (engine, _):
            is_held = holder(self._directory) is not None
            found = recorded(engine, is_held, now_ms(), BEAT_MS_MAX)
            heard = max(filter(None, (found.heard_at, self.state.heard_at)), default=None)
            same = found.run == self.state.run and self.state.ts > found.ts
            marks = self.state.marks if same else found.marks  # the stream was ahead of it
            self.state = replace(found, heard_at=heard, marks=marks)

    async def _follow(self, client: httpx.AsyncClient, address: str) -> None:
        """Take the state from the stream until it ends, or turns out to be another engine's."""
        async with client.stream("GET", address) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    told = json.loads(line.removeprefix("data:"))
                    if not await asyncio.to_thread(self._is_ours, told["run"]):
                        return
                    self.state = spoken(told, now_ms())
                elif line and self.state.source == "stream":  # a sign of life
                    self.state = replace(self.state, heard_at=now_ms())

    def _is_ours(self, run: str) -> bool:
        """Tell whether a run is in our store: another engine may have the port."""
        if run != self._run:
            with self._stores.reading() as (engine, _):
                self._run = run if queries.run(engine, run) else None
        return self._run is not None


def spoken(told: Mapping[str, Any], now: int) -> State:
    """Return the state that the stream tells; raise KeyError, TypeError where it is none."""
    plain = ("run", "mode", "code_version", "seq", "ts", "lag_ms", "killed", "equity", "cash")
    return State(
        health="running",
        source="stream",
        heard_at=now,
        marks={name: _mark(mark) for name, mark in told["symbols"].items()},
        held=tuple(Held(**held) for held in told["held"]),
        **{name: told[name] for name in plain},
    )


def _mark(told: Mapping[str, Any]) -> Mark:
    bar = told["bar"]
    return Mark(told["price"], told["ts"], None if bar is None else tuple(bar))
