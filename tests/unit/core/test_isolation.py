"""What a failing strategy or rule takes with it: with `isolate` its own book, else the run."""

from typing import Any

import numpy as np
import pytest

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import drain
from engine.core.portfolio import Instance
from engine.core.records import Failure, Kind, Sizing, Status
from tests.faulty import Faulty, FaultyInPython, FaultyRule
from tests.market import (
    MINUTE,
    bar_events,
    command,
    follower,
    isolated,
    numbered,
    portfolio,
    target,
)

FLAT = [[100.0, 101.0, 99.0, 100.0]]
LOW = [[100.0, 101.0, 90.0, 100.0]]
HOWS = [Failure.RAISED, Failure.NOT_A_NUMBER, Failure.OUT_OF_RANGE]


def faulty(name: str = "faulty", kind: type = Faulty, **given: int) -> Instance:
    """Return an instance that fails."""
    return Instance(name, kind(**given), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)


def column(done: Any, log: str, name: str, book: int) -> list[Any]:
    """Return a column of the rows of one book."""
    rows = done.logs[log]
    found: list[Any] = rows[name][rows["book"] == book].tolist()
    return found


@pytest.mark.parametrize("kind", [Faulty, FaultyInPython])
@pytest.mark.parametrize("how", HOWS)
def test_only_the_book_that_fails_is_left_out(machine: type, how: Failure, kind: type) -> None:
    # it enters at bar 2 and fails on bar 3; bar 5 reaches its stop; the other one trades throughout
    plan = portfolio(faulty(kind=kind, how=int(how), at=3), follower("other"))
    events = numbered(
        bar_events(FLAT * 4 + LOW + FLAT * 2),
        target(2 * MINUTE, 0.5, instance=1),
        target(3 * MINUTE, 1.0, instance=1),
        target(6 * MINUTE, 0.0, instance=1),
    )
    done = isolated(machine, plan, events)
    assert column(done, "fills", "quantity", 0) == [1.0, -1.0]
    assert column(done, "fills", "price", 0) == [100.0, 95.0]
    assert column(done, "fills", "quantity", 1) == [0.5, 0.5, -1.0]
    assert len(column(done, "signals", "seq", 0)) == 1
    assert table_of(done.machine.block, "books")["step"].tolist() == [-1, 1]
    assert done.equity[-1] == 10_000.0 - 5.0
    assert np.isfinite(done.equity).all()


@pytest.mark.parametrize("how", HOWS)
def test_the_event_of_a_failure_is_done_and_its_failure_told(machine: type, how: Failure) -> None:
    # both see bar 3: the first fails on it, the second decides on it
    plan = portfolio(faulty(how=int(how), at=1), faulty("other", at=99))
    made = machine(layout(plan))
    account = table_of(made.block, "account")
    account["isolate"] = 1
    equity = np.zeros(3)
    assert made.advance(bar_events(FLAT * 3), 0, 3, equity) == 1
    assert account[["failure", "failed_book", "failed_rule"]].tolist() == [(how, 0, -1)]
    assert drain(made)["signals"]["book"].tolist() == [1]
    assert equity.tolist() == [10_000.0, 0.0, 0.0]
    account["failure"] = Failure.NONE
    assert made.advance(bar_events(FLAT * 3), 1, 3, equity) == 3
    assert drain(made)["fills"]["book"].tolist() == [1]


def test_two_that_fail_on_one_bar_are_both_left_out(machine: type) -> None:
    plan = portfolio(faulty("a", at=1), faulty("b", at=1), faulty("c", at=99))
    done = isolated(machine, plan, bar_events(FLAT * 3))
    assert table_of(done.machine.block, "books")["step"].tolist() == [-1, -1, 2]
    assert done.logs["fills"]["book"].tolist() == [2]


def test_rows_of_a_file_are_not_heard_after_one_that_failed(machine: type) -> None:
    events = numbered(
        bar_events(FLAT * 6),
        target(MINUTE, 0.5),
        target(2 * MINUTE, float("nan")),
        target(3 * MINUTE, 1.0),
        target(4 * MINUTE, 0.0),
    )
    done = isolated(machine, portfolio(), events)
    assert done.logs["fills"]["quantity"].tolist() == [0.5]
    assert len(done.logs["signals"]) == 1


def test_what_is_left_out_can_still_be_closed(machine: type) -> None:
    events = numbered(bar_events(FLAT * 6), command(Kind.CLOSE, 4 * MINUTE))
    done = isolated(machine, portfolio(faulty(at=3)), events)
    assert done.logs["fills"]["quantity"].tolist() == [1.0, -1.0]


def test_a_rule_that_fails_denies_and_is_asked_again(machine: type) -> None:
    # openings of more than 0.5 make the rule fail: denied; others and exits go on, of both books
    plan = portfolio(
        follower("a"), follower("b"), rules=(("faulty", FaultyRule(quantity_max=0.5)),)
    )
    events = numbered(
        bar_events(FLAT * 5),
        target(MINUTE, 1.0),
        target(MINUTE, 0.5, instance=1),
        target(2 * MINUTE, 0.25),
        target(3 * MINUTE, 0.0),
        target(3 * MINUTE, 0.0, instance=1),
    )
    done = isolated(machine, plan, events)
    assert column(done, "fills", "quantity", 0) == [0.25, -0.25]
    assert column(done, "fills", "quantity", 1) == [0.5, -0.5]
    assert [plan.reason(code) for code in done.logs["denials"]["reason"]] == ["faulty"]
    assert column(done, "decisions", "approved", 0) == [0, 1, 1]
    assert column(done, "decisions", "denials", 0) == [1, 0, 0]
    assert table_of(done.machine.block, "books")["step"].tolist() == [0, 1]


def test_the_failure_of_a_rule_names_the_rule(machine: type) -> None:
    made = machine(layout(portfolio(rules=(("faulty", FaultyRule(quantity_max=0.5)),))))
    account = table_of(made.block, "account")
    account["isolate"] = 1
    events = numbered(bar_events(FLAT * 2), target(MINUTE, 1.0))
    assert made.advance(events, 0, 3, np.empty(3)) == 2
    assert account[["failure", "failed_book", "failed_rule"]].tolist() == [(Failure.RAISED, 0, 0)]
    assert not (drain(made)["orders"]["status"] == Status.PLACED).any()


@pytest.mark.parametrize("how", [Failure.NOT_A_NUMBER, Failure.OUT_OF_RANGE])
def test_without_isolate_a_failure_stops_before_its_event(machine: type, how: Failure) -> None:
    made = machine(layout(portfolio(faulty(how=int(how), at=3))))
    account = table_of(made.block, "account")
    assert made.advance(bar_events(FLAT * 5), 0, 5, np.empty(5)) == 2
    assert account[["failure", "failed_book", "failed_rule"]].tolist() == [(how, 0, -1)]


def test_without_isolate_the_interpreted_machine_raises_for_a_debugger() -> None:
    from engine.core.machine import Interpreted

    with pytest.raises(ZeroDivisionError):
        Interpreted(layout(portfolio(faulty(at=3)))).advance(
            bar_events(FLAT * 5), 0, 5, np.empty(5)
        )
