"""The tables: decimals come back as they went, and history cannot be changed."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, make_url, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from engine.store.columns import Exact
from engine.store.tables import METADATA, tables
from tests.unit.store.committed import batch, fill, writing

HISTORY = [name for name, table in tables("engine").items() if "history" in table.info]
PRESENT = {"position", "progress", "snapshot"}


def ddl(table: str, dialect: str) -> str:
    made = make_url(f"{dialect}://").get_dialect()()
    return str(CreateTable(tables("engine")[table]).compile(dialect=made))


def any_row(table: str) -> dict[str, Any]:
    """Return a row of a table that refers to what is there."""
    given: dict[str, Any] = {"run": "r1", "config_hash": "c0ffee", "continues": "r1"}
    values = {int: 7, str: "x", bool: True, bytes: b"x", float: 0.5}
    for column in tables("engine")[table].columns:
        kind = getattr(column.type, "impl_instance", column.type).python_type
        value = Decimal("0.5") if isinstance(column.type, Exact) else values[kind]
        given.setdefault(column.name, value)
    return {column.name: given[column.name] for column in tables("engine")[table].columns}


@pytest.mark.parametrize(
    "number",
    ["0.1", "0.123456789012345678", "1E-18", "-0.0", "123456789012345678901234567890.5", "0"],
)
def test_a_decimal_comes_back_as_it_went(number: str, engine: Engine) -> None:
    row = fill(0, 1.0, 1.0, 1.0) | {"quantity": Decimal(number)}
    with writing(engine) as (writer, _):
        writer.write(batch(0, fill=[row]))
    with engine.connect() as connection:
        back = connection.execute(select(tables("engine")["fill"].c.quantity)).scalar_one()
    assert str(back) == number


def test_a_decimal_is_text_on_sqlite_and_a_number_elsewhere() -> None:
    assert "price TEXT NOT NULL" in ddl("fill", "sqlite")
    assert "price NUMERIC NOT NULL" in ddl("fill", "postgresql")


def test_milliseconds_fit_everywhere() -> None:
    made = "".join(ddl(table, "postgresql") for table in tables("engine"))
    assert "BIGINT" in made
    assert "INTEGER" not in made


def test_what_is_no_history_is_named() -> None:
    assert {*tables("engine")} - {*HISTORY} == PRESENT


@pytest.mark.parametrize("table", HISTORY)
def test_history_can_be_added_to_and_not_changed(table: str, engine: Engine) -> None:
    made = tables("engine")[table]
    with writing(engine), engine.begin() as connection:
        connection.execute(insert(made), [any_row(table)])
    column = next(column for column in made.columns if not column.primary_key)
    for change in (update(made).values({column: column}), delete(made)):
        with (
            pytest.raises(IntegrityError, match=f"{table} is append-only"),
            engine.begin() as connection,
        ):
            connection.execute(change)


ASKED = {"ts": 0, "who": "me", "action": "pause", "reason": "news", "key": "1"}
DONE = {"ts": 0, "who": "me", "action": "login", "outcome": "done", "sentence": "", "address": ""}


@pytest.mark.parametrize(("table", "row"), [("command", ASKED), ("audit", DONE)])
def test_what_people_did_cannot_be_changed(table: str, row: Any, panel: Engine) -> None:
    made = tables("panel")[table]
    with panel.begin() as connection:
        connection.execute(insert(made), [row])
    for change in (update(made).values(who="you"), delete(made)):
        with (
            pytest.raises(IntegrityError, match=f"{table} is append-only"),
            panel.begin() as connection,
        ):
            connection.execute(change)


def test_a_session_of_nobody_is_refused(panel: Engine) -> None:
    row: dict[str, Any] = {"id": "x", "user": "nobody", "address": ""}
    row |= dict.fromkeys(("created_at", "seen_at", "fresh_at"), 0)
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), panel.begin() as connection:
        connection.execute(insert(tables("panel")["session"]), [row])


@pytest.mark.parametrize("table", ["signal", "order", "trade"])
def test_a_row_says_which_configuration_and_code_made_it(table: str) -> None:
    columns = tables("engine")[table].columns
    assert not columns["config_hash"].nullable
    assert not columns["code_version"].nullable


def test_a_row_of_no_run_is_refused(engine: Engine) -> None:
    row = any_row("signal") | {"run": "unknown"}
    with (
        writing(engine),
        pytest.raises(IntegrityError, match="FOREIGN KEY"),
        engine.begin() as connection,
    ):
        connection.execute(insert(tables("engine")["signal"]), [row])


def test_both_stores_have_tables_of_their_own() -> None:
    assert {*METADATA["panel"].tables} == {"command", "user", "session", "throttle", "audit"}
    assert "command" not in METADATA["engine"].tables
