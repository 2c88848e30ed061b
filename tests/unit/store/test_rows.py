"""Rows: every number of the core comes back from the store as it was, under its name."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import Interpreted
from engine.core.portfolio import Instrument
from engine.core.records import Event, Kind
from engine.research.result import Replay
from engine.rules.order_notional import OrderNotional
from engine.store.rows import LOGGED, Scribe, difference, exact, real, stored
from engine.store.tables import tables
from engine.store.writer import Batch
from tests.market import bar_events, follower, numbered, portfolio, run, target
from tests.unit.store.committed import writing

MINUTE = 60_000


@pytest.fixture(scope="module")
def done() -> Replay:
    """Return a run with a signal of each sort, a denial, fills, a trade, and funding."""
    symbols = ("X/USD", "Y/USD")
    grids = (Instrument("X/USD"), Instrument("Y/USD", leverage=1.0))
    plan = portfolio(
        follower("one", symbols=symbols),
        follower("two", symbols=("X/USD",), quantity=1_000.0),
        instruments=grids,
        rules=(("order_notional", OrderNotional(notional_max=5_000.0)),),
        taker=0.001,
    )
    bars = [
        bar_events([[100.1, 101.0, 99.0, 100.3 + i] for i in range(6)], symbol=s) for s in (0, 1)
    ]
    wishes = [
        target(MINUTE, 1.0, stop=90.5, take=120.25),
        target(MINUTE, 1.0, symbol=1),
        target(MINUTE, 1.0, instance=1),
        target(4 * MINUTE, 0.0),
        target(5 * MINUTE, 0.01, symbol=1, kind=Kind.FUNDING),
    ]
    return run(Interpreted, plan, numbered(*bars, *wishes))


@pytest.fixture
def scribe(done: Replay) -> Scribe:
    return Scribe(done.machine.plan, "r1", "c0ffee", "0.1.0")


# ── numbers ───────────────────────────────────────────────────────────────────────────────────


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_a_decimal_and_back_again(number: float) -> None:
    text = str(exact(number))
    assert np.float64(real(Decimal(text))).tobytes() == np.float64(number).tobytes()


def test_a_decimal_looks_as_a_person_would_write_it() -> None:
    assert str(exact(0.1)) == "0.1"


# ── rows ──────────────────────────────────────────────────────────────────────────────────────


def test_every_log_becomes_rows(done: Replay, scribe: Scribe) -> None:
    made = scribe.rows(done.logs)
    assert {*made} == {*LOGGED}
    for table, log in LOGGED.items():
        assert len(made[table]) == len(done.logs[log])
        columns = {column.name for column in tables("engine")[table].columns}
        assert all({*row} == columns for row in made[table])


def test_a_signal(done: Replay, scribe: Scribe) -> None:
    first, second, third, last = scribe.rows(done.logs)["signal"]
    assert first == {
        "seq": 2,
        "ordinal": 0,
        "run": "r1",
        "ts": MINUTE,
        "instance": "one",
        "symbol": "X/USD",
        "target": Decimal("1.0"),
        "stop": Decimal("90.5"),
        "take": Decimal("120.25"),
        "price": Decimal("100.3"),
        "limit": None,
        "tag": None,
        "config_hash": "c0ffee",
        "code_version": "0.1.0",
    }
    assert (second["symbol"], second["stop"], second["take"]) == ("Y/USD", None, None)
    assert third["instance"] == "two"
    assert last["target"] == 0


def test_a_denial_says_what_the_rule_measured(done: Replay, scribe: Scribe) -> None:
    made = scribe.rows(done.logs)
    (denial,) = made["denial"]
    assert (denial["instance"], denial["reason"]) == ("two", "order_notional_above_limit")
    assert denial["measured"] > denial["limit"] == 5_000
    assert [row["approved"] for row in made["decision"]] == [True, True, False, True]


def test_orders_and_fills_belong_together(done: Replay, scribe: Scribe) -> None:
    made = scribe.rows(done.logs)
    placed = [row["order_id"] for row in made["order"] if row["status"] == "placed"]
    filled = [row["order_id"] for row in made["order"] if row["status"] == "filled"]
    assert placed == filled == [row["order_id"] for row in made["fill"]]
    assert {row["reason"] for row in made["order"]} == {"signal"}


def test_a_trade_says_what_it_earned(done: Replay, scribe: Scribe) -> None:
    (trade,) = scribe.rows(done.logs)["trade"]
    fills = [row for row in scribe.rows(done.logs)["fill"] if row["symbol"] == "X/USD"]
    bought, sold = fills
    assert (trade["entry"], trade["exit"]) == (bought["price"], sold["price"])
    assert real(trade["fees"]) == pytest.approx(real(bought["fee"] + sold["fee"]))
    assert (trade["opened_seq"], trade["seq"]) == (bought["seq"], sold["seq"])


def test_the_rows_of_one_event_are_counted(done: Replay, scribe: Scribe) -> None:
    signals = done.logs["signals"].copy()
    signals["seq"] = [2, 2, 2, 9]
    made = scribe.rows(done.logs | {"signals": signals})["signal"]
    assert [(row["seq"], row["ordinal"]) for row in made] == [(2, 0), (2, 1), (2, 2), (9, 0)]


def test_nothing_that_happened_is_no_rows(done: Replay, scribe: Scribe) -> None:
    assert scribe.rows({name: rows[:0] for name, rows in done.logs.items()}) == {}


def test_equity_is_kept_at_full_minutes(scribe: Scribe) -> None:
    events = np.zeros(4, Event.dtype)
    events["kind"] = [Kind.TIMER, Kind.TIMER, Kind.TICK, Kind.TIMER]
    events["ts"] = [MINUTE, MINUTE + 5_000, 2 * MINUTE, 2 * MINUTE]
    events["seq"] = [5, 6, 7, 8]
    assert scribe.equity(events, np.array([1.5, 2.5, 3.5, 4.5])) == [
        {"seq": 5, "ts": MINUTE, "run": "r1", "equity": Decimal("1.5")},
        {"seq": 8, "ts": 2 * MINUTE, "run": "r1", "equity": Decimal("4.5")},
    ]


def test_a_position_is_a_row_of_the_block(done: Replay, scribe: Scribe) -> None:
    books = table_of(done.machine.block, "books")
    k = next(k for k, place in enumerate(done.machine.plan.books) if place.symbol == 1)
    words = books[k].tobytes() + b"and its working orders"
    (row,) = scribe.positions({k: words}, ts=7, seq=8)
    fills = scribe.rows(done.logs)["fill"]
    assert row["quantity"] == next(f["position"] for f in fills if f["symbol"] == "Y/USD")
    assert (row["instance"], row["symbol"], row["ts"], row["seq"]) == ("one", "Y/USD", 7, 8)
    assert (row["stop"], row["take"]) == (None, None)
    assert row["words"] == words


# ── and back ──────────────────────────────────────────────────────────────────────────────────


def test_what_is_stored_is_what_was_made(done: Replay, scribe: Scribe, engine: Engine) -> None:
    made = scribe.rows(done.logs)
    with writing(engine) as (writer, _):
        writer.write(Batch("r1", 20, 0, b"", made))
    with engine.connect() as connection:
        for table, rows in made.items():
            assert stored(connection, table, -1, 20) == rows
            assert stored(connection, table, 20, 99) == []
        first, *_, last = sorted({row["seq"] for row in made["order"]})
        assert stored(connection, "order", first, last) == [
            row for row in made["order"] if first < row["seq"] <= last
        ]
        assert stored(connection, "order", first, last - 1) == [
            row for row in made["order"] if first < row["seq"] < last
        ]


def test_a_replay_by_another_run_is_the_same(done: Replay, scribe: Scribe) -> None:
    other = Scribe(layout(done.machine.plan.portfolio), "r2", "decade", "0.2.0")
    again = other.rows(done.logs)
    for table, rows in scribe.rows(done.logs).items():
        assert difference(table, rows, again[table]) is None


def test_a_difference_is_named(done: Replay, scribe: Scribe) -> None:
    kept = scribe.rows(done.logs)["fill"]
    at = f"fill {kept[1]['seq']}.{kept[1]['ordinal']}"
    changed = [kept[0], kept[1] | {"price": Decimal("7.5")}, *kept[2:]]
    price = kept[1]["price"]
    assert difference("fill", kept, changed) == (
        f"{at}: price is stored as {price}, was made again as 7.5"
    )
    assert difference("fill", kept[:2], kept[:1]) == f"{at} is stored, was not made again"
    assert difference("fill", kept[:1], kept[:2]) == f"{at} was made again, is not stored"
