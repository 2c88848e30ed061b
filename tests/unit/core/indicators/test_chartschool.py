"""StockCharts' worksheets, to the digits that are printed in them."""

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from engine.core.compile.declare import Strategy, window
from engine.core.indicators import (
    FIRST,
    WILDER,
    Adx,
    Atr,
    BollingerBands,
    Cci,
    DonchianChannel,
    Highest,
    KeltnerChannel,
    Lowest,
    MacdLines,
    Obv,
    Roc,
    RollingVwap,
    Rsi,
    Stochastic,
    Vwap,
    Wma,
    adx,
    atr,
    bollinger,
    cci,
    donchian,
    highest,
    keltner,
    lowest,
    macd,
    obv,
    roc,
    rolling_vwap,
    rsi,
    stochastic,
    vwap,
    wma,
)
from engine.core.records import Bar, Out
from tests.unit.core.indicators.kept import bars_of, states


class Sheets(Strategy):
    """Every indicator that has a sheet, with its lengths and its seeding."""

    class State:
        atr: Atr
        atr_10: Atr
        adx: Adx
        bollinger: BollingerBands = window(20)
        cci: Cci = window(20)
        channel: DonchianChannel = window(20)
        keltner: KeltnerChannel
        macd: MacdLines
        obv: Obv
        roc: Roc = window(12)
        rsi: Rsi
        rsi_high: Highest = window(14)
        rsi_low: Lowest = window(14)
        stochastic: Stochastic = window(14)
        vwap: Vwap
        rolling: RollingVwap = window(14)
        wma: Wma = window(9)

    def step(p, s: State, bar: Bar, out: Out) -> None:
        atr(s.atr, bar, 14, WILDER)
        atr(s.atr_10, bar, 10, WILDER)
        adx(s.adx, bar, 14, WILDER)
        bollinger(s.bollinger, bar.close, 20, 2.0)
        cci(s.cci, bar, 20)
        donchian(s.channel, bar, 20)
        keltner(s.keltner, bar, 20, 10, 2.0, WILDER)
        macd(s.macd, bar.close, 12, 26, 9, FIRST)
        obv(s.obv, bar)
        roc(s.roc, bar.close, 12)
        strength = rsi(s.rsi, bar.close, 14, FIRST)
        highest(s.rsi_high, strength, 14)
        lowest(s.rsi_low, strength, 14)
        stochastic(s.stochastic, bar, 14, 1, 3)
        vwap(s.vwap, bar)
        rolling_vwap(s.rolling, bar, 14)
        wma(s.wma, bar.close, 9)


class Column(NamedTuple):
    """Where a column's value lies in the state, and in which of its rows which digits count."""

    place: str
    first: int = 0  # row from which on it is compared …
    last: int | None = None  # … and before which
    units: float = 0.5  # of the last printed digit
    digits: int | None = None  # printed behind the point, where zeros were added to them


SEEDED = 110  # the sheet begins the signal line with another value, of which each row leaves 0.8:
# of 0.14 on row 2 there are 0.14 x 0.8^108 = 4.8e-12 on row 110, less than half a digit

SHEETS = {
    "atr": {"ATR": Column("atr.value", 13)},  # it prints 0 for what is not known
    "atr2": {"ATR": Column("atr_10.value", 9)},
    "adx": {
        "TR14": Column("adx.reaches"),
        "+DI14": Column("adx.plus"),
        "-DI14": Column("adx.minus"),
        "ADX": Column("adx.value"),
    },
    "bbands": {
        "MiddleBand": Column("bollinger.middle"),
        "HighBand": Column("bollinger.upper"),
        "LowBand": Column("bollinger.lower"),
    },
    "cci": {"CCI": Column("cci.value")},
    "dc": {
        "upper_band": Column("channel.upper"),
        "lower_band": Column("channel.lower"),
        "middle_band": Column("channel.middle"),
    },
    "kc": {
        "atr": Column("keltner.range.value", 9),
        "upper_band": Column("keltner.upper"),
        "middle_band": Column("keltner.middle"),
        "lower_band": Column("keltner.lower"),
    },
    "macd": {
        "short_ema": Column("macd.fast.value"),
        "long_ema": Column("macd.slow.value"),
        "MACD_line": Column("macd.value"),
        "MACD_signal": Column("macd.signal", SEEDED, units=1.0),
        "MACD_diff": Column("macd.histogram", SEEDED, units=1.0),
    },
    "obv": {"OBV": Column("obv.value")},
    "roc": {"ROC": Column("roc.value")},
    "rsi": {
        "Avg Gain": Column("rsi.gain"),
        "Avg Loss": Column("rsi.loss"),
        "RSI": Column("rsi.value"),
    },
    "stochrsi": {  # one indicator fed to another: extremes of the index
        "RSI": Column("rsi.value", digits=6),
        "RSI Highest High (14)": Column("rsi_high.value", digits=6),
        "RSI Lowest Low (14)": Column("rsi_low.value", digits=6),
    },
    "soo": {
        "SO": Column("stochastic.k"),
        "SO_SIG": Column("stochastic.d", units=1.0),  # an average of rounded values
    },
    "wma": {"WMA": Column("wma.value", 8)},  # the prices before its first row are not printed
}
OTHER = {  # the sheet of the rolling average begins as one of a day does
    "vwap": [("vwap", Column("rolling.value", 13)), ("vwap", Column("vwap.value", 0, 14))]
}
CASES = [(sheet, *case) for sheet, columns in SHEETS.items() for case in columns.items()]
CASES += [(sheet, *case) for sheet, cases in OTHER.items() for case in cases]

PRICES = ("open", "high", "low", "close", "volume")


def read(path: Path) -> dict[str, list[str]]:
    """Return the columns of a sheet as the texts that are printed."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0] if name}


def ours(machine: type, sheet: dict[str, list[str]]) -> Any:
    """Return what is kept after each row; prices that a sheet leaves out are of no use to it."""
    given = {
        name.lower(): np.array([float(text or "nan") for text in texts])
        for name, texts in sheet.items()
        if name.lower() in PRICES
    }
    close = given.pop("close")
    volume = np.nan_to_num(given.pop("volume", np.zeros(len(close))))
    prices = {name: np.where(np.isnan(values), close, values) for name, values in given.items()}
    return states(machine, Sheets(), bars_of(close, volume=volume, **prices))


@pytest.mark.parametrize(("name", "column", "how"), CASES)
def test_it_is_what_the_sheet_prints(
    name: str, column: str, how: Column, machine: type, shared: Path
) -> None:
    sheet = read(shared / "reference" / "chartschool" / f"cs-{name}.csv")
    given = ours(machine, sheet)
    for part in how.place.split("."):
        given = given[part]
    printed = [(i, text) for i, text in enumerate(sheet[column]) if text][: how.last]
    compared = [(i, text) for i, text in printed if i >= how.first]
    assert len(compared) >= 6
    for i, text in compared:
        digits = how.digits or len(text.partition(".")[2])
        least = abs(float(text)) * 1e-14  # as many digits as a number has
        assert float(given[i]) == pytest.approx(
            float(text), rel=0.0, abs=how.units * 10.0**-digits + least
        ), f"row {i}"
