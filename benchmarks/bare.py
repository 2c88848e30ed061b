"""The limit: the same strategy as one hand-written loop, without an engine around it."""

from typing import Any

import numba
import numpy as np


@numba.njit(nogil=True, error_model="python")
def ema_cross(opens: Any, closes: Any, fast: int, slow: int, fee: float, cash: float) -> Any:
    """Return trades and final equity of long-or-flat with one unit, filled at the next open."""
    a, b = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    quick = lazy = closes[0]
    before = position = 0.0
    wish = trades = 0
    equity = np.empty(len(closes))
    for i in range(len(closes)):
        if wish == 1 and position == 0.0:
            cash -= opens[i] * (1.0 + fee)
            position = 1.0
        elif wish == 0 and position == 1.0:
            cash += opens[i] * (1.0 - fee)
            position = 0.0
            trades += 1
        quick += a * (closes[i] - quick)
        lazy += b * (closes[i] - lazy)
        gap = quick - lazy
        if i >= slow:
            if gap > 0.0 and before <= 0.0:
                wish = 1
            elif gap < 0.0 and before >= 0.0:
                wish = 0
        before = gap
        equity[i] = cash + position * closes[i]
    return trades, equity[-1]
