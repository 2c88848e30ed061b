"""The charts of prices: candles, entries and exits, and what strategies show of their state."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.research.candles import SYMBOLS_MAX, View, step, views
from engine.research.charts import AXIS, LAYOUT, TIME, Figure, Floats, Times
from engine.research.columns import take, to_array

if TYPE_CHECKING:
    from engine.research.recorder import Line
    from engine.research.result import Result

COLORS = ("@line-1", "@line-2", "@line-3", "@line-4", "@line-5", "@line-6")


@dataclass(frozen=True)
class Marks:
    """Trades by candle: index of the candle, how many, their mean price, their profit together."""

    candle: Times
    count: Times
    price: Floats
    profit: Floats

    def where(self, chosen: NDArray[np.bool_]) -> "Marks":
        """Return the marks that are chosen."""
        return Marks(
            self.candle[chosen], self.count[chosen], self.price[chosen], self.profit[chosen]
        )


def charts(result: "Result") -> dict[str, Figure]:
    """Return the charts by label, `views` of each symbol."""
    found = {}
    for symbol in result.facts["symbols"][:SYMBOLS_MAX]:
        trades = take(result.trades, np.array(result.trades["symbol"].to_pylist()) == symbol)
        lines = [line for line in result.lines if line.symbol == symbol]
        for view in views(symbol, result.bars[symbol]):
            found[view.label] = _price(view, trades, lines)
    return found


def _price(view: View, trades: pa.Table, lines: Sequence["Line"]) -> Figure:
    """Return candles with entries marked below them and exits above, away from the price."""
    candles = view.candles
    price = {
        "type": "candlestick",
        "name": "Price",
        "x": candles["ts"].tolist(),
        **{name: candles[name].tolist() for name in ("open", "high", "low", "close")},
        "increasing": {"line": {"color": "@candle", "width": 1}, "fillcolor": "@panel"},
        "decreasing": {"line": {"color": "@candle", "width": 1}, "fillcolor": "@candle"},
        "showlegend": False,
    }
    away = 0.02 * float(candles["high"].max() - candles["low"].min())
    ts, below, above = candles["ts"], candles["low"] - away, candles["high"] + away
    entries = _by_candle(ts, trades["opened_at"], trades["entry_price"], trades["profit"])
    exits = _by_candle(ts, trades["closed_at"], trades["exit_price"], trades["profit"])
    gained = exits.profit > 0.0
    marks = [
        _marks("Entry", ts, below, entries, "@accent"),
        _marks("Exit with gain", ts, above, exits.where(gained), "@profit"),
        _marks("Exit with loss", ts, above, exits.where(~gained), "@loss"),
    ]
    shown = [_shown(view, line, COLORS[i % len(COLORS)]) for i, line in enumerate(lines)]
    margin = max(1, len(ts) // 100) * (step(candles) or 60_000)
    time = {**TIME, "range": [int(ts[0]) - margin, int(ts[-1]) + margin]}
    axis = {**AXIS, "tickformat": ",~r"}
    layout = {**LAYOUT, "xaxis": time, "yaxis": axis}
    if any(line.below for line in lines):
        axis["domain"] = [0.3, 1.0]
        time["anchor"] = "y2"
        layout["yaxis2"] = {**AXIS, "domain": [0.0, 0.25], "tickformat": ",~r", "nticks": 6}
    return {"data": [price, *shown, *marks], "layout": layout}


def _shown(view: View, line: "Line", color: str) -> Figure:
    """Return a line over the candles: at each the value that was known when it closed.

    No price is 0: there a strategy has none to show.
    """
    value = line.value[np.searchsorted(line.ts, view.closes)]
    if not line.below:
        value = np.where(value == 0.0, np.nan, value)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": html.escape(line.label),
        "x": view.candles["ts"].tolist(),
        "y": [float(f"{y:.8g}") if y == y else None for y in value.tolist()],
        "line": {"color": color, "width": 1.2},
        "hovertemplate": "%{y:,.6~g}",
        "connectgaps": False,
    } | ({"yaxis": "y2"} if line.below else {})


def _by_candle(
    candles: Times, when: pa.ChunkedArray, price: pa.ChunkedArray, profit: pa.ChunkedArray
) -> Marks:
    """Return the trades of each candle that has any."""
    candle = np.searchsorted(candles, to_array(when), side="right") - 1
    inside = candle >= 0
    found, group = np.unique(candle[inside], return_inverse=True)
    count = np.bincount(group, minlength=len(found))
    prices, profits = (
        np.bincount(group, to_array(column)[inside], minlength=len(found))
        for column in (price, profit)
    )
    return Marks(found, count, np.asarray(prices / count), np.asarray(profits))


def _marks(name: str, ts: Times, heights: Floats, marks: Marks, color: str) -> Figure:
    """Return marks that point up below candles, down above."""
    candle = marks.candle
    counts, prices = marks.count.tolist(), marks.price.tolist()
    shape = "triangle-up" if name == "Entry" else "triangle-down"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": ts[candle].tolist(),
        "y": heights[candle].tolist(),
        "customdata": list(zip(counts, prices, strict=True)),
        "hovertemplate": "%{customdata[0]} at %{customdata[1]:,.8~g} on %{x|%Y-%m-%d %H:%M}",
        "marker": {"symbol": shape, "size": 9 if len(candle) <= 100 else 5, "color": color},
    }
