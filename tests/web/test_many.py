"""Lists over a store that has traded for years: each page at once, and no table read through."""

import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.web.many import COUNT, grow
from tests.web.views import busy, looking, overheard, plans
from web.keyed import LOOKED_MAX, ROWS
from web.routes import chain, orders, signals, trades
from web.view import Page

NO_TABLES = {"looked", "position"}  # what was looked at already; one row a book

BOOKS = {
    "instance": ("", "past_3", "never"),
    "symbol": ("", "S8/USDT", "S7/USDT"),  # past_3 never traded the latter
}
FILTERS: list[tuple[Page, dict[str, tuple[str, ...]]]] = [
    (signals.PAGE, BOOKS | {"outcome": tuple(signals.OUTCOMES)}),
    (orders.PAGE, BOOKS | {"status": tuple(orders.STATUSES)}),
    (
        trades.PAGE,
        BOOKS
        | {"outcome": tuple(trades.OUTCOMES), "sort": tuple(trades.SORTS)}
        | {"from": ("", "1969-12-28"), "to": ("", "1969-12-29")},
    ),
]
ADDRESSES = [
    (page, dict(zip(filters, values, strict=True)))
    for page, filters in FILTERS
    for values in itertools.product(*filters.values())
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with a million of everything, behind what an engine did."""
    folder = busy(tmp_path_factory.mktemp("many") / "var")
    grow(folder)
    yield folder
    shutil.rmtree(folder)


def test_no_list_reads_a_table_through_or_sorts(folder: Path) -> None:
    wrong, deep = set(), {"older": f"-{COUNT // 2}_0"}
    with looking(folder) as view:
        for page, query in [*ADDRESSES, *((page, deep) for page, _ in FILTERS)]:
            with overheard(view.engine) as said:
                page.context(replace(view, query=query))
            told = plans(view.engine, said)
            assert told
            for line in told:
                scanned = re.search(r"SCAN (\S+)", line)
                if (scanned and scanned[1] not in NO_TABLES) or "TEMP B-TREE" in line:
                    wrong.add(f"{page.path} {query}: {line}")
    assert not wrong


def test_a_chain_is_found_at_once(folder: Path) -> None:
    with looking(folder) as view:
        trade = trades.context(view)["trades"][0]
        view = replace(view, query={"seq": str(trade["seq"])})
        with overheard(view.engine) as said:
            assert chain.context(view)["chains"][0].steps[-1].row["seq"] == trade["seq"]
        told = plans(view.engine, said)
    assert not [line for line in told if "SCAN" in line and line != "SCAN looked"]


def test_one_page_says_how_far_it_has_looked(folder: Path) -> None:
    query = {"instance": "past_3", "symbol": "S7/USDT"}
    with looking(folder, query) as view:
        page = signals.context(view)["rows_page"]
    assert page.items == []
    assert page.is_cut
    assert page.older
    assert LOOKED_MAX > ROWS
