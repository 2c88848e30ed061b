"""What is said about a user's mistake, word for word (tests/golden/core)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.compile import build
from engine.core.compile.declare import Part, Rule, Strategy, window
from engine.core.levels import Levels
from engine.core.machine import Compiled
from engine.core.portfolio import Instance
from engine.core.records import Sizing
from engine.errors import ChanQuantError, ConfigError
from tests.golden import golden
from tests.market import MINUTE, portfolio, random_bars, run
from tests.unit.core.compile import failures, mistakes

ROOT = Path(__file__).parents[4]


def parts(module: object) -> list[type[Part]]:
    """Return the strategies and rules of a module, in the order of the text."""
    found = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Part)]
    return [part for part in found if part.__module__ == getattr(module, "__name__", "")]


def test_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    told = []
    for part in parts(mistakes):
        with pytest.raises(ConfigError) as caught:
            build.function_of(part)
        told.append(f"{part.__name__}\n" + "\n".join(f"  {p}" for p in caught.value.problems))
    golden("core/mistakes.txt", "\n".join(told))


def test_a_state_field_that_is_no_number_is_refused() -> None:
    def declare() -> type[Strategy]:
        class TextInState(Strategy):
            class State:
                name: str

            def step(p, s, bar, out):
                pass

        return TextInState

    with pytest.raises(ConfigError, match=r"State\.name: must be float, int, bool, floats\(n\)"):
        declare()


WHY = "a text"


class Honest(Strategy):
    """A local that is named like a global text, a tag that is added to, a level that is written."""

    tags = {1: "one", 2: "two"}

    class State:
        levels: Levels = window(1)

    def step(p, s, bar, out):
        WHY = bar.close * 0.5
        out.stop = WHY
        out.tag = 1
        out.tag += 1
        levels = s.levels
        if levels.status[0] == 0.0:
            levels.price[0] = WHY


def test_what_only_looks_like_a_mistake_is_compiled() -> None:
    build.function_of(Honest)


def test_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    told = []
    for part in parts(failures):
        rule = issubclass(part, Rule)
        strategy: Any = failures.Wishes() if rule else part()
        instance = Instance("it", strategy, ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
        plan = portfolio(instance, rules=(("rule", part()),) if rule else ())
        if part is failures.Wishes:
            continue
        with pytest.raises(ChanQuantError) as caught:
            run(Compiled, plan, random_bars(50, seed=1))
        told.append(f"{part.__name__} exits {caught.value.exit_code}")
        told += [f"  {problem}" for problem in caught.value.problems]
    golden("core/failures.txt", "\n".join(told))


def test_a_failed_index_has_not_touched_its_neighbour() -> None:
    instance = Instance("it", failures.OutOfBounds(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0)
    machine = Compiled(layout(portfolio(instance)))
    assert machine.advance(random_bars(50, seed=1), 0, 50, np.empty(50)) == 4
    state = int(table_of(machine.block, "books")["state"][0])
    guard = state + failures.OutOfBounds.StateRecord.guard.offset // 8
    assert machine.block[guard : guard + 1].view(np.float64)[0] == 7.0
