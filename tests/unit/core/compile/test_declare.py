"""Declared fields become words; parameters and states start as declared."""

import re
from typing import Annotated, Any, ClassVar

import annotated_types
import numpy as np
import pytest
from pydantic import Field

from engine.core.assemble import layout
from engine.core.compile.declare import Record, Strategy, floats, ints, names, window
from engine.core.indicators import Highest, highest
from engine.core.machine import Compiled
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Sizing
from engine.errors import ConfigError
from tests.market import MINUTE, portfolio, random_bars, run


class Row(Record):
    """One of each."""

    flag: bool
    count: int
    value: float
    window: Any = floats(3)
    marks: Any = ints(2)


class Parent(Strategy):
    """Has parameters that reach compiled code, and one that does not."""

    length: int = 3
    ratio: float = 0.5
    label: str = "x"
    unit: ClassVar[str] = "none"

    class State:
        seen: int = 7
        window: Any = ints(2)

    def step(p, s, bar, out):
        s.window[s.seen % 2] = s.seen
        s.seen += 1
        out.target = p.ratio if s.seen % p.length == 0 else 0.0


class Child(Parent):
    """Adds a parameter, changes a default, keeps the step."""

    ratio: float = 0.25
    strict: bool = True


class InPython(Parent):
    """The same step, not compiled."""

    compiled = False


def test_a_record_is_rows_of_words() -> None:
    assert Row.words == 8
    assert Row.dtype.itemsize == 64
    fields: Any = Row.dtype.fields
    assert [fields[name][1] for name in names(Row)] == [0, 8, 16, 24, 48]
    row = Row(flag=True, count=2, value=0.5)
    row.window[2] = 4.0
    row.marks[1] = 9
    words = np.frombuffer(bytearray(row), Row.dtype)[0]
    assert words["flag"] == 1
    assert words["window"].tolist() == [0.0, 0.0, 4.0]
    assert words["marks"].tolist() == [0, 9]


def test_a_whole_number_takes_no_fraction() -> None:
    with pytest.raises(TypeError):
        setattr(Row(), "count", 0.5)  # noqa: B010


def test_parameters_of_a_class_and_its_parents() -> None:
    assert Child.parameters() == {"length": int, "ratio": float, "label": str, "strict": bool}
    assert names(Child.Params) == ("length", "ratio", "strict")
    assert Child().strict
    row = Child(length=4).params_words().view(Child.Params.dtype)[0]
    assert row.tolist() == (4, 0.25, 1)
    assert Child().state_words().view(Child.StateRecord.dtype)[0]["seen"] == 7


def alone(strategy: Strategy) -> Portfolio:
    """Return a portfolio of one strategy."""
    return portfolio(Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0))


def test_an_ordinary_python_step_gives_the_same() -> None:
    events = random_bars(500, seed=6)
    compiled = run(Compiled, alone(Parent()), events)
    python = run(Compiled, alone(InPython()), events)
    assert len(compiled.logs["fills"]) > 100
    assert python.equity.tobytes() == compiled.equity.tobytes()
    assert python.machine.block.tobytes() == compiled.machine.block.tobytes()
    for name, rows in compiled.logs.items():
        assert rows.tobytes() == python.logs[name].tobytes()


# ── windows ───────────────────────────────────────────────────────────────────────────────────


class Open(Record):
    """Leaves the length of its array open, and has one in it that does, too."""

    count: int
    ring: Any = floats()
    highs: Highest
    fixed: Any = floats(2)


class Windowed(Strategy):
    """Has room for as many values as the longer of two parameters may ever be."""

    length: Annotated[int, Field(ge=1, le=5)] = 3
    other: Annotated[int, annotated_types.Le(9)] = 3

    class State:
        short: Open = window("length")
        long: Open = window("length", "other", 4)
        number: Open = window(4)

    def step(p, s, bar, out):
        highest(s.short.highs, bar.high, p.length)


def test_a_window_has_room_for_the_largest_value_of_a_parameter() -> None:
    def rooms(field: str) -> tuple[int, int, int]:
        record = Windowed.StateRecord.dtype[field]
        return record["ring"].shape[0], record["highs"]["ring"].shape[0], record["fixed"].shape[0]

    assert [rooms(name) for name in ("short", "long", "number")] == [
        (5, 5, 2),
        (9, 9, 2),
        (4, 4, 2),
    ]
    assert Open.is_open
    assert not Windowed.StateRecord.is_open


def test_a_length_beyond_the_room_is_refused_before_anything_runs(machine: type) -> None:
    assert len(run(machine, alone(Windowed(length=5, other=9)), random_bars(20, seed=1)).equity)
    with pytest.raises(ConfigError) as caught:
        machine(layout(alone(Windowed(length=6, other=10))))
    told = [problem.partition("Windowed: ")[2] for problem in caught.value.problems]
    rest = "Choose a shorter one, or raise the bound of the parameter."
    assert told == [
        f"length must be at most 5, was 6. {rest}",
        f"other must be at most 9, was 10. {rest}",
    ]


def declare(annotation: Any, default: Any, length: Any = int) -> type[Strategy]:
    """Return a strategy with a parameter `length` and one field in its state."""
    state = type("State", (), {"__annotations__": {"x": annotation}, "x": default})
    body = {"__annotations__": {"length": length}, "length": 3, "State": state}
    return type("Made", (Strategy,), body)


BOUND = Annotated[int, Field(le=4)]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((Open, 0, BOUND), "Open must have a window, had none. Write x: Open = window"),
        ((float, window("length"), BOUND), "float must have no window, had one. Remove it."),
        ((Open, window("length")), "window('length') must name a parameter that has a largest"),
        ((Open, window("lenght"), BOUND), "window('lenght') must name a parameter that has a"),
    ],
)
def test_a_wrong_window_is_refused(given: tuple[Any, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        declare(*given)
    assert declare(Open, window("length"), BOUND).StateRecord.words == 1 + 4 + 4 + 4 + 2


def test_a_kind_is_no_parameter() -> None:
    class Ranging(Strategy):
        kind = "range"
        length: int = 3

    assert Ranging.parameters() == {"length": int}
    assert Strategy.kind == "trend"


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Made\.kind: must be trend or range, was momentum\."):
        type("Made", (Strategy,), {"kind": "momentum"})
