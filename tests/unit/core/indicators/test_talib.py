"""TA-Lib's own values on two thousand hours of real prices, the warm-up included."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.core.compile.declare import Strategy, window
from engine.core.indicators import (
    Adx,
    Atr,
    BollingerBands,
    Cci,
    DonchianChannel,
    Ema,
    MacdLines,
    Obv,
    Roc,
    Rsi,
    Sma,
    Std,
    Stochastic,
    Wma,
    adx,
    atr,
    bollinger,
    cci,
    donchian,
    ema,
    macd,
    obv,
    roc,
    rsi,
    sma,
    std,
    stochastic,
    wma,
)
from engine.core.machine import Compiled, Interpreted
from engine.core.records import Bar, Out
from tests.unit.core.indicators.kept import bars_of, states

COLUMNS = {  # of the table: the field of the state, and what of it
    "SMA_20": ("sma", "value"),
    "EMA_20": ("ema", "value"),
    "WMA_20": ("wma", "value"),
    "RSI_14": ("rsi", "value"),
    "MACD_12_26_9": ("macd", "value"),
    "MACDsig": ("macd", "signal"),
    "MACDhist": ("macd", "histogram"),
    "BBU_20_2": ("bollinger", "upper"),
    "BBM_20": ("bollinger", "middle"),
    "BBL_20_2": ("bollinger", "lower"),
    "ATR_14": ("atr", "value"),
    "ADX_14": ("adx", "value"),
    "PDI_14": ("adx", "plus"),
    "MDI_14": ("adx", "minus"),
    "STOCH_K_14_3": ("stochastic", "k"),
    "STOCH_D_3": ("stochastic", "d"),
    "CCI_20": ("cci", "value"),
    "OBV": ("obv", "value"),
    "ROC_10": ("roc", "value"),
    "STDDEV_20": ("std", "value"),
    "MAX_20": ("channel", "upper"),
    "MIN_20": ("channel", "lower"),
}
EARLY = {"PDI_14", "MDI_14"}  # known before the index that they are a part of is ready


class AsTalib(Strategy):
    """Every indicator that the table has, with its lengths."""

    class State:
        sma: Sma = window(20)
        ema: Ema
        wma: Wma = window(20)
        rsi: Rsi
        macd: MacdLines
        bollinger: BollingerBands = window(20)
        atr: Atr
        adx: Adx
        stochastic: Stochastic = window(14)
        cci: Cci = window(20)
        obv: Obv
        roc: Roc = window(10)
        std: Std = window(20)
        channel: DonchianChannel = window(20)

    def step(p, s: State, bar: Bar, out: Out) -> None:
        sma(s.sma, bar.close, 20)
        ema(s.ema, bar.close, 20)
        wma(s.wma, bar.close, 20)
        rsi(s.rsi, bar.close, 14)
        macd(s.macd, bar.close, 12, 26, 9)
        bollinger(s.bollinger, bar.close, 20, 2.0)
        atr(s.atr, bar, 14)
        adx(s.adx, bar, 14)
        stochastic(s.stochastic, bar, 14, 3, 3)
        cci(s.cci, bar, 20)
        obv(s.obv, bar)
        roc(s.roc, bar.close, 10)
        std(s.std, bar.close, 20)
        donchian(s.channel, bar, 20)


@pytest.fixture(scope="module")
def table(shared: Path) -> Any:
    """Return TA-Lib's table, shape (2000,) for each column."""
    read = pq.read_table(shared / "reference" / "talib_golden_ETH_1h.parquet")
    return {name: read[name].to_numpy() for name in read.column_names}


@pytest.fixture(scope="module")
def events(table: Any) -> Any:
    names = ("open", "high", "low", "volume")
    return bars_of(table["close"], **{name: table[name] for name in names})


@pytest.fixture(scope="module")
def kept(events: Any) -> Any:
    """Return what each machine keeps of all indicators after each bar."""
    return {machine: states(machine, AsTalib(), events) for machine in (Compiled, Interpreted)}


def test_both_machines_keep_the_same_bytes(kept: Any) -> None:
    assert kept[Compiled].tobytes() == kept[Interpreted].tobytes()


@pytest.mark.parametrize("column", COLUMNS)
def test_it_is_what_talib_says(column: str, table: Any, kept: Any) -> None:
    field, part = COLUMNS[column]
    wanted, given = table[column], kept[Compiled][field]
    known = ~np.isnan(wanted)
    is_known = ~np.isnan(given[part]) if column in EARLY else given["ready"] == 1
    assert known.tolist() == is_known.tolist()
    np.testing.assert_allclose(given[part][known], wanted[known], rtol=1e-9, atol=0.0)
