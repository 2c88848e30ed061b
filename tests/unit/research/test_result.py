"""What a backtest says of its costs, and that its warnings are about itself."""

import numpy as np
import pytest

from engine.api import backtest, compose
from engine.feeds.generated import generate

MINUTE = 60_000


def test_slippage_is_what_fills_were_away_from_the_price() -> None:
    bars = generate("X/USD", 300, MINUTE, 5)
    result = backtest(
        compose(["strategy=[ema_cross]", "universe.symbols=[X/USD]", "costs.slippage_bps=20"]),
        {"X/USD": bars},
    )
    orders = [row for row in result.orders.to_pylist() if row["status"] == "filled"]
    assert {np.sign(row["filled"]) for row in orders} == {1.0, -1.0}
    opens = dict(zip(bars["ts"].tolist(), bars["open"].tolist(), strict=True))
    away = [row["filled"] * (row["price"] - opens[row["filled_at"]]) for row in orders]
    assert min(away) > 0.0
    assert result.facts["costs"]["slippage"] == pytest.approx(sum(away))
    assert result.facts["costs"]["fees"] == result.facts["fees"]
    assert result.facts["cash"] == 100_000.0
    assert "The run covers 1 day: under 90" in " ".join(result.facts["warnings"])
