"""The chain of an event: from each of its links one gets to all the others."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.store.database import path_of
from tests.unit.live.engines import copied
from tests.web.conftest import Panel
from tests.web.views import busy, cells, looking, rows
from web import chain as chains
from web.chain import Chain, chain
from web.routes.chain import context

Step = tuple[str, int]  # kind, seq


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of both stores, where all that can happen has happened."""
    return busy(tmp_path_factory.mktemp("busy") / "var")


@pytest.fixture
def viewer(panel: Panel) -> httpx.Client:
    """Return somebody who may look."""
    return panel("viewer")


def steps(found: Chain) -> list[Step]:
    """Return the kinds and events of a chain."""
    return [(step.kind, step.row["seq"]) for step in found.steps]


def of(folder: Path, row: dict[str, Any]) -> Chain:
    """Return the chain of a row's event in its book."""
    with looking(folder) as view:
        return chain(view.engine, row["seq"], (row["instance"], row["symbol"]))


def one(folder: Path, table: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the last row of a table that fits."""
    return [row for row in rows(folder, table, "seq") if fits(row)][-1]


def test_a_trade_leads_to_everything(stores: Path) -> None:
    trade = one(stores, "trade", lambda row: row["reason"] == "signal")
    found = of(stores, trade)
    opened = steps(found)[0][1]
    left = next(seq for kind, seq in steps(found)[1:] if kind == "signal")
    assert steps(found) == [
        *[("signal", opened), ("decision", opened), ("order", opened)],
        ("fill", trade["opened_seq"]),
        *[("signal", left), ("decision", left), ("order", left)],
        *[("fill", trade["seq"]), ("trade", trade["seq"])],
    ]
    assert opened < trade["opened_seq"] < left < trade["seq"]
    assert found.trade
    assert found.trade["profit"] == found.steps[-1].row["profit"]
    assert not found.is_cut
    assert not found.is_open


@pytest.mark.parametrize("reason", ["signal", "stop_loss", "take_profit"])
def test_every_link_shows_the_same_chain(stores: Path, reason: str) -> None:
    trade = one(stores, "trade", lambda row: row["reason"] == reason)
    found = of(stores, trade)
    for step in found.steps:
        assert steps(of(stores, step.row)) == steps(found), f"from {step.kind}"


def test_an_exit_needs_no_signal(stores: Path) -> None:
    trade = one(stores, "trade", lambda row: row["reason"] == "stop_loss")
    kinds = [step.kind for step in of(stores, trade).steps]
    assert kinds == ["signal", "decision", "order", "fill", "order", "fill", "trade"]


def test_a_denied_signal_ends_with_its_reasons(stores: Path) -> None:
    denial = rows(stores, "denial")[-1]
    found = of(stores, denial)
    assert [step.kind for step in found.steps] == ["signal", "decision"]
    (said,) = found.steps[1].denials
    assert (said["reason"], str(said["measured"])) == (denial["reason"], denial["measured"])
    assert found.trade is None


def test_a_rejected_order_ends_there(stores: Path) -> None:
    refused = one(stores, "order", lambda row: row["status"] == "refused")
    found = of(stores, refused)
    assert [step.row["status"] for step in found.steps if step.kind == "order"] == [
        *("placed", "refused")
    ]


def test_an_open_position_has_no_trade_yet(stores: Path) -> None:
    held = one(stores, "position", lambda row: float(row["quantity"]) != 0)
    fill = one(
        stores, "fill", lambda row: all(row[key] == held[key] for key in ("instance", "symbol"))
    )
    found = of(stores, fill)
    assert found.is_open
    assert found.trade is None
    assert steps(found)[-1] == ("fill", fill["seq"])


def test_a_long_round_trip_is_cut(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_, last = rows(stores, "trade")
    monkeypatch.setattr(chains, "FILLS_MAX", 0)
    for trade, seq in ((last, last["seq"]), (first, first["opened_seq"])):  # before, and behind
        found = of(stores, trade | {"seq": seq})
        assert found.is_cut
        assert [step.kind for step in found.steps].count("fill") == 1


def test_a_fill_comes_before_what_is_decided_then(stores: Path, tmp_path: Path) -> None:
    """Where bars are fed, the bar that fills an order is the one a strategy sees next."""
    trade = one(stores, "trade", lambda row: row["reason"] == "signal")
    left = [row for kind, row in steps(of(stores, trade)) if kind == "signal"][1]
    folder = copied(stores, tmp_path / "var")
    with closing(sqlite3.connect(path_of(folder, "engine"))) as connection, connection:
        for table in ("signal", "decision", "order"):
            connection.execute(f"drop trigger {table}_refuses_update")
            connection.execute(
                f"update '{table}' set seq = ?, ordinal = ordinal + 9 where seq = ? and symbol = ?",
                (trade["opened_seq"], left, trade["symbol"]),
            )
    found = [(kind, seq) for kind, seq in steps(of(folder, trade)) if seq == trade["opened_seq"]]
    assert [kind for kind, _ in found] == ["fill", "signal", "decision", "order"]


def test_each_book_of_an_event_has_a_chain(stores: Path) -> None:
    signals = rows(stores, "signal")
    seq = next(a["seq"] for a, b in pairwise(signals) if a["seq"] == b["seq"])
    books = {(row["instance"], row["symbol"]) for row in signals if row["seq"] == seq}
    with looking(stores, {"seq": str(seq)}) as view:
        found = context(view)["chains"]
    assert {(one.instance, one.symbol) for one in found} >= books
    instance, symbol = sorted(books)[0]
    with looking(stores, {"seq": str(seq), "instance": instance, "symbol": symbol}) as view:
        (alone,) = context(view)["chains"]
    assert (alone.instance, alone.symbol) == (instance, symbol)


def test_the_page_tells_the_story(viewer: httpx.Client, stores: Path) -> None:
    trade = one(stores, "trade", lambda row: row["reason"] == "take_profit")
    page = viewer.get(f"/chain?seq={trade['seq']}&instance={trade['instance']}")
    lines = cells(page.text)
    assert [line["Step"].split()[0] for line in lines] == [
        *("Signal", "Decision", "Order", "Fill", "Order", "Fill", "Trade")
    ]
    assert lines[-1][""].startswith(f"{float(trade['profit']):+.2f}".replace("-", "−"))
    assert lines[-1][""].endswith("take-profit")
    assert page.text.count('aria-current="true"') == sum(
        line["Event"] == str(trade["seq"]) for line in lines
    )


@pytest.mark.parametrize("seq", ["", "0", "999999999999999999"])
def test_an_event_without_a_chain_says_so(viewer: httpx.Client, seq: str) -> None:
    page = viewer.get("/chain", params={"seq": seq})
    assert page.status_code == 200
    assert ("Which event?" if not seq else f"Event {seq} caused nothing") in page.text


@pytest.mark.parametrize("seq", ["-1", "1.5", "x", "9" * 19, "1 or 1=1", "٣"])
def test_a_wrong_event_is_refused(viewer: httpx.Client, seq: str) -> None:
    assert viewer.get("/chain", params={"seq": seq}).status_code == 400
