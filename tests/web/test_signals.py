"""The page of signals: each with risk's decision, and every reason where it said no."""

from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.web.conftest import Panel
from tests.web.views import busy, cells, figure, looking, rows
from web.routes.signals import OUTCOMES, context


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of both stores, where risk has said yes and no."""
    return busy(tmp_path_factory.mktemp("busy") / "var")


@pytest.fixture
def viewer(panel: Panel) -> httpx.Client:
    """Return somebody who may look."""
    return panel("viewer")


def outcome(decision: dict[str, str]) -> str:
    """Return how a signal ended."""
    if not decision["approved"]:
        return "denied"
    return "ordered" if float(decision["quantity"]) else "idle"


@pytest.mark.parametrize("asked", OUTCOMES)
@pytest.mark.parametrize("book", [("", ""), ("ema_cross", ""), ("", "BTC/USDT")])
def test_an_outcome_is_found(stores: Path, asked: str, book: tuple[str, str]) -> None:
    instance, symbol = book
    query = {"outcome": asked, "instance": instance, "symbol": symbol}
    with looking(stores, query) as view:
        shown = context(view)["lines"]
    wanted = [
        row["seq"]
        for row in reversed(rows(stores, "decision"))
        if asked in ("all", outcome(row))
        and instance in ("", row["instance"])
        and symbol in ("", row["symbol"])
    ]
    assert len(wanted) > 3 or symbol, "there is something to be found"
    assert [line.signal["seq"] for line in shown] == wanted[:50]


def test_every_signal_has_its_own_decision(stores: Path) -> None:
    """Also where one event made signals in several books."""
    with looking(stores) as view:
        shown = context(view)["lines"]
    assert max(Counter(line.signal["seq"] for line in shown).values()) > 1
    for line in shown:
        assert line.decision is not None
        for name in ("seq", "instance", "symbol"):
            assert line.signal[name] == line.decision[name]
        assert bool(line.denials) == (not line.decision["approved"])


def test_a_no_says_why_in_figures(viewer: httpx.Client, stores: Path) -> None:
    denial = rows(stores, "denial")[-1]
    said = cells(viewer.get("/signals?outcome=denied").text)
    why = f"denied order notional above its limit ({figure(denial['measured'])}, limit 690)"
    assert float(denial["limit"]) == 690
    assert said[0]["Decision"] == why
    assert len(said) == len(rows(stores, "denial"))


def test_a_line_says_what_was_wanted(viewer: httpx.Client, stores: Path) -> None:
    signal, decision = rows(stores, "signal")[-1], rows(stores, "decision")[-1]
    line = cells(viewer.get("/signals").text)[0]
    assert line["Instance"] == signal["instance"]
    assert line["Target"] == {"1.0": "+1", "0.0": "0"}[signal["target"]]
    assert line["Price"] == figure(signal["price"])
    assert line["Because"] == signal["tag"].replace("_", "-")
    assert line["Decision"].startswith(
        {"ordered": "ordered", "denied": "denied", "idle": "nothing to do"}[outcome(decision)]
    )


def test_nothing_yet_says_how_to_get_it(tmp_path: Path) -> None:
    with looking(tmp_path) as view:
        assert context(view)["lines"] == []
