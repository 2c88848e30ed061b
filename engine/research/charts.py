"""A run's charts as plain plotly.js figures, thinned so that no high or low is lost.

A colour is written as a name, `@accent`, that the page turns into the reader's light or dark.
"""

import html
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.research import periods
from engine.research.candles import Bars, step
from engine.research.columns import to_array
from engine.research.figures import DAY_MS, Unit, shown

if TYPE_CHECKING:
    from engine.research.result import Result

POINTS_MAX = 4_000  # of a line
BARS_MAX = 120  # of a distribution

Times = NDArray[np.int64]
Floats = NDArray[np.float64]
Figure = dict[str, Any]

AXIS = {"gridcolor": "@grid", "linecolor": "@line", "zeroline": False, "automargin": True}
TIME = {
    **AXIS, "type": "date", "showgrid": False, "rangeslider": {"visible": False}, "tickangle": 0,
}  # fmt: skip
LAYOUT = {
    "paper_bgcolor": "@panel",
    "plot_bgcolor": "@panel",
    "font": {"family": "system-ui, sans-serif", "size": 12, "color": "@text"},
    "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
    # At the bottom of its chart, which plotly.js then keeps free; never with a bar to scroll.
    "legend": {
        "orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom",
        "maxheight": 1_000,
    },
    "hovermode": "x unified",
    "hoverlabel": {"bgcolor": "@panel", "bordercolor": "@line"},
}  # fmt: skip


def equity(result: "Result") -> Figure:
    """Return equity above drawdown on one time axis; beside it what holding the symbol made."""
    ts = to_array(result.equity["ts"])
    worth, falls = (to_array(result.equity[name]) for name in ("equity", "drawdown"))
    lines = [line("Equity", ts, worth, color="@accent", width=1.5)]
    symbol = result.facts["symbols"][0]
    bars = result.bars[symbol]
    if len(bars) and len(worth):
        lines.insert(0, _holding(symbol, bars, worth))
    drawdown = line("Drawdown", ts, falls, color="@loss", width=1) | {
        "yaxis": "y2",
        "fill": "tozeroy",
        "fillcolor": "@loss-area",
        "hovertemplate": "%{y:.2%}",
        "showlegend": False,
    }
    return {"data": [*lines, drawdown], "layout": stacked(",~r")}


def stacked(form: str) -> Figure:
    """Return the layout of curves above their drawdowns; `form` is that of the upper axis."""
    above = {**AXIS, "domain": [0.32, 1.0], "tickformat": form}
    below = {**AXIS, "domain": [0.0, 0.26], "tickformat": ",.1~%", "nticks": 4}
    return {**LAYOUT, "xaxis": {**TIME, "anchor": "y2"}, "yaxis": above, "yaxis2": below}


def rolling(run: periods.Days) -> Figure | None:
    """Return Sharpe ratio above volatility over the last days at each day; None: too short."""
    with np.errstate(all="ignore"):  # gains from nothing are infinite
        ratio, volatility = periods.rolling(run.gain)
    if not len(ratio):
        return None
    ts = (run.ts[-len(ratio) :] + DAY_MS).tolist()
    upper, lower = (
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": ts,
            "y": periods.each_finite(values),
            "line": {"color": color, "width": 1.2},
            "hovertemplate": form,
            "showlegend": False,
        }
        for name, values, color, form in (
            ("Sharpe ratio", ratio, "@accent", "%{y:.2f}"),
            ("Volatility", volatility, "@muted", "%{y:.1%}"),
        )
    )
    axis = {**AXIS, "domain": [0.5, 1.0], "title": {"text": "Sharpe ratio"}, "nticks": 6}
    axis |= {"zeroline": True, "zerolinecolor": "@line"}
    below = {**AXIS, "domain": [0.0, 0.42], "title": {"text": "Volatility"}, "nticks": 5}
    below |= {"tickformat": ".0%", "rangemode": "tozero"}
    layout = {**LAYOUT, "xaxis": {**TIME, "anchor": "y2"}, "yaxis": axis, "yaxis2": below}
    return {"data": [upper, lower | {"yaxis": "y2"}], "layout": layout}


def distribution(values: Floats, what: str) -> Figure | None:
    """Return how often returns of each size came, as bars whose edges meet at 0; None: too few."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return None
    width = _width(values)
    bins, count = np.unique(np.floor(values / width).astype(np.int64), return_counts=True)
    digits = max(0, -math.floor(math.log10(width * 100.0)))
    data = [
        {
            "type": "bar",
            "x": ((bins[chosen] + 0.5) * width).tolist(),
            "y": count[chosen].tolist(),
            "width": width,
            "customdata": [[b * width, (b + 1) * width] for b in bins[chosen].tolist()],
            "opacity": 0.85,
            "marker": {"color": color, "line": {"color": "@panel", "width": 0.5}},
            "hovertemplate": (
                f"%{{customdata[0]:.{digits}%}} to %{{customdata[1]:.{digits}%}}:"
                f" %{{y:,}} {what}<extra></extra>"
            ),
            "showlegend": False,
        }
        for chosen, color in ((bins < 0, "@loss"), (bins >= 0, "@profit"))
    ]
    mean = float(values.mean())
    layout = {
        **LAYOUT,
        "hovermode": "closest",
        "bargap": 0,
        "xaxis": {**AXIS, "tickformat": ".1~%", "showgrid": False, "nticks": 9},
        "yaxis": {**AXIS, "tickformat": ",d", "nticks": 6},
        "shapes": [
            {
                "type": "line", "x0": mean, "x1": mean, "y0": 0, "y1": 1, "yref": "paper",
                "line": {"color": "@text", "width": 1, "dash": "dot"},
            }
        ],
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _width(values: Floats) -> float:
    """Return the width of bars: half that of Freedman and Diaconis, rounded up to 1, 2 or 5."""
    low, high, first, third = (float(x) for x in np.quantile(values, (0.0, 1.0, 0.25, 0.75)))
    wanted = max((third - first) / len(values) ** (1 / 3), (high - low) / BARS_MAX)
    wanted = wanted or max(abs(high), 1e-4)  # all are equal
    unit = 10.0 ** math.floor(math.log10(wanted))
    return next(one * unit for one in (1.0, 2.0, 5.0, 10.0) if one * unit >= wanted * (1 - 1e-9))


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


def line(name: str, ts: Times, values: Floats, *, color: str, width: float) -> Figure:
    """Return a curve, thinned to `POINTS_MAX`."""
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
    growth = bars["close"] / bars["close"][0]
    worth = values[0] * growth
    name = f"Holding {symbol}: {shown(growth[-1] - 1.0, Unit.GAIN)}"
    span = max(worth.max(), values.max()) - min(worth.min(), values.min())
    pressed = span > 4.0 * (values.max() - values.min())
    holding = line(name, bars["ts"] + step(bars), worth, color="@candle", width=1)
    return holding | ({"visible": "legendonly"} if pressed else {})
