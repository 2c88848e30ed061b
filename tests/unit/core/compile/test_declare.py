"""Declared fields become words; parameters and states start as declared."""

from typing import Any, ClassVar

import numpy as np
import pytest

from engine.core.compile.declare import Record, Strategy, floats, ints, names
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
    kind: ClassVar[str] = "none"

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


def test_what_is_shown_must_exist() -> None:
    def declare() -> type:
        class Shown(Strategy):
            length: int = 3
            shows = {"fsat": "EMA", "window": "highs"}
            shows_below = {"fast": "RSI {lenght}"}

            class State:
                fast: float
                window: Any = floats(3)

            def step(p, s, bar, out):
                s.fast = bar.close

        return Shown

    with pytest.raises(ConfigError) as told:
        declare()
    near, array, label = told.value.problems
    about = "Shown.shows: must name fields of State that are one number (fast), was"
    assert f"{about} 'fsat', did you mean fast? Correct it." in near
    assert f"{about} 'window'. Correct it." in array
    assert (
        "Shown.shows_below: must name parameters in braces, was 'RSI {lenght}', did you mean"
        " length? Correct it." in label
    )
    assert "test_declare.py:" in near
