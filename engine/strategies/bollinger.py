"""Trades a range: buys below the lower band, and leaves where the price is back in the middle.

Shows an exit that does not wait for the opposite signal: `out.target` says what is wanted now.
"""

from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy, window
from engine.core.indicators import BollingerBands, bollinger
from engine.core.records import Bar, Out

BELOW_BAND, ABOVE_BAND, BACK_IN_THE_MIDDLE = 1, 2, 3


class Bollinger(Strategy):
    """Long from a close below the lower band to one at or above the middle.

    The bands lie `width` standard deviations around the average of the last `length` closes. With
    `shorts` it is short from a close above the upper band to one at or below the middle. A trend
    runs along a band, away from the middle: give the instance a stop (`exits.stop_loss`).
    """

    length: Annotated[int, Field(ge=2, le=500)] = 20  # bars
    width: Annotated[float, Field(gt=0)] = 2.0  # standard deviations
    shorts: bool = False

    kind = "range"
    tags = {
        BELOW_BAND: "below_band",
        ABOVE_BAND: "above_band",
        BACK_IN_THE_MIDDLE: "back_in_the_middle",
    }
    shows = {
        "bands.upper": "upper band {length}",
        "bands.middle": "middle",
        "bands.lower": "lower band",
    }

    class State:
        bands: BollingerBands = window("length")

    def step(p, s: State, bar: Bar, out: Out) -> None:
        middle = bollinger(s.bands, bar.close, p.length, p.width)
        if not s.bands.ready:
            return
        if bar.close < s.bands.lower:
            out.target = 1.0
            out.tag = BELOW_BAND
        elif p.shorts and bar.close > s.bands.upper:
            out.target = -1.0
            out.tag = ABOVE_BAND
        elif (out.target > 0.0 and bar.close >= middle) or (
            out.target < 0.0 and bar.close <= middle
        ):
            out.target = 0.0
            out.tag = BACK_IN_THE_MIDDLE
