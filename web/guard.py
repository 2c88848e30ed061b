"""Stands before every page: which site asks, who asks, and whether that person may.

`Guard` wraps the whole application: it refuses requests of other sites before anything looks at
them, ends a stream when its session ends, and puts the same headers on every answer, errors too.
`allowed` is the application's guard, and so that of every handler. A handler is for admins unless
it says otherwise: `role="viewer"` or `role="operator"`, or `public=True` for whoever comes; one
that a page asks for on its own says `passive=True`, and keeps nobody logged in. Afterwards
`request.user` is a `Who` and `request.auth` a `Session`.

uvicorn must leave X-Forwarded-For alone (`proxy_headers=False`): only `web.proxy` is believed.
"""

import asyncio
import hmac
import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, cast

from anyio import to_thread
from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.types import HTTPScope, Message, Receive, Scope, Send

from engine.errors import StoreBroken
from engine.sections import Web
from web.sessions import COOKIE, Session, Sessions

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src"
        " 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",  # no-referrer would make the Origin of our own forms null
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HSTS = "max-age=31536000"
SAFE = ("GET", "HEAD", "OPTIONS")
CHECK_SECONDS = 5.0  # how soon a stream ends after its session

Connection = ASGIConnection[Any, Any, Any, Any]

_FORM = "application/x-www-form-urlencoded"
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Guard:
    """The application, reached by the right name, from its own pages, with headers on each answer.

    It is what the server is given: an ASGI application around `app`, which can be asked for.
    """

    def __init__(self, app: Litestar, web: Web, sessions: Sessions) -> None:
        self.app = app
        self._hosts = {web.host.lower(), *_LOOPBACK, *(host.lower() for host in web.hosts or ())}
        self._proxy = web.proxy
        self._sessions = sessions
        self._asked: dict[str, tuple[float, asyncio.Future[bool]]] = {}  # session → when, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        kind = cast("Mapping[str, Any]", scope)["type"]
        if kind == "lifespan":
            await self.app(scope, receive, send)
        elif kind == "http":
            await self._answer(cast("HTTPScope", scope), receive, send)
        else:
            await send(cast("Message", {"type": "websocket.close", "code": 1008}))

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        self._believe_proxy(scope, headers)
        out = _Out(send, is_static=scope["path"].startswith("/static/"), scheme=scope["scheme"])
        host = self._host(headers)
        if not host:
            await out.refuse(400, "Host: must be a name of this panel. Add it to web.hosts.")
        elif sentence := _foreign(scope["method"], f"{scope['scheme']}://{host}", headers):
            await out.refuse(403, sentence)
        else:
            await self.app(scope, self._until_session_ends(scope, receive), out.send)
            await out.finish()

    def _believe_proxy(self, scope: HTTPScope, headers: Mapping[str, list[str]]) -> None:
        """Take address and scheme from the one proxy that is trusted, and from nobody else."""
        client = scope["client"]
        if not self._proxy or not client or client[0] != self._proxy:
            return
        said = ",".join(headers.get("x-forwarded-for", []))
        with suppress(ValueError):
            last = ip_address(said.rpartition(",")[2].strip())  # written by the proxy itself
            scope["client"] = (str(last), 0)
        scheme = headers.get("x-forwarded-proto", [""])[-1]
        if scheme in ("http", "https"):
            scope["scheme"] = scheme

    def _host(self, headers: Mapping[str, list[str]]) -> str | None:
        """Return the Host of a request, None where it is not a name of this panel."""
        given = [host.lower() for host in headers.get("host", [])]
        match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        return given[0] if match and match[1] in self._hosts else None

    def _until_session_ends(self, scope: HTTPScope, receive: Receive) -> Receive:
        """Return what tells a stream that its reader is gone, also when the session is over."""

        async def heard() -> Any:
            waiting = asyncio.ensure_future(receive())
            try:
                while not (await asyncio.wait({waiting}, timeout=CHECK_SECONDS / 2))[0]:
                    session = scope.get("auth")
                    if session and not await self._goes_on(session):
                        return {"type": "http.disconnect"}
                return waiting.result()
            finally:
                waiting.cancel()

        return heard

    async def _goes_on(self, session: Session) -> bool:
        """Tell whether a session still is one; asked once for all of its streams, which are many.

        A hundred questions at the same moment would hold up every page.
        """
        now = asyncio.get_running_loop().time()
        self._asked = {k: one for k, one in self._asked.items() if now - one[0] < CHECK_SECONDS / 2}
        if session.id not in self._asked:
            asking = asyncio.ensure_future(to_thread.run_sync(self._is_alive, session))
            self._asked[session.id] = now, asking
        return await asyncio.shield(self._asked[session.id][1])

    def _is_alive(self, session: Session) -> bool:
        try:
            return self._sessions.is_alive(session)
        except StoreBroken:
            return False


class _Out:
    """What goes out: every answer gets the headers, and is whole when the application returns."""

    def __init__(self, send: Send, *, is_static: bool, scheme: str) -> None:
        self._send = send
        self._headers = HEADERS | {"Cache-Control": "no-store"}
        self._may_be_kept = is_static
        if scheme == "https":
            self._headers["Strict-Transport-Security"] = HSTS
        self._is_open = False

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            ours = {name.lower().encode(): text.encode() for name, text in self._headers.items()}
            given = [(name.lower(), text) for name, text in message.get("headers", ())]
            if self._may_be_kept and b"cache-control" in dict(given):
                del ours[b"cache-control"]
            message["headers"] = [pair for pair in given if pair[0] not in ours] + [*ours.items()]
            self._is_open = True
        elif message["type"] == "http.response.body":
            self._is_open = message.get("more_body", False)
        await self._send(message)

    async def finish(self) -> None:
        """End an answer that was broken off."""
        if self._is_open:
            await self._body(b"")

    async def refuse(self, status: int, sentence: str) -> None:
        """Answer with a sentence."""
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await self.send(cast("Message", start))
        await self._body(f"{sentence}\n".encode())

    async def _body(self, body: bytes) -> None:
        await self.send(
            cast("Message", {"type": "http.response.body", "body": body, "more_body": False})
        )


def _headers(scope: HTTPScope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, text in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(text.decode("latin-1"))
    return found


def _foreign(method: str, ours: str, headers: Mapping[str, list[str]]) -> str | None:
    """Return why a request is refused that another site's page has caused, None where it is not.

    Every browser says the Origin of what may change something; what says none is refused too.
    """
    origins, sites = headers.get("origin", []), headers.get("sec-fetch-site", ["same-origin"])
    if any(origin != ours for origin in origins):
        return "Origin: must be this panel. Behind a proxy, set web.proxy and pass Host on."
    if method not in SAFE:
        if len(origins) != 1:
            return "Origin: must be sent with what changes something."
        return None if sites == ["same-origin"] else "Sec-Fetch-Site: must be same-origin."
    is_link = headers.get("sec-fetch-mode") == ["navigate"]
    if is_link or all(site in ("same-origin", "none") for site in sites):
        return None
    return "Sec-Fetch-Site: must be same-origin, but for a link."


# ── who may ───────────────────────────────────────────────────────────────────────────────────


async def allowed(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Let a request through to its handler, or raise the exception of 401 or 403.

    The application keeps its `Sessions` as `app.state.sessions`. A request that changes something
    carries the session's token, as header X-CSRF-Token or as `csrf` of a form.
    """
    if handler.opt.get("public") is True:
        return
    sessions: Sessions = connection.app.state.sessions
    is_seen = handler.opt.get("passive") is not True
    session = await to_thread.run_sync(lambda: sessions.find(token_of(connection), is_seen=is_seen))
    if session is None:
        raise NotAuthorizedException("Log in first.")
    scope = cast("dict[str, Any]", connection.scope)
    scope["user"], scope["auth"] = session.who, session
    if not session.who.is_at_least(handler.opt.get("role", "admin")):
        raise PermissionDeniedException("Your role does not allow this.")
    if connection.scope.get("method") not in SAFE:
        given = await _csrf(connection)
        if not hmac.compare_digest(given.encode(errors="replace"), session.csrf.encode()):
            raise PermissionDeniedException("This form is of another session. Load the page again.")


def address_of(connection: Connection) -> str:
    """Return where a request comes from; behind `web.proxy`, what that one says."""
    return connection.client.host if connection.client else "unknown"


def token_of(connection: Connection) -> str | None:
    """Return the session's cookie; None where it was not sent, or sent twice."""
    texts = connection.headers.getall("cookie", [])
    found = [pair.partition("=") for text in texts for pair in text.split(";")]
    tokens = [value.strip() for name, _, value in found if name.strip() == COOKIE]
    return tokens[0] if len(tokens) == 1 else None


async def _csrf(connection: Connection) -> str:
    given = connection.headers.get("x-csrf-token")
    if given is not None or not isinstance(connection, Request):
        return given or ""
    if connection.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return ""
    form = await connection.form()
    return str(form.get("csrf", ""))
