"""The panel as an application: routes, the guard in front of them, and what runs beside them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.di import Provide

from engine.settings import Settings
from web import export
from web.assets import asset
from web.errors import Errors
from web.guard import Guard, allowed
from web.hub import Hub
from web.pages import PAGES, handlers, live
from web.panel import Panel
from web.routes import chart, do, login, system
from web.routes.health import health
from web.routes.reader import keep
from web.sessions import Sessions

BODY_BYTES_MAX = 64 << 10

# In one router: Litestar 2.25 wraps a handler twice whose path gets a second one later.
HANDLERS = (
    *(asset, health, keep, live),
    *(login.form, login.enter, login.leave),
    *(do.form, do.send, do.answer),
    *(chart.bars, export.trades, system.end_session),
)


class Application(Guard):
    """A panel behind its guard; `hub` has its open streams, which end before its server can."""

    hub: Hub


def create(settings: Settings) -> Application:
    """Return the ASGI application of a panel; the stores' folder need not exist."""
    panel = Panel(settings, PAGES)
    hub = Hub(panel)
    web = settings.web
    sessions = Sessions(
        panel.directory, idle_minutes=web.idle_minutes, session_hours=web.session_hours
    )

    @contextlib.asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        await asyncio.to_thread(panel.hearing.look)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(work) for work in (panel.hearing.listen(), hub.run())]
            yield
            for task in beside:
                task.cancel()
        panel.stores.close()
        sessions.close()

    app = Litestar(
        route_handlers=[Router("/", route_handlers=[*HANDLERS, *handlers(PAGES)])],
        exception_handlers=Errors(panel).handlers,
        dependencies={"panel": _given(panel), "hub": _given(hub)},
        guards=[allowed],
        lifespan=[running],
        compression_config=CompressionConfig(
            "gzip", gzip_compress_level=4, exclude=["^/live/", "^/static/"]
        ),
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
    )
    app.state.sessions = sessions
    guarded = Application(app, web, sessions)
    guarded.hub = hub
    return guarded


def _given(thing: Any) -> Provide:
    return Provide(lambda: thing, sync_to_thread=False)
