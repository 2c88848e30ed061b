"""Incremental indicators for `step`: a record of what is kept, and a function that takes a bar.

Each function updates its record in place, returns the value after this bar, and takes time that
does not grow with the length (but for `cci`). What is not known yet is NaN, and `ready` of the
record says so: no comparison with NaN holds, and a NaN in `out` ends the run. A NaN that is handed
in is passed over, so that one indicator can be fed to another.

They are plain functions on plain records, and give the same bytes interpreted and compiled. Call
each once a bar, on a record of its own.
"""

from engine.core.indicators.averages import Ema, Sma, Wilder, Wma, ema, sma, wilder, wma
from engine.core.indicators.bands import (
    BollingerBands,
    DonchianChannel,
    KeltnerChannel,
    bollinger,
    donchian,
    keltner,
)
from engine.core.indicators.momentum import (
    Cci,
    MacdLines,
    Roc,
    Rsi,
    Stochastic,
    cci,
    macd,
    roc,
    rsi,
    stochastic,
)
from engine.core.indicators.seed import FIRST, TALIB, UNKNOWN, WILDER
from engine.core.indicators.trend import Adx, SupertrendLine, adx, supertrend
from engine.core.indicators.volatility import Atr, Std, atr, std
from engine.core.indicators.volume import Obv, RollingVwap, Vwap, obv, rolling_vwap, vwap
from engine.core.indicators.window import Highest, Lowest, Total, highest, lowest, total

__all__ = [
    "FIRST",
    "TALIB",
    "UNKNOWN",
    "WILDER",
    "Adx",
    "Atr",
    "BollingerBands",
    "Cci",
    "DonchianChannel",
    "Ema",
    "Highest",
    "KeltnerChannel",
    "Lowest",
    "MacdLines",
    "Obv",
    "Roc",
    "RollingVwap",
    "Rsi",
    "Sma",
    "Std",
    "Stochastic",
    "SupertrendLine",
    "Total",
    "Vwap",
    "Wilder",
    "Wma",
    "adx",
    "atr",
    "bollinger",
    "cci",
    "donchian",
    "ema",
    "highest",
    "keltner",
    "lowest",
    "macd",
    "obv",
    "roc",
    "rolling_vwap",
    "rsi",
    "sma",
    "std",
    "stochastic",
    "supertrend",
    "total",
    "vwap",
    "wilder",
    "wma",
]
