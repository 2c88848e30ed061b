"""Pages stay fresh: drawn when something has changed, once for all who see the same."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from engine.store.database import open_engine
from tests.web.conftest import settings_of
from tests.web.served import Event, events, served
from web import hub
from web.hub import Hub, Look, Stream
from web.panel import Panel
from web.routes import events as page_of_events
from web.routes import trades
from web.view import Page, Reader, View, Who

WHO = Who("viewer", "viewer")


def _look(page: Page = trades.PAGE, **others: Any) -> Look:
    return Look(page, (), Reader(), WHO, "csrf") if not others else replace(_look(page), **others)


def _happens(folder: Path, sentence: str) -> None:
    """Have the engine say something, as far as its store knows."""
    engine = open_engine(folder)
    with engine.begin() as connection:
        wanted = "INSERT INTO event (ts, run, kind, severity, sentence, data) SELECT ts, run, kind,"
        wanted += " severity, :sentence, data FROM event ORDER BY id DESC LIMIT 1"
        connection.execute(text(wanted), {"sentence": sentence})
    engine.dispose()


async def _until(name: str, stream: AsyncIterator[Event]) -> list[Event]:
    """Return what a stream says up to an event of a name, that one included."""
    found = []
    async for event in stream:
        found.append(event)
        if event.name == name:
            return found
    raise AssertionError(f"the stream ended before {name}: {found}")


@asynccontextmanager
async def looking(
    folder: Path, path: str
) -> AsyncIterator[tuple[httpx.AsyncClient, AsyncIterator[Event]]]:
    """Have a viewer of a panel over a folder look at a stream."""
    async with (
        served(folder) as panel,
        panel.client(folder, "viewer") as client,
        aclosing(events(client, path)) as stream,
        asyncio.timeout(30),
    ):
        yield client, stream


# ── over the wire ─────────────────────────────────────────────────────────────────────────────


async def test_a_change_in_the_store_is_pushed(stores: Path) -> None:
    async with looking(stores, "/live/events") as (client, stream):
        before = (await _until("fresh", stream))[-1]
        assert "a new thing" not in before.data
        _happens(stores, "a new thing")
        after = (await _until("fresh", stream))[-1]
        assert "a new thing" in after.data
        page = await client.get("/events")
    assert "a new thing" in page.text


async def test_what_has_not_changed_is_not_pushed_again(stores: Path) -> None:
    async with looking(stores, "/live/trades") as (_, stream):
        first = await _until("alive", stream)
        silent = await _until("alive", stream)
    assert [event.name for event in first] == ["alive"]
    assert sorted(event.name for event in silent) == ["alive", "bar", "fresh"]
    assert int(silent[-1].data) - int(first[0].data) >= 4_900


async def test_a_stream_answers_to_the_address_of_its_page(stores: Path) -> None:
    async with looking(stores, "/live/trades?symbol=ETH/USDT") as (_, stream):
        shown = (await _until("fresh", stream))[-1].data
    assert "ETH/USDT</a>" in shown
    assert "BTC/USDT</a>" not in shown


async def test_what_has_no_stream_is_not_found(stores: Path) -> None:
    async with served(stores) as panel, panel.client(stores, "viewer") as client:
        assert (await client.get("/live/nonsense")).status_code == 404
        assert (await client.get("/live/")).status_code == 404


async def test_there_are_only_so_many_streams(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "STREAMS_MAX", 1)
    async with served(stores) as panel, panel.client(stores, "viewer") as client:
        async with aclosing(events(client, "/live/trades")) as stream:
            await _until("alive", stream)
            async with asyncio.timeout(20):
                assert (await client.get("/live/trades")).status_code == 503
        async with aclosing(events(client, "/live/trades")) as stream:
            await _until("alive", stream)


async def test_a_store_that_goes_bad_ends_the_stream(stores: Path, tmp_path: Path) -> None:
    """So that the page says that it is not fresh any more."""
    folder = tmp_path / "var"
    shutil.copytree(stores, folder)
    async with looking(folder, "/live/trades") as (client, stream):
        await _until("fresh", stream)
        (folder / "new").write_bytes(b"no database at all")
        (folder / "new").replace(folder / "engine.db")
        assert [event async for event in stream if event.name == "fresh"] == []
        answer = await client.get("/trades")
    assert answer.status_code == 503
    assert "must be a SQLite database, was something else" in answer.text


# ── drawing ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("took", "rests"), [(0.2, 0.8), (0.7, 0.7), (3.0, 3.0), (20.0, 5.0)])
def test_drawing_takes_half_of_the_time_at_most(took: float, rests: float) -> None:
    assert hub.rest(took) == pytest.approx(rests)


class Counted:
    """The page of trades, with the looks that it was drawn for."""

    def __init__(self) -> None:
        self.drawn: list[View] = []
        self.page = replace(trades.PAGE, context=self._context)

    def _context(self, view: View) -> dict[str, Any]:
        self.drawn.append(view)
        return trades.context(view)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def drawing(stores: Path) -> Hub:
    panel = Panel(settings_of(stores), [trades.PAGE])
    panel.hearing.look()
    return Hub(panel)


def test_equal_looks_are_drawn_once_and_others_apart(drawing: Hub, counted: Counted) -> None:
    equal = [_look(counted.page) for _ in range(100)]
    chinese = _look(counted.page, reader=Reader(language="zh"))
    losers = _look(counted.page, query=(("outcome", "lost"),))
    found = drawing.draw({*equal, chinese, losers})
    assert len(counted.drawn) == 3
    assert len({parts["fresh"] for parts in found.values()}) == 3
    assert found[chinese]["bar"] != found[losers]["bar"]


def test_nothing_is_drawn_while_nothing_happens(
    drawing: Hub, counted: Counted, stores: Path
) -> None:
    look = _look(counted.page)
    first = drawing.draw([look])
    assert drawing.draw([look]) == first
    assert len(counted.drawn) == 1
    _happens(stores, "something")
    drawing.draw([look])
    assert len(counted.drawn) == 2
    drawing.draw([])  # nobody looks: it is forgotten
    drawing.draw([look])
    assert len(counted.drawn) == 3


def test_a_page_that_fails_keeps_no_other_from_being_drawn(
    drawing: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_view: View) -> dict[str, Any]:
        raise ZeroDivisionError

    failing = _look(replace(page_of_events.PAGE, context=fail))
    assert list(drawing.draw([failing, _look()])) == [_look()]
    assert "page events" in caplog.text
    assert "ZeroDivisionError" in caplog.text


# ── one stream ────────────────────────────────────────────────────────────────────────────────


async def test_a_slow_client_gets_the_newest_alone() -> None:
    stream = Stream(_look())
    messages = stream.messages()
    await anext(messages)
    for number in range(1_000):
        stream.offer({"bar": "the bar", "fresh": f"page {number}"})
    got = (await anext(messages)).decode()
    assert got == "event: bar\ndata: the bar\n\nevent: fresh\ndata: page 999\n\n"
    stream.end()
    assert [message async for message in messages] == []


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\n\n"])
def test_no_text_breaks_out_of_its_event(line_end: str) -> None:
    sent = hub.encoded("fresh", f"a{line_end}event: bar{line_end}{line_end}data: b").decode()
    first, *others = sent.strip().splitlines()
    assert first == "event: fresh"
    assert all(line.startswith("data: ") for line in others)


async def test_closing_ends_every_stream(drawing: Hub) -> None:
    opened = [drawing.open(_look()) for _ in range(3)]
    for stream in opened:
        await anext(stream)
    drawing.close()
    assert await asyncio.gather(*[anext(stream, b"over") for stream in opened]) == [b"over"] * 3
