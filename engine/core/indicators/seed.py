"""How an average that remembers everything begins, and what stands where nothing is known yet."""

import math

UNKNOWN = math.nan

TALIB = 0  # with the plain average of the first `length` values, as TA-Lib does
FIRST = 1  # with the first value, as pandas' ewm(adjust=False); a first bar counts as no change
WILDER = 2  # as Wilder's book and StockCharts' sheets, where TA-Lib begins otherwise: ATR and ADX
