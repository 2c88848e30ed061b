"""Asks an application without a server between, so that an answer may go on for ever."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.web.conftest import HOST
from web.guard import Guard
from web.sessions import COOKIE, Sessions

ORIGIN = {"Origin": HOST}

_FILLED = {"name": "overview", "action": "pause", "key": "0"}


def routes(app: Guard) -> list[tuple[str, str]]:
    """Return method and path of everything that the application answers."""
    found = [
        (method, route.path)
        for route in app.app.routes
        for method in sorted(getattr(route, "methods", ()) or ("GET",))
    ]
    assert len(found) > 15
    return found


def filled(path: str) -> str:
    """Return a path with something in place of its parameters."""
    return re.sub(r"\{(\w+):\w+\}", lambda found: _FILLED.get(found[1], "x"), path)


def scope_of(method: str, path: str, headers: Mapping[str, str], client: str = "127.0.0.1") -> Any:
    """Return a request as a server hands it on."""
    path, _, query = path.partition("?")
    sent = {"host": "127.0.0.1"} | {name.lower(): text for name, text in headers.items()}
    return {
        "type": "http",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in sent.items()],
        "client": (client, 1234),
        "server": ("127.0.0.1", 443),
        "http_version": "1.1",
        "root_path": "",
    }


async def asked(
    app: Guard,
    method: str,
    path: str,
    headers: Mapping[str, str],
    client: str = "127.0.0.1",
    body: bytes = b"",
) -> tuple[int, list[tuple[str, str]]]:
    """Return status and headers of an answer, which may go on for ever: it is broken off."""
    scope = scope_of(method, path, headers, client)
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start" and not answer.done():
            answer.set_result(message)

    await app(scope, receive, send)
    started = answer.result()
    return started["status"], [(n.decode(), t.decode()) for n, t in started["headers"]]


def cookie(token: str) -> dict[str, str]:
    """Return the header that a browser sends."""
    return {"Cookie": f"{COOKIE}={token}"}


def csrf_of(folder: Path, token: str) -> str:
    """Return what the forms of a session carry."""
    sessions = Sessions(folder)
    session = sessions.find(token)
    sessions.close()
    assert session is not None
    return session.csrf
