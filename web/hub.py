"""Draws each page that is being looked at anew, once for all who see the same, and pushes it.

A stream carries the events `bar` and `fresh`, parts of the page as HTML, whenever they have
changed and at most once a second, and each 5 s the event `alive` with the time of the panel, ms.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.clock import now_ms, seconds
from engine.errors import StoreBroken
from web.panel import Panel
from web.view import Page, Reader, View, Who

EACH_SECONDS = 1.0  # from one drawing to the next
REST_SECONDS_MAX = 5.0
ALIVE_SECONDS = 5.0
STREAMS_MAX = 200
AGAIN_MS = 1_000  # how soon a browser asks again after a stream has ended

BAR = "partials/bar.html"

Parts = dict[str, str]  # event → HTML


def rest(took: float) -> float:
    """Return the seconds to wait after a drawing that took so many.

    The rest of `EACH_SECONDS`, or as long as it took, so that drawing takes half of the time at
    most; no longer than `REST_SECONDS_MAX` behind one that was held up.
    """
    return min(max(EACH_SECONDS - took, took), REST_SECONDS_MAX)


@dataclass(frozen=True)
class Look:
    """A page as somebody sees it; equal ones are drawn once. `csrf` makes it a session's own."""

    page: Page
    query: tuple[tuple[str, str], ...]
    reader: Reader
    who: Who
    csrf: str


class Full(Exception):
    """There are as many streams as there may be."""


class Stream:
    """One open stream. Of each event only the newest waits for a client that is slow."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._sent: Parts = {}
        self._waiting: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._is_over = False

    def offer(self, parts: Parts) -> None:
        """Send what differs from what was sent before."""
        for name, html in parts.items():
            if self._sent.get(name) != html:
                self._sent[name] = html
                self._waiting[name] = encoded(name, html)
                self._wake.set()

    def end(self) -> None:
        """End the stream; the browser asks for another."""
        self._is_over = True
        self._wake.set()

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield what the browser gets, until the stream ends."""
        yield f"retry: {AGAIN_MS}\n\n".encode() + _alive()
        due = seconds() + ALIVE_SECONDS
        while not self._is_over:
            try:
                await asyncio.wait_for(self._wake.wait(), due - seconds())
            except TimeoutError:
                due = seconds() + ALIVE_SECONDS
                yield _alive()
            self._wake.clear()
            waiting, self._waiting = self._waiting, {}
            if waiting:
                yield b"".join(waiting.values())


class Hub:
    """All open streams, and the one place that draws for them."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._streams: set[Stream] = set()
        self._drawn: dict[Look, tuple[Any, str]] = {}  # what each was drawn from, and became

    def open(self, look: Look) -> AsyncGenerator[bytes, None]:
        """Return a stream for a look; raise Full where there are too many."""
        if len(self._streams) >= STREAMS_MAX:
            raise Full
        return self._followed(Stream(look))

    def close(self) -> None:
        """End all streams."""
        for stream in self._streams:
            stream.end()

    async def run(self) -> None:
        """Draw and push until cancelled."""
        while True:
            begun = seconds()
            if looks := {stream.look for stream in self._streams}:
                drawn = await asyncio.to_thread(self.draw, looks)
                for stream in list(self._streams):
                    if stream.look in drawn:
                        stream.offer(drawn[stream.look])
                    elif stream.look in looks:
                        stream.end()
            took = seconds() - begun
            await asyncio.sleep(rest(took))

    def draw(self, looks: Iterable[Look]) -> dict[Look, Parts]:
        """Return the parts of each look, without those that cannot be drawn."""
        found: dict[Look, Parts] = {}
        bars: dict[Any, str] = {}
        stores, state = self._panel.stores, self._panel.hearing.state
        try:
            source = stores.versions(), replace(state, heard_at=None)  # that is in the bar alone
            with stores.reading() as connections:
                for look in looks:
                    with _logged(f"page {look.page.name}"):
                        view = self._panel.view(
                            connections, look.who, look.reader, dict(look.query)
                        )
                        fresh = self._fresh(look, view, source)
                        person = look.who, look.reader, look.csrf
                        if person not in bars:
                            bars[person] = self._panel.draw(BAR, view=view, csrf=look.csrf)
                        found[look] = {"bar": bars[person], "fresh": fresh}
        except StoreBroken as wrong:
            logging.getLogger("web").warning("%s", wrong)
        self._drawn = {look: self._drawn[look] for look in found}
        return found

    def _fresh(self, look: Look, view: View, source: Any) -> str:
        """Return the live part of a page, drawn only where something has changed."""
        before, html = self._drawn.get(look, (None, ""))
        if before != source:
            html = self._panel.fresh(look.page, view, look.csrf)
            self._drawn[look] = source, html
        return html

    async def _followed(self, stream: Stream) -> AsyncGenerator[bytes, None]:
        self._streams.add(stream)
        try:
            async for message in stream.messages():
                yield message
        finally:
            self._streams.discard(stream)


@contextlib.contextmanager
def _logged(what: str) -> Iterator[None]:
    """Log what is raised inside: a page that cannot be drawn must not keep the others from it."""
    try:
        yield
    except Exception:
        logging.getLogger("web").exception("%s", what)


def encoded(name: str, text: str) -> bytes:
    """Return an event as a browser reads it."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()


def _alive() -> bytes:
    return encoded("alive", str(now_ms()))
