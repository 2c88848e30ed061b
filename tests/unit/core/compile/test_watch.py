"""What is said about a bar that is watched in a wrong way, word for word."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.core.compile import build
from engine.core.compile.declare import Rule, Strategy
from engine.core.records import Bar, watch
from engine.errors import ConfigError
from tests.golden import golden

ROOT = Path(__file__).parents[4]


class WritesWatched(Strategy):
    trend_timeframe: str = "1h"

    class State:
        longer: Bar = watch(timeframe="trend_timeframe")
        close: float

    def step(p, s, bar, out):
        s.longer.close = 1.0
        s.longer.clsoe = 1.0
        s.longer = bar
        if s.longer.hgih > 0.0 and bar.close > 0.0:
            s.close = s.longre.close


def names_nothing() -> None:
    class NamesNothing(Strategy):
        class State:
            other: Bar = watch()


def names_no_parameter() -> None:
    class NamesNoParameter(Strategy):
        other: str
        length: int = 3

        class State:
            misspelt: Bar = watch(symbol="othr")
            fixed: Bar = watch(symbol="other", timeframe="1h")
            a_number: Bar = watch(timeframe="length")


def keeps_a_number() -> None:
    class KeepsANumber(Strategy):
        other: str

        class State:
            close: float = watch(symbol="other")


def is_a_rule() -> None:
    class IsARule(Rule):
        other: str

        class State:
            bar: Bar = watch(symbol="other")


def test_each_mistake_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    wrong: list[Callable[[], object]] = [
        names_nothing,
        names_no_parameter,
        keeps_a_number,
        is_a_rule,
        lambda: build.function_of(WritesWatched),
    ]
    told: list[str] = []
    for mistake in wrong:
        with pytest.raises(ConfigError) as caught:
            mistake()
        told += caught.value.problems
    golden("core/watch.txt", "\n".join(told))
