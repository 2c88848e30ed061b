from typing import Any

import numpy as np
import pytest

from engine.core.records import Bar
from engine.research import candles

MINUTE = 60_000
START = 1_514_764_800_000  # 2018-01-01


def rows(*candles: tuple[float, ...]) -> Any:
    return np.array([(minute * MINUTE, *rest) for minute, *rest in candles], Bar.dtype)


def test_candles_are_merged_into_the_shortest_usual_timeframe() -> None:
    bars = rows(
        (2, 10, 12, 9, 11, 1),
        (3, 11, 15, 11, 14, 2),
        (4, 14, 14, 8, 9, 3),
        (7, 9, 10, 9, 10, 4),
        (8, 10, 11, 10, 11, 5),
    )
    merged, span = candles.merge(bars, 3)
    assert span == 3 * MINUTE
    assert (
        merged.tolist()
        == rows((0, 10, 12, 9, 11, 1), (3, 11, 15, 8, 9, 5), (6, 9, 11, 9, 11, 9)).tolist()
    )


@pytest.mark.parametrize("step", [MINUTE, 7 * MINUTE, 1_000, 86_400_000])
def test_merged_candles_lose_no_extreme_and_no_volume(step: int) -> None:
    count = 1_000
    wave = np.sin(np.arange(count) * 0.7)
    bars = np.zeros(count, Bar.dtype)
    bars["ts"] = START + step * np.cumsum(np.where(np.arange(count) % 100, 1, 40))
    bars["open"] = bars["close"] = wave
    bars["high"], bars["low"], bars["volume"] = wave + 1, wave - 1, 1.0
    merged, span = candles.merge(bars, 50)
    assert len(merged) <= 50
    assert not (merged["ts"] % span).any()
    assert (merged["high"].max(), merged["low"].min()) == (bars["high"].max(), bars["low"].min())
    assert merged["volume"].sum() == count
    assert (merged["open"][0], merged["close"][-1]) == (bars["open"][0], bars["close"][-1])
