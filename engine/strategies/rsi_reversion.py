"""Buys weakness: long from an oversold to an overbought relative strength index."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy
from engine.core.indicators import rsi, wilder
from engine.core.records import Bar, Out

OVERSOLD, OVERBOUGHT = 1, 2


class RsiReversion(Strategy):
    """Long when the index closes below `low`, flat when it closes above `high`.

    The wish is repeated on every bar outside the band; only a change of it is a signal. So a
    position that a stop has closed is entered again only after the index has been above `high`.
    """

    length: Annotated[int, Field(ge=2)] = 14  # bars
    low: Annotated[float, Field(ge=0, le=100)] = 30.0
    high: Annotated[float, Field(ge=0, le=100)] = 70.0

    tags = {OVERSOLD: "oversold", OVERBOUGHT: "overbought"}
    shows_below = {"strength": "RSI {length}"}

    class State:
        close: float  # of the last bar
        gain: float  # Wilder averages of rises and falls
        loss: float
        count: int  # changes seen
        strength: float  # the index, at the last bar

    def step(p, s: State, bar: Bar, out: Out) -> None:
        if s.close == 0.0:
            s.close = bar.close
            return
        change = bar.close - s.close
        s.close = bar.close
        s.gain = wilder(s.gain, max(change, 0.0), p.length, s.count)
        s.loss = wilder(s.loss, max(-change, 0.0), p.length, s.count)
        s.count += 1
        if s.count < p.length:
            return
        s.strength = rsi(s.gain, s.loss)
        if s.strength < p.low:
            out.target = 1.0
            out.tag = OVERSOLD
        elif s.strength > p.high:
            out.target = 0.0
            out.tag = OVERBOUGHT

    def problems(self) -> Iterator[str]:
        """The band must have a width."""
        if self.low >= self.high:
            yield f"low must be less than high ({self.high}), was {self.low}. Swap them."
