"""The way in and out: a cookie for a name and a password, and its end."""

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.enums import MediaType
from litestar.exceptions import TooManyRequestsException
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from web.accounts import HASH_SECONDS_MAX, Busy, By
from web.guard import address_of, token_of
from web.panel import GivenPanel, Panel
from web.sessions import COOKIE, Denied, Sessions

TRIES_MAX = 20  # that may wait; more are told to come again

# Of their own, so that however many guess, those who are logged in do not wait for a thread.
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="login")
_ROOM = threading.BoundedSemaphore(TRIES_MAX)

_Request = Request[Any, Any, Any]
_INSIDE = re.compile(r"/(?![/\\])[\w./?=&%:,+~-]*", re.ASCII)


@dataclass
class Tried:
    """The fields of the login."""

    name: str = ""
    password: str = ""
    next: str = "/"


@get("/login", public=True, media_type=MediaType.HTML, sync_to_thread=True)
def form(request: _Request, panel: GivenPanel) -> Response[str]:
    """Return the page with the form."""
    return _form(request, panel, _inside(request.query_params.get("next", "/")))


@post("/login", public=True, status_code=303)
async def enter(
    request: _Request, panel: GivenPanel, data: URLEncodedBody[Tried]
) -> Response[str] | Redirect:
    """Log in and go to where the person wanted to be, or say why not."""
    if not _ROOM.acquire(blocking=False):
        raise TooManyRequestsException(headers={"Retry-After": "3"})
    try:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_THREADS, _entered, request, panel, data)
    finally:
        _ROOM.release()


def _entered(request: _Request, panel: Panel, data: Tried) -> Response[str] | Redirect:
    sessions: Sessions = request.app.state.sessions
    address, old = address_of(request), token_of(request)
    inside = _inside(data.next)
    try:
        token = sessions.enter(data.name, data.password, address, old)
    except Denied as denied:
        return _form(request, panel, inside, data.name[:32], denied.seconds)
    except Busy:
        return _form(request, panel, inside, data.name[:32], round(HASH_SECONDS_MAX))
    return Redirect(inside, status_code=303, cookies=[_cookie(token)])


@post("/logout", role="viewer", status_code=303, sync_to_thread=True)
def leave(request: _Request) -> Redirect:
    """End the session, here and in the store."""
    sessions: Sessions = request.app.state.sessions
    sessions.end(request.auth.id, By(request.user.name, address_of(request)))
    return Redirect("/login", status_code=303, cookies=[_cookie("", max_age=0)])


def to_login(request: _Request) -> Response[Any]:
    """Return what somebody gets who is not logged in: the login, and behind it the same page.

    A part of a page that asks on its own cannot show a login: it has htmx load the page anew.
    """
    if "hx-request" in request.headers or request.url.path.startswith("/live"):
        headers = {"HX-Redirect": "/login"}
        return Response("", status_code=401, media_type=MediaType.TEXT, headers=headers)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    inside = _inside(wanted) if request.method == "GET" else "/"
    query = "" if inside == "/" else f"?next={quote(inside, safe='')}"
    return Redirect(f"/login{query}", status_code=303)


def _form(
    request: _Request, panel: GivenPanel, inside: str, name: str = "", seconds: int | None = None
) -> Response[str]:
    """Return the form; `seconds` to wait, 0 for a wrong password, None before the first try."""
    shown = {"reader": panel.reader_of(request), "next": inside, "name": name, "seconds": seconds}
    status = 200 if seconds is None else 429 if seconds else 401
    headers = {"Retry-After": str(seconds)} if seconds else {}
    html = panel.draw("pages/login.html", **shown)
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=headers)


def _inside(address: str) -> str:
    """Return an address of this panel: what was asked for, or the first page."""
    return address if _INSIDE.fullmatch(address) else "/"


def _cookie(token: str, max_age: int | None = None) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=token,
        max_age=max_age,
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )
