"""Perpetuals as they are declared, and what cannot be."""

import re

import pytest

from engine.compose import compose
from engine.core.portfolio import Portfolio
from engine.errors import ConfigError
from engine.settings import build, validate

FILES = r"costs.funding_files={BTC/USDT\:USDT: f.csv}"
PERPETUAL = "kind: linear, leverage: 5.0, leverage_max: 20.0, margin: cross"


def build_of(*overrides: str) -> Portfolio:
    """Return what the core is to trade."""
    return build(validate(compose(overrides)))


def perpetual(text: str) -> tuple[str, str]:
    """Return the overrides of a universe of one instrument."""
    symbol = r"BTC/USDT\:USDT"
    return f"universe.symbols=[{symbol}]", f"universe.instruments={{{symbol}: {{{text}}}}}"


def test_a_perpetual_is_traded_on_margin() -> None:
    given = build_of(*perpetual(PERPETUAL), "execution.opposite_books=allow")
    (grid,) = given.instruments
    assert (grid.leverage, grid.isolated, grid.maintenance) == (5.0, False, 0.005)
    assert given.opposite_books
    (spot,) = build_of("universe.instruments={BTC/USDT: {tick: 0.5}}").instruments
    assert (spot.leverage, spot.maintenance) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind: linear, leverage: 50.0, leverage_max: 20.0", "must be at most leverage_max, 20"),
        ("kind: linear, leverage: 200.0", "must leave more margin than maintenance_ratio, 0.005"),
        ("leverage: 5.0", "must be left out for kind: spot, was set. Write kind: linear."),
    ],
)
def test_a_margin_that_cannot_be_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_of(*perpetual(text))


SPOT = r"universe.symbols=[BTC/USDT\:USDT,ETH/USDT]"


def test_a_sizing_may_take_as_much_as_the_leverage() -> None:
    (book,) = build_of(*perpetual(PERPETUAL), "sizing.ratio=5.0").instances
    assert book.ratio == 5.0
    own = "strategy.ema_cross.sizing={kind: kelly, ratio: 2.0, ratio_max: 5.0}"
    (book,) = build_of(*perpetual(PERPETUAL), own).instances
    assert (book.ratio, book.ratio_max) == (2.0, 5.0)
    only = r"strategy.ema_cross.symbols=[BTC/USDT\:USDT]"
    (book,) = build_of(*perpetual(PERPETUAL), SPOT, only, "sizing.ratio=5.0").instances
    assert book.ratio == 5.0


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["sizing.ratio=5.5"], "sizing.ratio=5.5: must be at most 5, the leverage of BTC/USDT:"),
        (["sizing.ratio=1.5", SPOT], "must be at most 1, the leverage of ETH/USDT, was 1.5. Lower"),
        (
            ["strategy.ema_cross.sizing={kind: volatility, volatility_ratio: 0.1, ratio_max: 6.0}"],
            "sizing.ratio_max: must be at most 5, the leverage",
        ),
    ],
)
def test_and_no_more(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        build_of(*perpetual(PERPETUAL), *overrides)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["costs.funding_files={BTC/USDT: f.csv}"], "must be a perpetual of universe.symbols"),
        (
            [*perpetual("kind: linear"), FILES, "mode=paper"],
            "costs.funding_files.*must be null for mode=paper, was set: a file ends, the market",
        ),
        (["execution.opposite_books=allow", "mode=paper"], "must be deny for mode=paper"),
        (["costs.funding_hours=0.01"], "costs.funding_hours=0.01: must be at least 0.25"),
    ],
)
def test_what_a_mode_of_perpetuals_has_not(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_of(*overrides)
