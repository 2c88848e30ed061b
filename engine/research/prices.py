"""The charts of prices: candles, entries and exits, and what strategies show of their state."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
        held = [row for row in result.facts["open_positions"] if row["symbol"] == symbol]
        for view in views(symbol, result.bars[symbol]):
            found[view.label] = _price(view, [*_marks(view, trades, held)], lines)
    return found


def _price(view: View, marks: Sequence[Figure], lines: Sequence["Line"]) -> Figure:
    """Return candles with marks away from them, and what strategies show."""
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
    ts = candles["ts"]
    size = 5 if any(len(mark["x"]) > 100 for mark in marks) else 9
    sized = [mark | {"marker": mark["marker"] | {"size": size}} for mark in marks]
    shown = [_shown(view, line, COLORS[i % len(COLORS)]) for i, line in enumerate(lines)]
    margin = max(1, len(ts) // 100) * (step(candles) or 60_000)
    time = {**TIME, "range": [int(ts[0]) - margin, int(ts[-1]) + margin]}
    axis = {**AXIS, "tickformat": ",~r"}
    layout = {**LAYOUT, "xaxis": time, "yaxis": axis}
    if any(line.below for line in lines):
        axis["domain"] = [0.3, 1.0]
        time["anchor"] = "y2"
        layout["yaxis2"] = {**AXIS, "domain": [0.0, 0.25], "tickformat": ",~r", "nticks": 6}
    return {"data": [price, *shown, *sized], "layout": layout}


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


def _marks(view: View, trades: pa.Table, held: Sequence[Mapping[str, Any]]) -> Iterator[Figure]:
    """Yield the entries and exits there are: what is bought below candles, what is sold above.

    `held` are positions that are still open, which have an entry alone.
    """
    candles = view.candles
    away = 0.02 * float(candles["high"].max() - candles["low"].min())
    bought = ("triangle-up", candles["low"] - away)
    sold = ("triangle-down", candles["high"] + away)
    ts, sides = candles["ts"], np.sign(to_array(trades["quantity"]))
    for side, name, enter, leave in ((1, "Long", bought, sold), (-1, "Short", sold, bought)):
        closed = take(trades, sides == side)
        still = [row for row in held if row["quantity"] * side > 0.0]
        opened_at, price = (
            np.append(to_array(closed[name]), np.array([row[name] for row in still], kind))
            for name, kind in (("opened_at", np.int64), ("entry_price", np.float64))
        )
        entries = _by_candle(ts, opened_at, price, np.zeros(len(price)))
        exits = _by_candle(
            ts, *(to_array(closed[n]) for n in ("closed_at", "exit_price", "profit"))
        )
        gained = exits.profit > 0.0
        for what, marks, place, color in (
            ("entry", entries, enter, "@accent"),
            ("exit with gain", exits.where(gained), leave, "@profit"),
            ("exit with loss", exits.where(~gained), leave, "@loss"),
        ):
            if len(marks.candle):
                yield _drawn(f"{name} {what}", ts, marks, *place, color)


def _by_candle(candles: Times, when: Times, price: Floats, profit: Floats) -> Marks:
    """Return the trades of each candle that has any."""
    candle = np.searchsorted(candles, when, side="right") - 1
    inside = candle >= 0
    found, group = np.unique(candle[inside], return_inverse=True)
    count = np.bincount(group, minlength=len(found))
    prices, profits = (
        np.bincount(group, column[inside], minlength=len(found)) for column in (price, profit)
    )
    return Marks(found, count, np.asarray(prices / count), np.asarray(profits))


def _drawn(name: str, ts: Times, marks: Marks, shape: str, heights: Floats, color: str) -> Figure:
    candle = marks.candle
    counts, prices = marks.count.tolist(), marks.price.tolist()
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": ts[candle].tolist(),
        "y": heights[candle].tolist(),
        "customdata": list(zip(counts, prices, strict=True)),
        "hovertemplate": "%{customdata[0]} at %{customdata[1]:,.8~g} on %{x|%Y-%m-%d %H:%M}",
        "marker": {"symbol": shape, "color": color},
    }
