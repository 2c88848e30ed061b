"""Keeps how a person wants to read in a cookie, and returns to the page that it was asked on."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from litestar import Request, post
from litestar.datastructures import Cookie
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from web.panel import GivenPanel
from web.reader import COOKIE, chosen, written

YEAR_SECONDS = 365 * 86_400


@dataclass
class Wanted:
    """The fields of the form; what does not exist leaves things as they are."""

    language: str = ""
    zone: str = ""
    rising: str = ""
    theme: str = ""
    csrf: str = ""  # read by the guard


@post("/reader", role="viewer", status_code=303, sync_to_thread=False)
def keep(
    request: Request[Any, Any, Any], panel: GivenPanel, data: URLEncodedBody[Wanted]
) -> Redirect:
    """Set the cookie."""
    was = panel.reader_of(request)
    now = chosen(data.language, data.zone.strip(), data.rising, data.theme, otherwise=was)
    cookie = Cookie(
        key=COOKIE,
        value=written(now),
        max_age=YEAR_SECONDS,
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )
    return Redirect(_asked_on(request), status_code=303, cookies=[cookie])


def _asked_on(request: Request[Any, Any, Any]) -> str:
    """Return the page that the form stood on, of this panel in any case."""
    page = urlsplit(request.headers.get("referer", ""))
    path = "/" + page.path.lstrip("/\\")
    return f"{path}?{page.query}" if page.query else path
