"""Texts, addresses and bodies of attackers: each is shown as what it is, or refused."""

import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from litestar.testing import TestClient
from sqlalchemy import Column, Connection, Table, func, select, update
from sqlmodel import AutoString

from engine.store.columns import Exact
from engine.store.database import open_engine, open_panel
from engine.store.tables import Row, tables
from tests.web.conftest import HOST, Panel, logged_in, settings_of
from tests.web.forms import filled
from tests.web.payloads import XSS
from web.app import create
from web.pages import PAGES
from web.panel import TEMPLATES
from web.sessions import COOKIE
from web.view import Page

PLAIN = tuple(f"plain {k:02}" for k in range(len(XSS)))
JSON = ("data", "before", "after", "sections", "positions")
COUNTED = ("seq", "ts", "closed_at", "started_at", "command_id", "id")  # newer than all before
TOLD = {"role": "viewer", "state": "set"}  # words that nobody else can write
OWN = ("progress", "snapshot", "throttle")  # tables whose texts no person reads


# ── a store whose every text was written by an attacker ───────────────────────────────────────


def plant(folder: Path, texts: tuple[str, ...]) -> None:
    """Put a row into each table of both stores for each text, which is every text of the row."""
    for store, opened in (("engine", open_engine), ("panel", open_panel)):
        database = opened(folder)
        with database.begin() as connection:
            for table in tables(store).values():
                if table.name not in OWN:
                    _plant(connection, table, texts)
            if store == "engine":  # the newest run is theirs, with its mode and its version
                connection.execute(update(tables("engine")["progress"]).values(run=texts[-1]))
        database.dispose()


def _plant(connection: Connection, table: Table, texts: tuple[str, ...]) -> None:
    found = connection.execute(select(table).limit(1)).mappings().first()
    like = dict(found) if found else {}
    tops = {name: _top(connection, table, name) for name in COUNTED if name in table.columns}
    for k, text in enumerate(texts, 1):
        row = {column.name: _value(column, text, like) for column in table.columns}
        row |= {name: top + k for name, top in tops.items() if isinstance(top, int)}
        connection.execute(table.insert(), row)


def _top(connection: Connection, table: Table, name: str) -> Any:
    return connection.execute(select(func.max(table.columns[name]))).scalar() or 0


def _value(column: Column[Any], text: str, like: Row) -> Any:
    """Return what stands in a planted row: the text, where a text can stand."""
    if column.name in TOLD:
        return TOLD[column.name]
    if column.name in JSON:
        return json.dumps({"text": text, text: 1})
    if isinstance(column.type, AutoString):
        return text
    return like.get(column.name, Decimal(1) if isinstance(column.type, Exact) else 1)


@contextmanager
def panel_over(traded: Path, folder: Path, texts: tuple[str, ...]) -> Iterator[httpx.Client]:
    """Yield an admin of a panel over a store of such texts."""
    shutil.copytree(traded, folder)
    plant(folder, texts)
    with TestClient(create(settings_of(folder)), base_url=HOST) as client:
        cookies = {COOKIE: logged_in(folder, "admin")}
        yield httpx.Client(transport=client._transport, base_url=HOST, cookies=cookies)


@pytest.fixture(scope="module")
def hostile(traded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return an admin's client of a panel full of hostile texts."""
    with panel_over(traded, tmp_path_factory.mktemp("hostile") / "var", XSS) as client:
        yield client


@pytest.fixture(scope="module")
def plain(traded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return an admin's client of a panel full of harmless texts, as many."""
    with panel_over(traded, tmp_path_factory.mktemp("plain") / "var", PLAIN) as client:
        yield client


# ── what a page is made of ────────────────────────────────────────────────────────────────────


class Anatomy(HTMLParser):
    """The elements of a page with the names of their attributes, its links, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.hidden: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        given = {name: value or "" for name, value in attrs}
        for name in ("href", "src", "action", "formaction", "data", "hx-get", "hx-post"):
            if name in given:
                self.links.append(given[name])
        if tag == "script":
            self.scripts.append(given.get("src", ""))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def strange(self) -> list[str]:
        """What must not be on any page."""
        found = [f"<{tag}>" for tag, _ in self.elements if tag in FORBIDDEN]
        found += [
            f"<{tag} {name}>"
            for tag, names in self.elements
            for name in names
            if name == "style" or name.startswith(("on", "hx-on", "data-hx", "hx-vals"))
        ]
        found += [link for link in self.links if not link.startswith(("/", "?", "#"))]
        found += [link for link in self.links if link.startswith(("//", "/\\"))]
        found += [src for src in self.scripts if not src.startswith("/static/")]
        return found


FORBIDDEN = ("iframe", "object", "embed", "base", "style", "math", "marquee", "img", "video")


def addresses(client: httpx.Client, texts: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the pages of a panel, all its rows of the texts among them."""
    top = _last_seq(client)
    for page in PAGES:
        if page.name == "chain":
            yield from ((page.path, {"seq": str(top - k)}) for k in range(0, len(texts), 4))
        elif page.name == "chart":
            yield from ((page.path, {"symbol": text}) for text in ("", *texts[:5]))
        else:
            query: dict[str, str] | None = {}
            while query is not None:
                yield page.path, query
                query = _older(client.get(page.path, params=query).text, len(query))


def _last_seq(client: httpx.Client) -> int:
    links = Anatomy(client.get("/signals").text).links
    return max(int(httpx.URL(link).params["seq"]) for link in links if "/chain?seq=" in link)


def _older(html: str, depth: int) -> dict[str, str] | None:
    after = html.partition('rel="next"')[2]
    if not after or depth > 1:
        return None
    link = after.partition('href="?')[2].partition('"')[0].replace("&amp;", "&")
    return dict(httpx.QueryParams(link).multi_items())


# ── S10: texts ────────────────────────────────────────────────────────────────────────────────


def test_no_text_becomes_a_part_of_a_page(hostile: httpx.Client, plain: httpx.Client) -> None:
    seen: dict[str, str] = defaultdict(str)
    for (path, query), (_, other) in zip(
        addresses(hostile, XSS), addresses(plain, PLAIN), strict=True
    ):
        page, twin = (
            client.get(path, params=asked) for client, asked in ((hostile, query), (plain, other))
        )
        assert (page.status_code, twin.status_code) == (200, 200), (path, query, page.text)
        found, expected = Anatomy(page.text), Anatomy(twin.text)
        assert not found.strange, (path, query)
        assert Counter(found.elements) == Counter(expected.elements), (path, query)
        seen[path] += " ".join(found.text.split())
    lines = [" ".join(text.split()) for text in XSS]
    assert [path for path, text in seen.items() if not any(line in text for line in lines)] == []
    assert [line for line in lines if line not in "".join(seen.values())] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_address_becomes_a_part_of_a_page(page: Page, panel: Panel) -> None:
    client = panel("admin")
    names = {"seq", "instance", "symbol", "range", "older", "newer", "sort"}
    names |= set(re.findall(r'<(?:input|select)[^>]* name="(\w+)"', client.get(page.path).text))
    for k in range(0, len(XSS), len(names) // 2):
        asked = {name: XSS[(k + j) % len(XSS)] for j, name in enumerate(sorted(names))}
        for query in (asked, asked | {"seq": "1", "older": "", "newer": ""}):
            found = client.get(page.path, params=query)
            assert found.status_code in (200, 303, 400, 404), found.text
            assert not Anatomy(found.text).strange, query


@pytest.mark.parametrize("text", XSS)
def test_no_form_becomes_a_part_of_a_page(text: str, panel: Panel) -> None:
    for found, twin in zip(typed(panel, text), typed(panel, PLAIN[0]), strict=True):
        assert found.status_code == twin.status_code < 500
        assert not Anatomy(found.text).strange, found.url
        assert Counter(Anatomy(found.text).elements) == Counter(Anatomy(twin.text).elements)


def typed(panel: Panel, text: str) -> list[httpx.Response]:
    """Return what is answered to a text, wherever a person can type one."""
    client, word = panel("admin"), quote(text, safe="")
    form = filled(client, "resume")
    return [
        client.get("/do/pause", params={"instance": text}),
        client.get("/do/pause", params={"symbol": text}),
        client.get(f"/do/{word}"),
        client.get(f"/do/answer/{word}"),
        client.get(f"/{word}"),
        client.get("/login", params={"next": text}),
        form.send(word="no", reason=text),
        form.send(key=text),
    ]


def test_no_template_trusts_a_text() -> None:
    for template in Path(str(TEMPLATES)).rglob("*.html"):
        text = template.read_text()
        assert not re.search(r"\|\s*safe\b|autoescape|\bMarkup\b", text), template
