"""Pages by key: nothing is missed and nothing is seen twice, whatever an address says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from litestar.exceptions import ClientException
from sqlalchemy import Connection, select

from engine.store.columns import sortable
from engine.store.tables import Row, tables
from tests.web.views import busy, looking
from web import keyed
from web.keyed import Listing, RowsPage, every, listing, rows_page
from web.stores import Stores
from web.view import View

ORDER = tables("engine")["order"]
KEY = (ORDER.c.seq, ORDER.c.ordinal)
PRICE = sortable(ORDER.c.price).label("number")
LISTINGS = {
    "newest": Listing(ORDER, KEY),
    "oldest": Listing(ORDER, KEY, falls=False),
    "sought": listing(ORDER, KEY, {"i": lambda row: row.instance == "ema_cross"}, {"i"}),
    "sieved": listing(ORDER, KEY, {"s": lambda row: row.status == "placed"}),
    "rare": listing(ORDER, KEY, {"s": lambda row: row.status == "refused"}),
    "both": listing(
        ORDER,
        KEY,
        {"i": lambda row: row.instance == "ema_cross", "s": lambda row: row.status == "filled"},
        {"i"},
    ),
    "dearest": Listing(ORDER, (PRICE, *KEY)),
    "cheapest": Listing(ORDER, (PRICE, *KEY), falls=False),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that nobody changes."""
    return busy(tmp_path_factory.mktemp("busy") / "var")


@pytest.fixture(params=LISTINGS, name="name")
def _name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[7, 10_000], ids=["looks at 7", "looks at all"], autouse=True)
def _looked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed, "LOOKED_MAX", request.param)
    monkeypatch.setattr(keyed, "ROWS", 6)


def all_of(connection: Connection, name: str) -> list[Row]:
    """Return the rows of a listing, sorted and chosen by Python."""
    rows = [dict(row) for row in connection.execute(select(ORDER)).mappings()]
    chosen: dict[str, Callable[[Row], Any]] = {
        "sought": lambda row: row["instance"] == "ema_cross",
        "sieved": lambda row: row["status"] == "placed",
        "rare": lambda row: row["status"] == "refused",
        "both": lambda row: row["instance"] == "ema_cross" and row["status"] == "filled",
    }

    def place(row: Row) -> Any:
        key = (row["seq"], row["ordinal"])
        return (float(row["price"]), *key) if LISTINGS[name].key[0] is PRICE else key

    kept = filter(chosen.get(name, lambda _: True), rows)
    return sorted(kept, key=place, reverse=LISTINGS[name].falls)


def ids(rows: list[Row]) -> list[tuple[int, int]]:
    """Return what tells the rows apart."""
    return [(row["seq"], row["ordinal"]) for row in rows]


def at(view: View, link: str | None) -> View:
    """Return the view of a link of a page."""
    assert link
    return replace(view, query=dict(parse_qsl(link)))


def walk(view: View, name: str, way: str) -> Iterator[RowsPage]:
    """Yield the page of a view, and all behind it on one way."""
    while True:
        page = rows_page(view.engine, LISTINGS[name], view)
        yield page
        if not (link := getattr(page, way)):
            return
        view = at(view, link)


def test_pages_are_the_whole_list(folder: Path, name: str) -> None:
    with looking(folder, {"instance": "x"}) as view:
        pages = list(walk(view, name, "older"))
        wanted = ids(all_of(view.engine, name))
    assert ids([row for page in pages for row in page.items]) == wanted
    assert len(wanted) >= keyed.ROWS, "too few to have pages"
    assert len(pages) > 1
    assert pages[0].newer is None
    assert all(len(page.items) <= keyed.ROWS for page in pages)


def test_a_full_page_may_be_the_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with looking(folder) as view:
        monkeypatch.setattr(keyed, "ROWS", len(all_of(view.engine, "newest")))
        page = rows_page(view.engine, LISTINGS["newest"], view)
    assert len(page.items) == keyed.ROWS
    assert page.older is None


def test_the_way_back_is_the_whole_list(folder: Path, name: str) -> None:
    with looking(folder) as view:
        *_, last = walk(view, name, "older")
        start = at(view, last.newer)
        pages = list(walk(start, name, "newer"))
        wanted = ids(all_of(view.engine, name))
    found = ids([row for page in reversed(pages[:-1]) for row in page.items])
    first = ids(pages[-1].items)
    assert pages[-1].newer is None, "the way ends at the first page"
    assert first == wanted[: len(first)]
    rest = wanted[: len(wanted) - len(last.items)]
    assert [one for one in found if one not in first] == [one for one in rest if one not in first]


def test_links_keep_the_filter(folder: Path) -> None:
    with looking(folder, {"instance": "ema & co", "sort": "best", "to": ""}) as view:
        page = rows_page(view.engine, LISTINGS["newest"], view)
        older = dict(parse_qsl(page.older or ""))
        behind = rows_page(view.engine, LISTINGS["newest"], at(view, page.older))
    assert older.pop("older")
    assert older == {"instance": "ema & co", "sort": "best"}
    assert dict(parse_qsl(behind.newer or "")).keys() == {"instance", "sort", "newer"}


def test_every_row_comes_once(folder: Path, name: str) -> None:
    stores = Stores(folder)

    @contextmanager
    def connect() -> Iterator[Connection]:
        with stores.reading() as (engine, _):
            yield engine

    found = list(every(LISTINGS[name], connect, 9))
    with connect() as connection:
        assert ids(found) == ids(all_of(connection, name))
    stores.close()


def test_what_is_not_looked_at_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with looking(folder) as view:
        monkeypatch.setattr(keyed, "LOOKED_MAX", 7)
        cut = [page.is_cut for page in walk(view, "rare", "older")]
        monkeypatch.setattr(keyed, "LOOKED_MAX", 10_000)
        whole = [page.is_cut for page in walk(view, "rare", "older")]
    assert cut[0], "among the newest seven there are not six refusals"
    assert not cut[-1]
    assert not any(whole)


@pytest.mark.parametrize(
    "key",
    [
        "1",
        "1_2_3",
        "1_x",
        "1_1.5",
        "_",
        "9223372036854775808_0",
        "1_ 2",
        "1_٣",
        "0x1_0",
        "' OR 1_0",
    ],
)
@pytest.mark.parametrize("way", ["older", "newer"])
def test_a_wrong_key_is_refused(folder: Path, way: str, key: str) -> None:
    refused = pytest.raises(ClientException, match=f"{way}: must be what a link")
    with looking(folder, {way: key}) as view, refused:
        rows_page(view.engine, LISTINGS["newest"], view)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999", "1_0", "x", "", "1e", "--1"])
def test_a_wrong_number_is_refused(folder: Path, number: str) -> None:
    with looking(folder, {"older": f"{number}_1_0"}) as view, pytest.raises(ClientException):
        rows_page(view.engine, LISTINGS["dearest"], view)
