"""What fits together; what does not is in tests/golden/config."""

from collections.abc import Callable

import pytest

from engine.compose import compose
from engine.errors import ConfigError
from engine.settings import build, validate

TWO = """
symbols: [A/USD, B/USD]
instruments:
  A/USD: {lot: 3.0}
"""
IGNORE = "strategy.ema_cross.exits.opposite_signal=ignore"


def perpetual(text: str) -> tuple[str, str]:
    symbol = r"BTC/USDT\:USDT"
    of_symbol = f"universe.instruments={{{symbol}: {{kind: linear, {text}}}}}"
    return f"universe.symbols=[{symbol}]", of_symbol


@pytest.mark.parametrize(
    "overrides",
    [
        ["strategy=[grid]", "execution.post_only=true", "execution.queue_share=0.5"],
        ["execution.order=limit", "execution.post_only=true", "execution.good_for_seconds=0"],
        [IGNORE, "strategy.ema_cross.exits.take_profit=0.1"],
        [IGNORE, "strategy.ema_cross.exits.take_profit_ladder=[{at: 0.1, share: 1.0}]"],
        ["strategy=[donchian]", IGNORE.replace("ema_cross", "donchian")],  # sets its own stop
        ["strategy=[grid]", IGNORE.replace("ema_cross", "grid")],
        [IGNORE, "strategy.ema_cross.exits.stop_loss=0.1"],
        [IGNORE, "strategy.ema_cross.exits.trailing={distance: 0.1}"],
        [IGNORE, "strategy.ema_cross.exits.roi={60: 0.1}"],
        [IGNORE, "strategy.ema_cross.exits.time_stop_minutes=60"],
        ["costs.funding_hours=0.25"],
        [*perpetual("leverage: 5.0"), "strategy.ema_cross.exits.stop_loss=0.195"],
        [*perpetual("leverage: 5.0, margin: cross"), "strategy.ema_cross.exits.stop_loss=0.3"],
    ],
)
def test_what_does_something_is_taken(overrides: list[str]) -> None:
    assert build(validate(compose(overrides))).instances


def test_a_stop_behind_the_liquidation_is_refused() -> None:
    # (1 / 5 - 0.005) / 0.995 = 0.19598
    with pytest.raises(ConfigError, match=r"stop_loss=0.196: must be less than 0.196, where"):
        validate(compose([*perpetual("leverage: 5"), "strategy.ema_cross.exits.stop_loss=0.196"]))


def test_a_typed_map_of_instruments_adds_to_what_is_written(
    write: Callable[[str, str], None],
) -> None:
    write("conf/universe/two.yaml", TWO)
    typed = "universe.instruments={A/USD: {tick: 0.5}, B/USD: {lot: 2}}"
    a, b = build(validate(compose(["universe=two", typed]))).instruments
    assert (a.tick, a.lot) == (0.5, 3.0)
    assert (b.tick, b.lot) == (0.0, 2.0)
