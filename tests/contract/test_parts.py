"""What every shipped part must keep: tested for each file of its group, the moment it is there."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.api import compose
from engine.core.compile import build as compiling
from engine.core.machine import Compiled, Interpreted
from engine.research.checks import check
from engine.settings import build
from tests.market import numbered, portfolio, random_bars, run, state

CONF = Path(__file__).parents[2] / "conf"
WATCHED_FIRST = "universe.symbols=[ETH/USDT,BTC/USDT]"


def options(group: str) -> list[str]:
    """Return the shipped files of a group."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize("name", options("strategy"))
def test_a_strategy_sees_no_future_and_has_a_text_for_each_tag(name: str) -> None:
    plan = build(compose([f"strategy=[{name}]", WATCHED_FIRST]))
    check(plan, None)
    instance = plan.instances[0]
    strategy = instance.strategy
    bars = [random_bars(3_000, seed) for seed in (2, 3)]
    for symbol, events in enumerate(bars):
        events["symbol"] = symbol
    done = run(Compiled, portfolio(instance, symbols=plan.symbols, cash=1e6), numbered(*bars))
    tags = set(done.logs["signals"]["tag"].tolist())
    assert tags <= set(strategy.tags)
    assert 0 not in tags
    assert "kind" in vars(type(strategy)), "say whether it lives on a trend or a range"


@pytest.mark.parametrize("name", options("risk"))
def test_a_rule_answers_the_same_compiled_and_interpreted(name: str) -> None:
    given: Any = [
        f"risk=[{name}]",
        "universe.symbols=[X/USD]",
        "strategy=[ema_cross]",
        "sizing=fixed",
    ]
    plan = build(compose(given))
    assert [rule for rule, _ in plan.rules] == [name]
    events = random_bars(5_000, seed=2)
    assert state(run(Compiled, plan, events)) == state(run(Interpreted, plan, events))
    assert type(plan.rules[0][1]).reason


@pytest.mark.parametrize("group", ["strategy", "risk"])
def test_a_part_needs_no_second_compilation(group: str) -> None:
    plan = build(compose([f"{group}=[{','.join(options(group))}]", WATCHED_FIRST]))
    parts = [i.strategy for i in plan.instances] + [rule for _, rule in plan.rules]
    compiling.addresses_of(tuple(parts))
    assert all(compiling.is_compiled(type(part)) for part in parts)


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in ("feed", "venue") for name in options(group)]
)
def test_a_feed_or_venue_is_declared_with_the_values_of_its_class(group: str, name: str) -> None:
    needed = ["feed.run=any"] if name == "journal" else []
    part = getattr(compose([f"{group}={name}", *needed]), group)
    declared = yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
    assert declared.keys() == {"_target_", *(field.name for field in fields(part))}
    for field in fields(part):
        assert f"    {field.name}" in str(type(part).__doc__), "say what it is"
        is_chosen = field.name in ("run", "path")  # the class leaves them to the configuration
        assert is_chosen or getattr(part, field.name) == field.default
    assert list(part.problems()) == []
