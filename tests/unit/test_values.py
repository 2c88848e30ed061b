"""What settings may be besides numbers, and none may be; wordings stand in tests/golden/config."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.compose import compose
from engine.errors import ConfigError
from engine.settings import Settings, validate


def settings(*overrides: str) -> Settings:
    return validate(compose(overrides))


def test_a_panel_that_others_may_reach() -> None:
    web = settings(
        "web.host=0.0.0.0",
        "web.hosts=[panel.example]",
        "web.zone=Asia/Shanghai",
        "web.proxy=10.0.0.1",
        "web.language=zh",
        "web.rising=red",
    ).web
    assert (web.hosts, web.proxy, web.zone) == (("panel.example",), "10.0.0.1", "Asia/Shanghai")


def test_nothing_is_told_without_a_port() -> None:
    assert settings("telemetry.port=null", "web.port=0").telemetry.port is None


def numbers(value: Any, key: str) -> Iterator[str]:
    """Yield the dotted keys of a tree that hold a number."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key


CHOSEN = ["feed=synthetic", "sizing=volatility", "strategy=[ema_cross,grid]"]
KEYS = [
    *numbers(compose(CHOSEN).tree, ""),
    *(f"strategy.ema_cross.exits.{key}" for key in ("stop_loss", "time_stop_minutes")),
    "execution.good_for_seconds",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_that_nothing_can_hold_is_refused(key: str, sign: str) -> None:
    given = f"{key}={sign}100000000000000000000"
    with pytest.raises(ConfigError) as refused:
        validate(compose([*CHOSEN, given]))
    (problem,) = refused.value.problems
    assert problem.startswith(f"{given}: must be at ")


@pytest.mark.parametrize("key", ["feed.timeframe", "strategy.ema_cross.timeframe"])
def test_a_timeframe_beyond_a_century_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="must be at most a century, was '99999999999d'"):
        validate(compose([f"{key}=99999999999d"]))
    validate(compose([f"{key}=3650d"]))
