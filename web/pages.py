"""Which pages there are, in the order of their tabs, and how each is reached."""

from collections.abc import Iterable
from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.exceptions import (
    NotFoundException,
    PermissionDeniedException,
    ServiceUnavailableException,
)
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from web.hub import Full, Hub, Look
from web.panel import GivenPanel
from web.routes import (
    chain,
    chart,
    events,
    orders,
    overview,
    positions,
    signals,
    system,
    trades,
)
from web.view import Page

Asked = Request[Any, Any, Any]

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    positions.PAGE,
    orders.PAGE,
    signals.PAGE,
    trades.PAGE,
    chart.PAGE,
    events.PAGE,
    system.PAGE,
    chain.PAGE,
)

LIVE = {page.name: page for page in PAGES if page.is_live}


def handlers(pages: Iterable[Page]) -> list[HTTPRouteHandler]:
    """Return what answers at the path of each page."""
    return [_handler(page) for page in pages]


def _handler(page: Page) -> HTTPRouteHandler:
    @get(
        page.path,
        name=page.name,
        media_type=MediaType.HTML,
        opt={"role": page.role},
        sync_to_thread=True,
    )
    def shown(request: Asked, panel: GivenPanel) -> str:
        with panel.view_of(request) as view:
            return panel.whole(page, view, request.auth.csrf)

    return shown


@get("/live/{name:str}", role="viewer", passive=True, include_in_schema=False)
async def live(
    name: FromPath[str], request: Asked, panel: GivenPanel, hub: NamedDependency[Hub]
) -> Stream:
    """Return the stream of a page as its address says it."""
    page = LIVE.get(name)
    if page is None:
        raise NotFoundException
    if not request.user.is_at_least(page.role):
        raise PermissionDeniedException
    query = tuple(sorted(dict(request.query_params.multi_items()).items()))
    look = Look(page, query, panel.reader_of(request), request.user, request.auth.csrf)
    try:
        messages = hub.open(look)
    except Full:
        raise ServiceUnavailableException from None
    headers = {"X-Accel-Buffering": "no"}  # a proxy must pass each event on at once
    return Stream(messages, media_type="text/event-stream", headers=headers)
