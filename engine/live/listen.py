"""Answers HTTP on a socket, in the loop of the engine, which goes first.

uvicorn's server would take the signals, wake up ten times a second and wait at the end; this takes
its protocol alone.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

CONNECTIONS_MAX = 64  # an engine without a free handle could not write its journal
REQUEST_SECONDS = 5.0  # from the connection to the end of the request's head


class Connection(H11Protocol):
    """Closes what is one too many, and what asks for nothing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        else:
            self.loop.call_later(REQUEST_SECONDS, self._expect)

    def _expect(self) -> None:
        if not self.headers:  # of a request
            self.transport.abort()


async def listen(app: Callable[..., Awaitable[None]], listening: socket.socket) -> None:
    """Answer until cancelled; whoever listens then is cut off."""
    config = Config(
        app, http=Connection, ws="none", lifespan="off", log_config=None, proxy_headers=False
    )
    config.load()
    state = ServerState()

    def connect() -> Any:
        return Connection(config=config, server_state=state, app_state={})

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connect, sock=listening)
    try:
        await server.serve_forever()
    finally:
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=1.0)
