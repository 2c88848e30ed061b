"""Signals of one book in one event: each has an answer and reasons of its own."""

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from engine.store.database import path_of
from tests.web.conftest import Panel
from tests.web.views import busy, cells, looking
from web.chain import chain
from web.happened import signals
from web.related import answered, caused

SEQ = 10_000_000
BOOK = "'grid', 'BTC/USDT'"
EVENT = {"seq": SEQ, "instance": "grid", "symbol": "BTC/USDT"}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of both stores whose newest event asked for three levels: yes, no, yes."""
    folder = busy(tmp_path_factory.mktemp("levels") / "var")
    with closing(sqlite3.connect(path_of(folder, "engine"))) as connection, connection:
        run, config, code = connection.execute(
            "select run, config_hash, code_version from signal limit 1"
        ).fetchone()
        for i, (limit, denials) in enumerate(((99.0, 0), (98.0, 2), (97.0, 0))):
            connection.execute(
                'insert into signal (seq, ordinal, run, ts, instance, symbol, target, "limit",'
                f" price, config_hash, code_version) values (?, ?, ?, ?, {BOOK}, '0.1', ?, '100.0',"
                " ?, ?)",
                (SEQ, i, run, SEQ, str(limit), config, code),
            )
            connection.execute(
                "insert into decision (seq, ordinal, run, ts, instance, symbol, approved, quantity,"
                f" denials) values (?, ?, ?, ?, {BOOK}, ?, ?, ?)",
                (SEQ, i, run, SEQ, not denials, "0.0" if denials else "0.5", denials),
            )
        for i, reason in enumerate(("paused", "below_lot")):
            connection.execute(
                "insert into denial (seq, ordinal, run, ts, instance, symbol, reason, measured,"
                f" \"limit\") values (?, ?, ?, ?, {BOOK}, ?, '1.0', '0.0')",
                (SEQ, i, run, SEQ, reason),
            )
    return folder


@pytest.fixture
def viewer(panel: Panel) -> httpx.Client:
    """Return somebody who may look."""
    return panel("viewer")


def test_each_signal_has_its_own_answer(stores: Path) -> None:
    with looking(stores) as view:
        (found,) = answered(view.engine, [EVENT]).values()
    assert [float(one.signal["limit"]) for one in found] == [99.0, 98.0, 97.0]
    assert [one.decision["approved"] for one in found if one.decision] == [True, False, True]
    reasons = [[row["reason"] for row in one.denials] for one in found]
    assert reasons == [[], ["paused", "below_lot"], []]


def test_a_stream_of_what_happened_says_the_same(stores: Path) -> None:
    with looking(stores) as view:
        rows = caused(view.engine, "signal", [EVENT])[SEQ, "grid", "BTC/USDT"]
        lines = signals(view.engine, rows[1:])
    assert [len(line.denials) for line in lines] == [2, 0]
    assert [line.row["ordinal"] for line in lines] == [1, 2]


def test_a_chain_shows_each_answer_once(stores: Path) -> None:
    with looking(stores) as view:
        found = chain(view.engine, SEQ, ("grid", "BTC/USDT"))
    assert [step.kind for step in found.steps] == ["signal"] * 3 + ["decision"] * 3
    assert [len(step.denials) for step in found.steps[3:]] == [0, 2, 0]


def test_the_list_shows_the_price_of_a_level(viewer: httpx.Client) -> None:
    newest = cells(viewer.get("/signals").text)[:3]
    assert [line["Target"] for line in newest] == ["+0.1 @ 97", "+0.1 @ 98", "+0.1 @ 99"]
    denied = cells(viewer.get("/signals?outcome=denied").text)[0]
    assert denied["Target"] == "+0.1 @ 98"
