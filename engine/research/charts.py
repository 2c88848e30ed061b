"""A run's charts as plain plotly.js figures, thinned so that no high or low is lost.

A colour is written as a name, `@accent`, that the page turns into the reader's light or dark.
"""

import html
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.research.columns import take, to_array
from engine.research.figures import Unit, shown, timeframe

if TYPE_CHECKING:
    from engine.research.result import Result

POINTS_MAX = 4_000  # of a line
CANDLES_MAX = 2_000  # of a price chart
SYMBOLS_MAX = 20  # with price charts

Bars = NDArray[Any]  # of records.Bar.dtype
Times = NDArray[np.int64]
Floats = NDArray[np.float64]
Figure = dict[str, Any]


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


_MINUTES = (1, 2, 3, 5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1440, 2880, 5760, 10080)
_AXIS = {"gridcolor": "@grid", "linecolor": "@line", "zeroline": False, "automargin": True}
_TIME = {**_AXIS, "type": "date", "showgrid": False, "rangeslider": {"visible": False}}
_LAYOUT = {
    "paper_bgcolor": "@panel",
    "plot_bgcolor": "@panel",
    "font": {"family": "system-ui, sans-serif", "size": 12, "color": "@text"},
    "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
    "legend": {"orientation": "h", "x": 0, "y": -0.08, "yanchor": "top"},
    "hovermode": "x unified",
    "hoverlabel": {"bgcolor": "@panel", "bordercolor": "@line"},
}


def equity(result: "Result") -> Figure:
    """Return equity above drawdown on one time axis; beside it what holding the symbol made."""
    ts = to_array(result.equity["ts"])
    worth, falls = (to_array(result.equity[name]) for name in ("equity", "drawdown"))
    lines = [_line("Equity", ts, worth, color="@accent", width=1.5)]
    symbol = result.facts["symbols"][0]
    bars = result.bars[symbol]
    if len(bars) and len(worth):
        lines.insert(0, _holding(symbol, bars, worth))
    drawdown = _line("Drawdown", ts, falls, color="@loss", width=1) | {
        "yaxis": "y2",
        "fill": "tozeroy",
        "fillcolor": "@loss-area",
        "hovertemplate": "%{y:.2%}",
        "showlegend": False,
    }
    money = {**_AXIS, "domain": [0.32, 1.0], "tickformat": ",~r"}
    share = {**_AXIS, "domain": [0.0, 0.26], "tickformat": ",.1~%", "nticks": 4}
    layout = {**_LAYOUT, "xaxis": {**_TIME, "anchor": "y2"}, "yaxis": money, "yaxis2": share}
    return {"data": [*lines, drawdown], "layout": layout}


def prices(result: "Result") -> dict[str, Figure]:
    """Return price charts by label: of each symbol all bars, and the last ones in full detail."""
    charts = {}
    for symbol in result.facts["symbols"][:SYMBOLS_MAX]:
        bars = result.bars[symbol]
        if not len(bars):
            continue
        trades = take(result.trades, np.array(result.trades["symbol"].to_pylist()) == symbol)
        candles, span = merge(bars, CANDLES_MAX)
        step = _step(bars)
        size = f", {timeframe(span)} candles" if span else ""
        if span == step:
            charts[symbol + size] = _price(candles, trades)
        else:
            charts[f"{symbol}{size} merged from {timeframe(step)}"] = _price(candles, trades)
            last = f"{symbol}, the last {CANDLES_MAX:,} bars of {timeframe(step)}"
            charts[last] = _price(bars[-CANDLES_MAX:], trades)
    return charts


def extremes(values: Floats, most: int) -> Times:
    """Return up to `most` ascending indices: the first, the last, every stretch's low and high."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    kept = {0, count - 1}
    edges = np.linspace(0, count, most // 2).astype(np.int64)
    for begin, end in itertools.pairwise(edges.tolist()):
        stretch = values[begin:end]
        kept |= {begin + int(stretch.argmin()), begin + int(stretch.argmax())}
    return np.array(sorted(kept))


def merge(bars: Bars, most: int) -> tuple[Bars, int]:
    """Return at most `most` candles merged from the bars, and the length of one in ms.

    The length is 0 where a single bar does not tell it.
    """
    step = _step(bars)
    if len(bars) <= most:
        return bars, step
    spans = (minutes * 60_000 for minutes in _MINUTES if minutes * 60_000 % step == 0)
    doubled = (step << power for power in itertools.count(1))
    ts = bars["ts"].copy()
    for span in itertools.chain(spans, doubled):
        if len(bars) * step <= most * span:  # else even without gaps there are too many
            first = np.flatnonzero(np.diff(ts // span, prepend=-1))
            if len(first) <= most:
                break
    candles = bars[first]
    candles["ts"] -= candles["ts"] % span
    candles["high"] = np.maximum.reduceat(bars["high"], first)
    candles["low"] = np.minimum.reduceat(bars["low"], first)
    candles["close"] = bars["close"][np.append(first[1:], len(bars)) - 1]
    candles["volume"] = np.add.reduceat(bars["volume"], first)
    return candles, span


def _step(bars: Bars) -> int:
    """Return the ms from bar to bar: the shortest there is, 0 for a single bar."""
    return int(np.diff(bars["ts"]).min()) if len(bars) > 1 else 0


def _line(name: str, ts: Times, values: Floats, *, color: str, width: float) -> Figure:
    kept = extremes(values, POINTS_MAX)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": html.escape(name),  # plotly.js reads names as markup
        "x": ts[kept].tolist(),
        "y": values[kept].tolist(),
        "line": {"color": color, "width": width},
        "hovertemplate": "%{y:,.2f}",
    }


def _holding(symbol: str, bars: Bars, values: Floats) -> Figure:
    """Return what the first equity made when held in the symbol, without costs.

    It starts hidden where it would press the equity into less than a quarter of the height.
    """
    worth = values[0] * bars["close"] / bars["close"][0]
    name = f"Holding {symbol}: {shown(worth[-1] / worth[0] - 1.0, Unit.GAIN)}"
    span = max(worth.max(), values.max()) - min(worth.min(), values.min())
    pressed = span > 4.0 * (values.max() - values.min())
    line = _line(name, bars["ts"] + _step(bars), worth, color="@candle", width=1)
    return line | ({"visible": "legendonly"} if pressed else {})


def _price(candles: Bars, trades: pa.Table) -> Figure:
    """Return candles with entries marked below them and exits above, away from the price."""
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
    margin = max(1, len(ts) // 100) * (_step(candles) or 60_000)
    time = {**_TIME, "range": [int(ts[0]) - margin, int(ts[-1]) + margin]}
    axis = {**_AXIS, "tickformat": ",~r"}
    return {"data": [price, *marks], "layout": {**_LAYOUT, "xaxis": time, "yaxis": axis}}


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
