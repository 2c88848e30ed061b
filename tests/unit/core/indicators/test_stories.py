"""Indicators that no reference table has, and corners, on series worked by hand."""

import math
from typing import Any

import numpy as np
import pytest

from engine.core.compile.declare import Strategy, window
from engine.core.indicators import (
    FIRST,
    UNKNOWN,
    WILDER,
    Adx,
    Atr,
    BollingerBands,
    Cci,
    Ema,
    KeltnerChannel,
    Lowest,
    MacdLines,
    Obv,
    Roc,
    RollingVwap,
    Rsi,
    Sma,
    Std,
    Stochastic,
    SupertrendLine,
    Vwap,
    Wilder,
    Wma,
    adx,
    atr,
    bollinger,
    cci,
    ema,
    keltner,
    lowest,
    macd,
    obv,
    roc,
    rolling_vwap,
    rsi,
    sma,
    std,
    stochastic,
    supertrend,
    vwap,
    wilder,
    wma,
)
from engine.core.records import Bar, Out
from tests.market import random_bars
from tests.unit.core.indicators.kept import bars_of, states

DAY_MS = 86_400_000


class Trend(Strategy):
    """A Supertrend whose range is the true range of the bar itself: length 1."""

    class State:
        line: SupertrendLine

    def step(p, s: State, bar: Bar, out: Out) -> None:
        supertrend(s.line, bar, 1, 1.0)


def test_supertrend(machine: type) -> None:
    """Middle ± true range; the upper line only falls, the lower one only rises.

    bar high low close  range            middle  upper  lower  line
    0   11   9   10     (no close before)
    1   12   10  11     12 - 10 = 2      11      13     9      13, falling at the start
    2   13   11  12     13 - 11 = 2      12      14>13  10     13, 12 is not above it
    3   16   12  15     16 - 12 = 4      14      18>13  10     10, 15 > 13: rising
    4   17   15  16     17 - 15 = 2      16      18     14     14; 15 > 13 let the upper one go
    5   16   14  15     16 - 14 = 2      15      17     13<14  14, 15 is not below it
    6   15   12  13     15 - 12 = 3      13.5    16.5   10.5<14  16.5, 13 < 14: falling
    7   14   12  13     14 - 12 = 2      13      15     11     15; 13 < 14 let the lower one go
    """
    high = np.array([11.0, 12, 13, 16, 17, 16, 15, 14])
    low = np.array([9.0, 10, 11, 12, 15, 14, 12, 12])
    close = np.array([10.0, 11, 12, 15, 16, 15, 13, 13])
    line = states(machine, Trend(), bars_of(close, high=high, low=low))["line"]
    assert line["ready"].tolist() == [0, 1, 1, 1, 1, 1, 1, 1]
    assert line["value"][1:].tolist() == [13.0, 13.0, 10.0, 14.0, 14.0, 16.5, 15.0]
    assert line["rising"].tolist() == [0, 0, 0, 1, 1, 1, 0, 0]
    assert line["lower"][1:].tolist() == [9.0, 10.0, 10.0, 14.0, 14.0, 14.0, 11.0]
    assert line["upper"][1:].tolist() == [13.0, 13.0, 13.0, 18.0, 17.0, 16.5, 15.0]


class Daily(Strategy):
    """Both volume-weighted averages."""

    class State:
        day: Vwap
        rolling: RollingVwap = window(2)

    def step(p, s: State, bar: Bar, out: Out) -> None:
        vwap(s.day, bar)
        rolling_vwap(s.rolling, bar, 2)


def test_a_day_begins_anew_at_midnight(machine: type) -> None:
    """10 x 1 + 20 x 3 = 70, ÷ 4 = 17.5; then a new day: 30, and (30 x 2 + 60 x 1) ÷ 3 = 40."""
    events = bars_of(np.array([10.0, 20, 30, 60]), volume=np.array([1.0, 3, 2, 1]))
    events["bar"]["ts"] += DAY_MS - 2 * 60_000
    events["ts"] += DAY_MS - 2 * 60_000
    kept = states(machine, Daily(), events)
    assert kept["day"]["value"].tolist() == [10.0, 17.5, 30.0, 40.0]
    # the last two bars, whatever day: (20 x 3 + 30 x 2) ÷ 5 = 24
    assert kept["rolling"]["value"][1:].tolist() == [17.5, 24.0, 40.0]
    assert kept["rolling"]["ready"].tolist() == [0, 1, 1, 1]


class Seeds(Strategy):
    """One average begun in three ways, and both deviations."""

    class State:
        plain: Ema
        first: Ema
        wilder: Wilder
        wilder_first: Wilder
        population: Std = window(3)
        sample: Std = window(3)
        talib: Atr
        book: Atr

    def step(p, s: State, bar: Bar, out: Out) -> None:
        ema(s.plain, bar.close, 3)
        ema(s.first, bar.close, 3, FIRST)
        wilder(s.wilder, bar.close, 3)
        wilder(s.wilder_first, bar.close, 3, FIRST)
        std(s.population, bar.close, 3)
        std(s.sample, bar.close, 3, True)
        atr(s.talib, bar, 2)
        atr(s.book, bar, 2, WILDER)


def test_seeds(machine: type) -> None:
    close = np.array([1.0, 2, 6, 7])
    kept = states(machine, Seeds(), bars_of(close, high=close + 1.0, low=close - 1.0))
    nan = math.nan

    def values(field: str) -> Any:
        return pytest.approx(kept[field]["value"].tolist(), nan_ok=True)

    # alpha 1/2: plain (1 + 2 + 6) ÷ 3 = 3, then 3 + (7 - 3) ÷ 2; from the first 1, 1.5, 3.75, …
    assert [nan, nan, 3.0, 5.0] == values("plain")
    assert values("first") == [1.0, 1.5, 3.75, 5.375]
    # alpha 1/3: 3 + (7 - 3) ÷ 3; from the first 1, 1 + 1 ÷ 3, 4/3 + 14/9, …
    assert [nan, nan, 3.0, 13 / 3] == values("wilder")
    assert values("wilder_first") == [1.0, 4 / 3, 26 / 9, 115 / 27]
    for field in ("plain", "first", "wilder", "wilder_first"):
        assert kept[field]["ready"].tolist() == [0, 0, 1, 1]
    # of 1 2 6 around 3: 4 + 1 + 9 = 14; of 2 6 7 around 5: 9 + 1 + 4 = 14
    assert [nan, nan, math.sqrt(14 / 3), math.sqrt(14 / 3)] == values("population")
    assert [nan, nan, math.sqrt(7.0), math.sqrt(7.0)] == values("sample")
    # ranges 2, 3 - 1 = 2, 7 - 2 = 5, 8 - 6 = 2; TA-Lib leaves out the first
    assert [nan, nan, 3.5, 2.75] == values("talib")
    assert [nan, 2.0, 3.5, 2.75] == values("book")


class Still(Strategy):
    """What divides by a movement."""

    class State:
        rsi: Rsi
        adx: Adx
        stochastic: Stochastic = window(3)
        cci: Cci = window(3)
        roc: Roc = window(3)
        bands: BollingerBands = window(3)
        macd: MacdLines
        obv: Obv

    def step(p, s: State, bar: Bar, out: Out) -> None:
        rsi(s.rsi, bar.close, 3)
        adx(s.adx, bar, 3)
        stochastic(s.stochastic, bar, 3, 2, 2)
        cci(s.cci, bar, 3)
        roc(s.roc, bar.volume, 3)
        bollinger(s.bands, bar.close, 3, 2.0)
        macd(s.macd, bar.close, 2, 3, 2)
        obv(s.obv, bar)


def test_nothing_moves_and_nothing_is_divided_by_zero(machine: type) -> None:
    last = states(machine, Still(), bars_of(np.full(9, 0.1)))[-1]
    assert all(last[name]["ready"] for name in Still.StateRecord.dtype.names or ())
    assert last["rsi"]["value"] == 50.0
    assert [last["adx"][part] for part in ("value", "plus", "minus")] == [0.0, 0.0, 0.0]
    assert [last["stochastic"][part] for part in ("k", "d")] == [50.0, 50.0]
    assert [last[name]["value"] for name in ("cci", "roc", "obv")] == [0.0, 0.0, 0.0]
    assert [last["bands"][part] for part in ("upper", "middle", "lower")] == [0.1, 0.1, 0.1]
    assert last["macd"]["histogram"] == pytest.approx(0.0, abs=1e-16)


def test_an_adx_is_begun_in_three_ways(machine: type) -> None:
    class Begun(Strategy):
        class State:
            talib: Adx
            book: Adx
            first: Adx

        def step(p, s: Any, bar: Bar, out: Out) -> None:
            adx(s.talib, bar, 2)
            adx(s.book, bar, 2, WILDER)
            adx(s.first, bar, 2, FIRST)

    # up by 1, down by 3, up by 2; from the closes before they reach 12 - 10, 11 - 7, 11 - 8
    close = np.array([10.0, 11, 8, 10])
    kept = states(machine, Begun(), bars_of(close, high=close + 1.0, low=close - 1.0))
    # TA-Lib: up 1, down 0, reach 2 from one bar; then 1 ÷ 2, 3, 2 ÷ 2 + 4 = 5
    assert kept["talib"]["plus"][2] == pytest.approx(100.0 * 0.5 / 5.0)
    assert kept["talib"]["minus"][2] == pytest.approx(100.0 * 3.0 / 5.0)
    # Wilder: sums of two bars: up 1, down 3, reach 6
    assert kept["book"]["plus"][2] == pytest.approx(100.0 * 1.0 / 6.0)
    # the first counts twice: up 2, reach 4; then 1, 3, 2 + 4 = 6
    assert kept["first"]["plus"][1:3] == pytest.approx([100.0 * 2.0 / 4.0, 100.0 * 1.0 / 6.0])
    assert kept["first"]["minus"][2] == pytest.approx(100.0 * 3.0 / 6.0)
    # Wilder's index: 100 x (3 - 1) ÷ 4 = 50, then 1 ÷ 2 + 2 up and 3 ÷ 2 down; their average
    assert kept["talib"]["ready"].tolist() == [0, 0, 0, 1]
    assert kept["book"]["value"][3] == pytest.approx((50.0 + 100.0 * (2.5 - 1.5) / 4.0) / 2.0)


class Fed(Strategy):
    """Everything that takes a value, fed only from a certain bar on."""

    class State:
        sma: Sma = window(5)
        wma: Wma = window(5)
        ema: Ema
        wilder: Wilder
        rsi: Rsi
        macd: MacdLines
        roc: Roc = window(5)
        std: Std = window(5)
        bands: BollingerBands = window(5)
        lowest: Lowest = window(5)

    def step(p, s: State, bar: Bar, out: Out) -> None:
        value = bar.close if bar.volume > 0.0 else UNKNOWN
        sma(s.sma, value, 5)
        wma(s.wma, value, 5)
        ema(s.ema, value, 5)
        wilder(s.wilder, value, 5)
        rsi(s.rsi, value, 5)
        macd(s.macd, value, 3, 5, 3)
        roc(s.roc, value, 5)
        std(s.std, value, 5)
        bollinger(s.bands, value, 5, 2.0)
        lowest(s.lowest, value, 5)


def test_what_is_not_known_is_passed_over(machine: type) -> None:
    events = random_bars(60, seed=4)
    events["bar"]["volume"] = 1.0
    late = events.copy()
    late["bar"]["volume"][:20] = 0.0
    begun_later = states(machine, Fed(), events[20:])
    assert states(machine, Fed(), late)[20:].tobytes() == begun_later.tobytes()
    assert begun_later["macd"]["ready"][-1]
    gap = events.copy()
    gap["bar"]["volume"][30:33] = 0.0
    without = states(machine, Fed(), np.delete(events, slice(30, 33)))
    assert states(machine, Fed(), gap)[33:].tobytes() == without[30:].tobytes()


def test_keltner_is_an_average_and_a_range(machine: type) -> None:
    class Channel(Strategy):
        class State:
            channel: KeltnerChannel
            average: Ema
            range: Atr

        def step(p, s: Any, bar: Bar, out: Out) -> None:
            keltner(s.channel, bar, 5, 8, 1.5)
            ema(s.average, bar.close, 5)
            atr(s.range, bar, 8)

    kept = states(machine, Channel(), random_bars(30, seed=4))
    reach = 1.5 * kept["range"]["value"]
    for part, wanted in (("upper", reach), ("middle", 0.0 * reach), ("lower", -reach)):
        known = kept["channel"]["ready"] == 1
        assert (
            kept["channel"][part][known].tolist()
            == (kept["average"]["value"] + wanted)[known].tolist()
        )
    assert kept["channel"]["ready"].tolist() == [0] * 8 + [1] * 22
