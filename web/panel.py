"""What all routes share: the settings, the stores, how the engine is, and how templates are drawn.

A handler gets it as its argument `panel: GivenPanel`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency

from engine.clock import now_ms
from engine.settings import Settings
from web import present, reader
from web.hearing import Hearing
from web.stores import Connections, Stores
from web.view import Page, Reader, View, Who

TEMPLATES = Path(__file__).parent / "templates"
READERS_KEPT = 1_000  # to look for a time zone takes longer than to draw a page


class Panel:
    """One panel; `pages` are those that it has."""

    def __init__(self, settings: Settings, pages: Sequence[Page]) -> None:
        self.settings = settings
        self.directory = Path(settings.store.directory)
        self.pages = tuple(pages)
        self.stores = Stores(self.directory)
        self.hearing = Hearing(settings, self.stores)
        web = settings.web
        otherwise = Reader(language=web.language, zone=web.zone, rising=web.rising)
        self._read = lru_cache(READERS_KEPT)(lambda cookie: reader.read(cookie, otherwise))
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
        )
        present.install(self._environment)

    def reader_of(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Reader:
        """Return how the person who asks wants to read."""
        return self._read(connection.cookies.get(reader.COOKIE))

    @contextmanager
    def view_of(self, request: Request[Any, Any, Any]) -> Iterator[View]:
        """Yield what an answer to a person who is logged in is drawn from; raise StoreBroken."""
        query = dict(request.query_params.multi_items())
        with self.stores.reading() as connections:
            yield self.view(connections, request.user, self.reader_of(request), query)

    def view(
        self, connections: Connections, who: Who, reading: Reader, query: Mapping[str, str]
    ) -> View:
        """Return what is drawn from now, by two open connections."""
        engine, panel = connections
        return View(
            settings=self.settings,
            engine=engine,
            panel=panel,
            state=self.hearing.state,
            query=query,
            who=who,
            reader=reading,
            now=now_ms(),
        )

    def draw(self, template: str, **context: Any) -> str:
        """Return a template as HTML. It needs `view` and `csrf`, or `reader` before the login."""
        return self._environment.get_template(template).render(
            {"pages": self.pages, "page": None} | context
        )

    def whole(self, page: Page, view: View, csrf: str) -> str:
        """Return a page as HTML."""
        return self._drawn("pages", page, view, csrf)

    def fresh(self, page: Page, view: View, csrf: str) -> str:
        """Return the live part of a page as HTML."""
        return self._drawn("partials", page, view, csrf)

    def _drawn(self, kind: str, page: Page, view: View, csrf: str) -> str:
        context = page.context(view) | {"view": view, "page": page, "csrf": csrf}
        return self.draw(f"{kind}/{page.name}.html", **context)


GivenPanel = NamedDependency[Panel]
