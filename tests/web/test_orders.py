"""The page of orders: one line for each, with its life."""

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from engine.store.database import path_of
from tests.unit.live.engines import copied
from tests.web.conftest import Panel
from tests.web.views import busy, cells, figure, looking, rows, share
from web.routes.orders import context


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of both stores, where orders were filled and rejected."""
    return busy(tmp_path_factory.mktemp("busy") / "var")


@pytest.fixture
def viewer(panel: Panel) -> httpx.Client:
    """Return somebody who may look."""
    return panel("viewer")


def ends(folder: Path) -> dict[int, str]:
    """Return order → the status that it has now, in the order they were placed."""
    return {row["order_id"]: row["status"] for row in rows(folder, "order")}


def shown(folder: Path, **query: str) -> list[int]:
    """Return the ids of the orders on a page."""
    with looking(folder, query) as view:
        return [line.placed["order_id"] for line in context(view)["lines"]]


def test_each_order_has_one_line(stores: Path) -> None:
    assert shown(stores) == sorted(ends(stores), reverse=True)[:50]


@pytest.mark.parametrize("status", ["filled", "refused"])
def test_a_status_is_found(stores: Path, status: str) -> None:
    wanted = [order for order, end in ends(stores).items() if end == status]
    assert len(wanted) > 3
    assert shown(stores, status=status) == sorted(wanted, reverse=True)[:50]


def test_a_book_is_found(stores: Path) -> None:
    book = {"instance": "ema_cross", "symbol": "BTC/USDT"}
    wanted = {
        row["order_id"]
        for row in rows(stores, "order")
        if (row["instance"], row["symbol"]) == tuple(book.values())
    }
    assert shown(stores, **book) == sorted(wanted, reverse=True)[:50]


def test_what_works_has_no_end_yet(stores: Path, tmp_path: Path) -> None:
    assert shown(stores, status="working") == []
    folder = copied(stores, tmp_path / "var")
    last = max(ends(folder))
    with closing(sqlite3.connect(path_of(folder, "engine"))) as connection, connection:
        connection.execute("drop trigger order_refuses_delete")
        connection.execute("delete from 'order' where order_id = ? and status <> 'placed'", (last,))
    assert shown(folder, status="working") == [last]


def test_a_line_says_all_of_an_order(viewer: httpx.Client, stores: Path) -> None:
    lines = {line["Order"]: line for line in cells(viewer.get("/orders?status=filled").text)}
    fills = [fill for fill in rows(stores, "fill") if str(fill["order_id"]) in lines]
    sides = set()
    for fill in fills:
        line = lines[str(fill["order_id"])]
        changes = [row for row in rows(stores, "order") if row["order_id"] == fill["order_id"]]
        quantity, price = float(fill["quantity"]), float(fill["price"])
        worse = (price / float(changes[0]["price"]) - 1) * (1 if quantity > 0 else -1)
        assert line["Side"] == ("buy ↗" if quantity > 0 else "sell ↘")
        assert line["Quantity"] == fill["quantity"].removeprefix("-")
        assert line["Filled at"] == figure(fill["price"])
        assert line["Slippage"] == share(worse, 3)
        assert line["Fee"] == f"{float(fill['fee']):.2f}"
        took = changes[-1]["ts"] - changes[0]["ts"]
        assert line["Life"].startswith("filled after" if took >= 1_000 else "filled at once")
        sides.add(line["Side"])
    assert len(fills) == len(lines) > 10
    assert len(sides) == 2


def test_a_rejected_order_says_so(viewer: httpx.Client) -> None:
    line = cells(viewer.get("/orders?status=refused").text)[0]
    assert line["Life"].endswith(": rejected by the venue")
    assert line["Filled at"] == "–"
    assert line["Fee"] == "–"


def test_nothing_yet_says_how_to_get_it(tmp_path: Path) -> None:
    assert shown(tmp_path) == []
