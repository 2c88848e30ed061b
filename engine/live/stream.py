"""Tells whoever asks how the engine is: once as /healthz, or as it changes as /stream.

It only reads, and trading never waits for it: what is told is made once a second for all who
listen, and not at all while nobody does. docs/decisions/015-the-engine-has-a-stream.md says why.
"""

import asyncio
import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any

from engine import clock
from engine.live import state
from engine.live.shell import Shell
from engine.sections import Telemetry

STREAMS_MAX = 20
ALIVE_SECONDS = 5.0  # of silence, then a comment says that the engine lives
SEND_SECONDS = 10.0  # a listener that takes nothing for so long is left
AGAIN_SECONDS = 15.0  # from one try to have the port to the next

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Stream:
    """The engine's two pages, as an ASGI application that is its own server.

    latches   returns the names of the latches in force; called in a thread
    say       is told once why the port cannot be had
    """

    def __init__(
        self,
        telemetry: Telemetry,
        shell: Shell,
        mode: str,
        version: str,
        latches: Callable[[], list[str]],
        say: Callable[[str], None],
    ) -> None:
        self._telemetry = telemetry
        self._shell = shell
        self._facts = {"run": shell.run, "mode": mode, "code_version": version}
        self._latches = latches
        self._say = say
        self._listeners = 0
        self._told = b""
        self._told_at = -1.0
        self._is_told_why = False

    async def serve(self) -> None:
        """Answer until cancelled, on the port as soon as it can be had."""
        server = await asyncio.to_thread(import_module, "engine.live.listen")
        while True:
            try:
                listening = await self._bound()
            except OSError as wrong:
                self._explain(wrong)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                await server.listen(self, listening)

    async def _bound(self) -> socket.socket:
        host, port = self._telemetry.host, self._telemetry.port
        loop = asyncio.get_running_loop()
        family, _, _, _, address = (
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        )[0]
        return socket.create_server(address[:2], family=family)

    def _explain(self, wrong: OSError) -> None:
        if not self._is_told_why:
            self._is_told_why = True
            self._say(
                f"telemetry: {self._telemetry.host}:{self._telemetry.port} must be free to listen"
                f" on, was not: {wrong.strerror}. The panel shows what is stored meanwhile; stop"
                " what has the port, or choose another telemetry.port."
            )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        page = (scope["method"], scope["path"])
        if not self._is_meant(dict(scope["headers"]).get(b"host", b"").decode("latin-1")):
            await _answer(send, 403, {"error": "the host must be an address or a name of ours"})
        elif page == ("GET", "/healthz"):
            await _answer(send, 200, await self._health())
        elif page != ("GET", "/stream"):
            await _answer(send, 404, {"error": "there are /healthz and /stream"})
        elif self._listeners >= STREAMS_MAX:
            await _answer(send, 503, {"error": f"{STREAMS_MAX} listen already"})
        else:
            self._listeners += 1
            try:
                await self._stream(receive, send)
            except TimeoutError:
                return  # it takes nothing any more
            finally:
                self._listeners -= 1

    def _is_meant(self, host: str) -> bool:
        """Tell whether a browser was sent here by its user, and not by a name of a stranger's.

        A page of evil.example may have that name lead to 127.0.0.1; then it stands in `Host`.
        """
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return "." not in name or name == self._telemetry.host
        return True

    async def _health(self) -> dict[str, Any]:
        told = state.health(self._shell, clock.now_ms())
        breakers = await asyncio.to_thread(self._latches)
        more = {"mode": self._facts["mode"], "version": self._facts["code_version"]}
        return told | more | {"lease": None, "breakers": breakers}

    # ── the stream ────────────────────────────────────────────────────────────────────────────

    async def _stream(self, receive: Receive, send: Send) -> None:
        """Send the state at once, and then each second in which it has changed."""
        await _begin(send, 200, "text/event-stream")
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(_gone(receive))
        sent, sent_at = b"", 0.0
        try:
            while not gone.done():
                told, now = self._event(), loop.time()
                if told is not sent:
                    await _send(send, told)
                    sent, sent_at = told, now
                elif now - sent_at >= ALIVE_SECONDS:
                    await _send(send, b": alive\n\n")
                    sent_at = now
                await asyncio.wait({gone}, timeout=1.0 - loop.time() % 1.0)  # all in one moment
        finally:
            gone.cancel()

    def _event(self) -> bytes:
        """Return the event that tells the state; the same object for as long as it is the same."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= 0.5:
            text = json.dumps(self._facts | state.state(self._shell), separators=(",", ":"))
            told = f"event: state\ndata: {text}\n\n".encode()
            self._told_at = now
            self._told = self._told if told == self._told else told
        return self._told


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int, told: Mapping[str, Any]) -> None:
    await _begin(send, status, "application/json")
    body = json.dumps(told).encode() + b"\n"
    await send({"type": "http.response.body", "body": body})


async def _begin(send: Send, status: int, kind: str) -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),  # one request each, so that none is left open in silence
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send(send: Send, text: bytes) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": text, "more_body": True})
