"""Serves the panel: with limits against slow and greedy clients, and an end within two seconds."""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from socket import socket
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from engine.settings import Settings
from web.app import Application, create
from web.guard import HEADERS
from web.listener import listener

SEND_SECONDS_MAX = 10.0  # for a client to send a request, head and body
TAKE_SECONDS_MAX = 30.0  # for a client to take what was sent to it
IDLE_SECONDS_MAX = 20  # between two requests
CONNECTIONS_MAX = 400
GRACE_SECONDS = 2

Clock = asyncio.TimerHandle | None


class Impatient(H11Protocol):
    """HTTP for clients that send their requests, and take the answers, within a time."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self.app = _crowded
        self._sending: Clock = self._limit(SEND_SECONDS_MAX)
        self._taking: Clock = None

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; the clock runs from its first to its last."""
        if self._sending is None and self.conn.their_state is h11.IDLE:
            self._sending = self._limit(SEND_SECONDS_MAX)
        super().data_received(data)
        if self._sending and self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._stop_clocks(self._sending)
            self._sending = None

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not take what it gets."""
        super().pause_writing()
        self._taking = self._limit(TAKE_SECONDS_MAX)

    def resume_writing(self) -> None:
        """It has taken it."""
        super().resume_writing()
        self._stop_clocks(self._taking)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, with the headers of every other answer."""
        for part in (
            h11.Response(status_code=400, headers=_PLAIN, reason=b"Bad Request"),
            h11.Data(data=msg.encode("ascii", "replace")),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        super().connection_lost(exc)
        self._stop_clocks(self._sending, self._taking)

    def _limit(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)

    def _stop_clocks(self, *clocks: Clock) -> None:
        for clock in filter(None, clocks):
            clock.cancel()


_PLAIN = [
    *((name.lower().encode(), text.encode()) for name, text in HEADERS.items()),
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"connection", b"close"),
]


async def _crowded(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer whoever comes when there are enough already."""
    sentence = b"The panel has as many connections as it can have. Try again in a moment."
    await send({"type": "http.response.start", "status": 503, "headers": _PLAIN})
    await send({"type": "http.response.body", "body": sentence})


class Server(uvicorn.Server):
    """A server of a panel, which its caller stops by `should_exit`."""

    def __init__(self, app: Application) -> None:
        config = uvicorn.Config(
            app,
            loop="none",
            http=Impatient,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # the guard believes one proxy alone
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS_MAX,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)
        self._app = app

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the caller."""
        yield

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """End the streams, which would not end by themselves, then everything."""
        self._app.hub.close()
        await super().shutdown(sockets)


async def serve(settings: Settings, stop: asyncio.Event, say: Callable[[str], None]) -> None:
    """Serve until `stop` is set; raise ConfigError where the port is not free."""
    web = settings.web
    with listener(web.host, web.port) as listening:
        server = Server(create(settings))
        gc.collect()
        gc.freeze()  # else the collector looks at half a million objects that stay, 0.2 s each time
        serving = asyncio.create_task(server.serve([listening]))
        host = f"[{web.host}]" if ":" in web.host else web.host
        say(f"panel: http://{host}:{listening.getsockname()[1]}")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        server.should_exit = True
        await serving
