"""The file of trades: what the page shows, all of it, and nothing a spreadsheet would run."""

import csv
import io
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from engine.clock import utc
from engine.store.database import path_of
from tests.unit.live.engines import copied
from tests.web.conftest import Panel
from tests.web.views import busy, looking, rows
from web import export
from web.routes.trades import wanted
from web.stores import Stores

FORMULAS = (
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1",
    "\u00a0=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
)
LINES = ("a\nb", "a\r\nb", "a\u2028b", "a\x1b[31mb", "a\x00b", "a\x85b", "a\x7fb")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of both stores, where trades were won and lost."""
    return busy(tmp_path_factory.mktemp("busy") / "var")


@pytest.fixture
def viewer(panel: Panel) -> httpx.Client:
    """Return somebody who may look."""
    return panel("viewer")


def read(text: str) -> list[dict[str, str]]:
    """Return the lines of a file."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_file_has_every_trade_exactly(viewer: httpx.Client, stores: Path) -> None:
    answer = viewer.get("/trades.csv?sort=oldest")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="trades.csv"'
    lines, stored = read(answer.text), rows(stores, "trade")
    assert tuple(lines[0]) == export.COLUMNS
    for line, row in zip(lines, stored, strict=True):
        same = [name for name in export.COLUMNS if name in row and name not in export.TIMES]
        assert {name: line[name] for name in same} == {name: str(row[name]) for name in same}
        assert line["closed_at"] == utc(row["closed_at"])
        paid = Decimal(row["quantity"]) * Decimal(row["entry"])
        assert Decimal(line["of_cost"]) == round(Decimal(row["profit"]) / paid, 8)


def test_the_file_is_what_the_page_shows(viewer: httpx.Client) -> None:
    query = "instance=ema_cross&outcome=won&sort=best"
    lines = read(viewer.get(f"/trades.csv?{query}").text)
    profits = [Decimal(line["profit"]) for line in lines]
    assert len(profits) > 3
    assert profits == sorted(profits, reverse=True)
    assert min(profits) > 0
    assert {line["instance"] for line in lines} == {"ema_cross"}
    page = viewer.get(f"/trades?{query}").text
    assert f'href="/trades.csv?{query.replace("&", "&amp;")}"' in page


def test_a_wrong_filter_is_no_file(viewer: httpx.Client) -> None:
    answer = viewer.get("/trades.csv?sort=none")
    assert answer.status_code == 400
    assert "seq,instance" not in answer.text


def test_nobody_gets_it_without_an_account(panel: Panel) -> None:
    answer = panel("").get("/trades.csv", follow_redirects=False)
    assert answer.status_code in (302, 303, 401, 403)
    assert "ema_cross" not in answer.text


def test_a_long_file_comes_in_pieces(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_PIECE", 1_000)
    with looking(stores) as view:
        listing = wanted(view)
    opened = Stores(stores)
    pieces = list(export.content(opened, listing))
    opened.close()
    assert len(pieces) > 5
    assert len(read("".join(pieces))) == len(rows(stores, "trade"))


def test_no_text_is_a_formula_or_a_line(stores: Path, tmp_path: Path) -> None:
    folder = copied(stores, tmp_path / "var")
    with closing(sqlite3.connect(path_of(folder, "engine"))) as connection, connection:
        connection.execute("drop trigger trade_refuses_update")
        for ordinal, text in enumerate(FORMULAS + LINES):
            seq = rows(stores, "trade")[ordinal]["seq"]
            connection.execute(
                "update trade set instance = ?, symbol = ?, reason = ? where seq = ?",
                (text, text, text, seq),
            )
    with looking(folder, {"sort": "oldest"}) as view:
        listing = wanted(view)
    opened = Stores(folder)
    lines = read("".join(export.content(opened, listing)))
    opened.close()
    for line, text in zip(lines, FORMULAS + LINES, strict=False):
        for name in ("instance", "symbol", "reason"):
            assert line[name].isprintable() or text.startswith("\u00a0")
            assert not line[name].lstrip().startswith(tuple("=+-@＝＋－＠"))
            assert line[name].startswith("'") == (text in FORMULAS)
    assert len(lines) == len(rows(stores, "trade")), "no text makes a line of its own"


def test_a_figure_stays_a_figure() -> None:
    assert export.cell(Decimal("-1.50")) == "-1.50"
    assert export.cell(None) == ""
