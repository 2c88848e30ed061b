"""The page of trades: what stands there is what the store holds, filtered and sorted as asked."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from litestar.exceptions import ClientException

from tests.web.conftest import Panel
from tests.web.views import busy, cells, figure, looking, rows, share
from web.keyed import ROWS, every
from web.routes.trades import OUTCOMES, SORTS, context, wanted
from web.view import Reader, View

ZONE = "Asia/Shanghai"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of both stores, where trades were won and lost, by signals and by exits."""
    return busy(tmp_path_factory.mktemp("busy") / "var")


@pytest.fixture
def viewer(panel: Panel) -> httpx.Client:
    """Return somebody who may look."""
    return panel("viewer")


def asked(view: View, **query: str) -> list[int]:
    """Return the seqs of all trades that an address asks for, in its order."""
    listing = wanted(replace(view, query=query))
    return [row["seq"] for row in every(listing, lambda: nullcontext(view.engine))]


def chosen(trades: list[dict[str, Any]], query: dict[str, str]) -> list[int]:
    """Return the same, sorted and chosen by Python."""

    def fits(row: dict[str, Any]) -> bool:
        profit = float(row["profit"])
        closed = datetime.fromtimestamp(row["closed_at"] / 1_000, UTC)
        day = closed.astimezone(ZoneInfo(ZONE)).date().isoformat()
        return (
            query["instance"] in ("", row["instance"])
            and query["symbol"] in ("", row["symbol"])
            and {"all": True, "won": profit > 0, "lost": profit <= 0}[query["outcome"]]
            and query["from"] <= day <= (query["to"] or "9999")
        )

    kept = [row for row in trades if fits(row)]
    if query["sort"] in ("best", "worst"):
        kept.sort(key=lambda row: (float(row["profit"]), row["seq"], row["ordinal"]))
    falls = query["sort"] in ("newest", "best")
    return [row["seq"] for row in (reversed(kept) if falls else kept)]


def test_every_filter_and_sort_is_right(stores: Path) -> None:
    names = ("instance", "symbol", "outcome", "sort", "from", "to")
    days, trades, counts = ("", "2024-01-02"), rows(stores, "trade"), set()
    with looking(stores, reader=Reader(zone=ZONE)) as view:
        for values in product(
            ("", "ema_cross"), ("", "ETH/USDT"), OUTCOMES, SORTS, days, ("", "2024-01-01")
        ):
            query = dict(zip(names, values, strict=True))
            found = asked(view, **query)
            assert found == chosen(trades, query), query
            counts.add(len(found))
    assert len(counts) > 10, "the filters choose different things"


def test_a_day_is_one_of_the_readers_zone(stores: Path) -> None:
    query = {"from": "2024-01-02", "to": "2024-01-02"}
    with looking(stores) as view:
        assert asked(view, **query) == []
        assert len(asked(replace(view, reader=Reader(zone=ZONE)), **query)) > 5  # from 16:00 UTC on


def test_a_line_says_all_of_a_trade(viewer: httpx.Client, stores: Path) -> None:
    last = rows(stores, "trade")[-1]
    page = viewer.get("/trades")
    line = cells(page.text)[0]
    profit, paid = float(last["profit"]), float(last["quantity"]) * float(last["entry"])
    assert line["Instance"] == last["instance"]
    assert line["Symbol"] == last["symbol"]
    assert line["Quantity"] == last["quantity"]
    assert line["Entry"] == figure(last["entry"])
    assert line["Exit"] == figure(last["exit"])
    assert line["Profit"] == f"{profit:+.2f}".replace("-", "−")
    assert line["Of cost"] == share(profit / paid)
    assert line["Of equity"].lstrip("+−") == share(profit / float(last["equity"]), 3).lstrip("+−")
    assert line["Fees"] == f"{float(last['fees']):.2f}"
    assert line["Exit by"] == last["reason"].replace("_", "-")
    assert f"/chain?seq={last['seq']}&amp;instance={last['instance']}&amp;symbol=" in page.text


def test_the_form_shows_what_was_asked_for(viewer: httpx.Client) -> None:
    page = viewer.get("/trades?instance=ema_cross&symbol=GONE%2FUSDT&sort=best&to=2024-01-02").text
    assert "<option selected>ema_cross</option>" in page
    assert "<option selected>GONE/USDT</option>" in page, "a symbol that nobody has any more"
    assert '<option value="best" selected>' in page
    assert 'name="to" value="2024-01-02"' in page
    assert "None of these" in page
    assert 'href="/trades">Show all' in page


def test_the_profit_is_that_of_the_page(stores: Path) -> None:
    with looking(stores, {"sort": "best"}) as view:
        shown = context(view)
    best = sorted((float(row["profit"]) for row in rows(stores, "trade")), reverse=True)[:ROWS]
    assert float(shown["profit"]) == pytest.approx(sum(best))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"outcome": "won'"}, 'outcome: must be one of those that the page offers, was "won\'".'),
        ({"sort": "profit desc"}, "sort: must be one of those that the page offers"),
        ({"from": "yesterday"}, "from: must be a day such as 2026-01-31, was 'yesterday'."),
        ({"to": "9999-12-31"}, "to: must be a day such as"),
        ({"instance": "x" * 101}, "instance: must be a name, was"),
        ({"symbol": "a\0b"}, "symbol: must be a name, was"),
        ({"older": "1_2_3"}, "older: must be what a link of this list says"),
    ],
)
def test_a_wrong_filter_is_refused(
    viewer: httpx.Client, stores: Path, query: dict[str, str], said: str
) -> None:
    with looking(stores, query) as view, pytest.raises(ClientException) as refused:
        context(view)
    assert refused.value.detail.startswith(said)
    page = viewer.get("/trades", params=query)
    assert page.status_code == 400
    assert "Traceback" not in page.text


def test_nothing_yet_says_how_to_get_it(tmp_path: Path) -> None:
    with looking(tmp_path) as view:
        shown = context(view)
    assert shown["trades"] == []
    assert shown["instances"] == ["ema_cross", "rsi_reversion"]
