"""Buys weakness: long from an oversold to an overbought relative strength index."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.core.compile.declare import Strategy
from engine.core.indicators import Rsi, rsi
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

    kind = "range"
    tags = {OVERSOLD: "oversold", OVERBOUGHT: "overbought"}
    shows_below = {"rsi.value": "RSI {length}"}

    class State:
        rsi: Rsi

    def step(p, s: State, bar: Bar, out: Out) -> None:
        strength = rsi(s.rsi, bar.close, p.length)
        if not s.rsi.ready:
            return
        if strength < p.low:
            out.target = 1.0
            out.tag = OVERSOLD
        elif strength > p.high:
            out.target = 0.0
            out.tag = OVERBOUGHT

    def problems(self) -> Iterator[str]:
        """The band must have a width."""
        if self.low >= self.high:
            yield f"low must be less than high ({self.high}), was {self.low}. Swap them."
