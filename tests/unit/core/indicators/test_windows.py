"""Windows against plain sums over each of them: any length, any jump, a million bars."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import Field

from engine.core.compile.declare import Strategy, window
from engine.core.indicators import (
    Cci,
    Highest,
    Lowest,
    Roc,
    RollingVwap,
    Sma,
    Std,
    Total,
    Wma,
    cci,
    highest,
    lowest,
    roc,
    rolling_vwap,
    sma,
    std,
    total,
    wma,
)
from engine.core.machine import Compiled
from engine.core.portfolio import Instance
from engine.core.records import Bar, Out, Sizing
from tests.market import MINUTE, portfolio, run
from tests.unit.core.indicators.kept import bars_of, states

SERIES: dict[str, Callable[[Any], Any]] = {
    "a walk": lambda r: 100.0 * np.exp(np.cumsum(r.standard_normal(300) * 0.01)),
    "jumps over ten decades": lambda r: 10.0 ** r.integers(-5, 5, 300),
    "steps": lambda r: np.repeat(10.0 ** r.integers(-3, 4, 15), 20),
    "small moves of a large number": lambda r: 1e6 + r.integers(0, 3, 300) * 1e-3,
    "nothing": lambda r: np.full(300, 7.1),
}


class Windows(Strategy):
    """Every window, all of one length."""

    length: Annotated[int, Field(ge=1, le=200)] = 5

    class State:
        total: Total = window("length")
        sma: Sma = window("length")
        wma: Wma = window("length")
        highest: Highest = window("length")
        lowest: Lowest = window("length")
        std: Std = window("length")
        cci: Cci = window("length")
        roc: Roc = window("length")
        vwap: RollingVwap = window("length")

    def step(p, s: State, bar: Bar, out: Out) -> None:
        total(s.total, bar.close, p.length)
        sma(s.sma, bar.close, p.length)
        wma(s.wma, bar.close, p.length)
        highest(s.highest, bar.close, p.length)
        lowest(s.lowest, bar.close, p.length)
        std(s.std, bar.close, p.length)
        cci(s.cci, bar, p.length)
        roc(s.roc, bar.close, p.length)
        rolling_vwap(s.vwap, bar, p.length)


def exact(column: Any) -> list[Fraction]:
    return [Fraction(float(number)) for number in column]


def plain(closes: Any, volumes: Any) -> dict[str, float]:
    """Return what each window must say, in fractions: nothing is rounded but the result."""
    values, weights = exact(closes), exact(volumes)
    typical = exact((closes + closes + closes) / 3.0)
    n, zero = len(values), Fraction()
    mean, level = sum(values, zero) / n, sum(typical, zero) / n
    squares = sum(((value - mean) * (value - mean) for value in values), zero)
    deviation = sum((abs(price - level) for price in typical), zero) / n
    weighted = sum(((i + 1) * value for i, value in enumerate(values)), zero)
    paid = sum((price * volume for price, volume in zip(typical, weights, strict=True)), zero)
    return {
        "total": float(mean * n),
        "sma": float(mean),
        "wma": float(weighted / Fraction(n * (n + 1), 2)),
        "highest": float(max(values)),
        "lowest": float(min(values)),
        "std": math.sqrt(squares / n),
        "cci": float((typical[-1] - level) / deviation) / 0.015 if deviation else 0.0,
        "vwap": float(paid / sum(weights, zero)),
    }


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("length", [1, 2, 3, 7, 64])
def test_a_window_is_what_a_plain_sum_says(name: str, length: int, machine: type) -> None:
    random = np.random.default_rng(length)
    close, volume = SERIES[name](random), random.random(300) + 0.1
    kept = states(machine, Windows(length=length), bars_of(close, volume=volume))
    for field in ("total", "sma", "wma", "highest", "lowest", "std", "cci", "vwap"):
        assert kept[field]["ready"].tolist() == [0] * (length - 1) + [1] * (301 - length)
        assert np.isnan(kept[field]["value"][: length - 1]).all()
    for i in range(length - 1, 300):
        now = slice(i - length + 1, i + 1)
        for field, wanted in plain(close[now], volume[now]).items():
            assert kept[field]["value"][i] == pytest.approx(wanted, rel=1e-12, abs=1e-12), field
    changes = 100.0 * (close[length:] / close[:-length] - 1.0)
    np.testing.assert_allclose(kept["roc"]["value"][length:], changes, rtol=1e-12)
    assert kept["roc"]["ready"].tolist() == [0] * length + [1] * (300 - length)


def test_what_does_not_move_has_no_deviation(machine: type) -> None:
    close = np.concatenate([np.full(50, 99_999.1), np.full(50, 0.001)])
    kept = states(machine, Windows(length=20), bars_of(close))
    assert not kept["std"]["value"][19:50].any()
    assert not kept["std"]["value"][69:].any()
    assert not kept["cci"]["value"][69:].any()
    # without any volume the typical price stands in
    assert kept["vwap"]["value"][69:] == pytest.approx(0.001)


@pytest.mark.parametrize("length", [7, 200])
def test_a_million_bars_do_not_drift(length: int) -> None:
    """Prices fall from 100,000 to 0.001 on the way: what was large is forgotten without a trace."""
    random = np.random.default_rng(3)
    count = 1_000_000
    trend = np.exp(np.linspace(math.log(1e5), math.log(1e-3), count))
    close = trend * np.exp(random.standard_normal(count) * 0.01)
    volume = random.random(count)
    plan = portfolio(Instance("it", Windows(length=length), ("X/USD",), MINUTE, Sizing.FIXED, 1.0))
    done = run(Compiled, plan, bars_of(close, volume=volume))
    state = done.machine.block[-Windows.StateRecord.words :].view(Windows.StateRecord.dtype)[0]
    for field, wanted in plain(close[-length:], volume[-length:]).items():
        assert state[field]["value"] == pytest.approx(wanted, rel=1e-12, abs=0.0), field
