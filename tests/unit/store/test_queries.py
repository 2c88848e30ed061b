"""What is read: sums that are exact, the newest first, commands in their order."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from engine.store import queries
from engine.store.writer import Batch, ask
from tests.unit.store.committed import CONFIG, RUN, batch, fill, writing

FILLS = [(0.1, 10.0, 0.1), (0.2, 11.0, 0.3), (-0.3, 12.0, 0.0)]  # quantity, price, position after


def breaker(seq: int, name: str, state: str) -> dict[str, Any]:
    key = {"seq": seq, "ordinal": 0, "run": "r1", "ts": seq}
    return key | {"name": name, "state": state, "reason": "news", "who": "me"}


def answer(command: int) -> dict[str, Any]:
    texts = {"outcome": "done", "sentence": "Paused.", "before": "{}", "after": "{}"}
    return texts | {"command_id": command, "ts": 0, "seq": 0, "run": "r1"}


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """Return a connection to a store with three fills, two latches and an answer."""
    with writing(engine) as (writer, _):
        for seq, numbers in enumerate(FILLS):
            writer.write(batch(seq, fill=[fill(seq, *numbers)]))
        latches = [breaker(3, "kill", "set"), breaker(4, "loss", "set"), breaker(5, "kill", "off")]
        writer.write(Batch("r1", 5, 5, b"", {"breaker": latches, "answer": [answer(1)]}))
    with engine.connect() as opened:
        yield opened


def test_a_new_store_has_nothing(engine: Engine) -> None:
    with engine.connect() as opened:
        assert queries.progress(opened) is None
        assert queries.snapshots(opened) == queries.positions(opened) == []
        assert not queries.flows(opened)
        assert not queries.latches(opened)
        assert queries.newest(opened, "heartbeat") == []
        assert queries.answered(opened) == 0


def test_the_sums_of_fills_are_exact(connection: Connection) -> None:
    assert queries.flows(connection) == {
        ("a", "X/USD"): queries.Flow(
            quantity=Decimal("0.0"),  # as floats, 0.1 + 0.2 - 0.3 is not 0
            notional=Decimal("-0.4"),
            fees=Decimal("0.3"),
            position=Decimal("0.0"),
        )
    }


def test_only_the_fills_behind_a_moment_are_summed(connection: Connection) -> None:
    (flow,) = queries.flows(connection, after=0).values()
    assert flow.quantity == Decimal("-0.1")
    assert queries.flows(connection, after=2) == {}


def test_the_newest_rows_come_first(connection: Connection) -> None:
    assert [row["seq"] for row in queries.newest(connection, "fill", 2)] == [2, 1]
    assert [row["seq"] for row in queries.newest(connection, "order", 9)] == [2, 1, 0]


def test_a_latch_stands_as_it_was_last_set(connection: Connection) -> None:
    found = {name: row["state"] for name, row in queries.latches(connection).items()}
    assert found == {"kill": "off", "loss": "set"}


def test_a_run_is_found_by_its_id(connection: Connection) -> None:
    assert queries.run(connection, "r1") == RUN
    assert queries.run(connection, "r2") is None
    assert CONFIG["hash"] == RUN["config_hash"]


def test_commands_come_in_the_order_they_were_given(panel: Engine) -> None:
    given = {"ts": 0, "who": "me", "instance": "a", "symbol": None, "reason": "news"}
    for key, action in (("k1", "pause"), ("k2", "resume"), ("k3", "kill")):
        ask(panel, given | {"key": key, "action": action})
    with panel.connect() as opened:
        assert [row["action"] for row in queries.commands(opened, 1)] == ["resume", "kill"]
        assert queries.commands(opened, 2)[0] == given | {"id": 3, "key": "k3", "action": "kill"}
        assert queries.commands(opened, 3) == []


def test_an_answer_is_found_by_its_command(connection: Connection) -> None:
    assert queries.answer(connection, 1) == answer(1)
    assert queries.answer(connection, 2) is None
    assert queries.answered(connection) == 1
