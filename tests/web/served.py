"""A panel on a port of its own, in this process, and people who use it as a browser does."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import create_server
from typing import NamedTuple

import httpx

from tests.web.conftest import logged_in, settings_of
from web.server import serve
from web.sessions import COOKIE


class Served(NamedTuple):
    """A panel that answers; setting `stop` ends it, which `serving` waits for."""

    address: str
    stop: asyncio.Event
    serving: asyncio.Task[None]

    @property
    def url(self) -> httpx.URL:
        """Where it is."""
        return httpx.URL(self.address)

    def client(self, folder: Path, role: str) -> httpx.AsyncClient:
        """Return a client of somebody who is logged in; of nobody for no role."""
        cookie = {"Cookie": f"{COOKIE}={logged_in(folder, role)}"} if role else {}
        return httpx.AsyncClient(base_url=self.address, headers=cookie, timeout=20)


class Event(NamedTuple):
    """What a stream has said."""

    name: str
    data: str


def free_port() -> int:
    """Return a port that nobody has."""
    with create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@asynccontextmanager
async def served(folder: Path, *more: str) -> AsyncIterator[Served]:
    """Serve a panel over a folder."""
    stop, said = asyncio.Event(), list[str]()
    settings = settings_of(folder, f"web.port={free_port()}", *more)
    serving = asyncio.create_task(serve(settings, stop, said.append))
    while not said and not serving.done():
        await asyncio.sleep(0.01)
    try:
        yield Served("".join(said).removeprefix("panel: "), stop, serving)
    finally:
        stop.set()
        await serving


async def events(client: httpx.AsyncClient, path: str) -> AsyncGenerator[Event, None]:
    """Yield the events of a stream until it ends."""
    async with client.stream("GET", path) as answer:
        assert answer.status_code == 200, await answer.aread()
        name, data = "", list[str]()
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data.append(line.removeprefix("data: "))
            elif not line and name:
                yield Event(name, "\n".join(data))
                name, data = "", []
