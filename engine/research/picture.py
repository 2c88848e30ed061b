"""A run as one picture: key figures, equity, drawdown and monthly returns."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, PercentFormatter

from engine.research import periods
from engine.research.charts import POINTS_MAX, extremes
from engine.research.columns import to_array
from engine.research.figures import Unit, listed, moments, shown
from engine.research.formulas import STATS

if TYPE_CHECKING:
    from engine.research.result import Result

WIDTH, DPI = 12.0, 150  # inches, pixels an inch
YEARS_MAX = 20  # lines of the heat map, the last ones

_TEXT, _MUTED, _LINE = "#1c2024", "#6a727c", "#dcdcd7"
_ACCENT, _PROFIT, _LOSS = "#2b5fa8", "#1a7443", "#b0332b"
_KEYS = (
    "total_return",
    "cagr",
    "max_drawdown",
    "sharpe",
    "trades",
    "win_rate",
    "profit_factor",
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The first one comes with matplotlib; the others have Chinese signs, where one is installed.
_FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei")
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.color": _TEXT,
    "text.parse_math": False,  # a name may have a $
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
}


def write(result: "Result", path: Path) -> None:
    """Write the picture of a run to `path`, as PNG; no display is needed."""
    ts, equity, drawdown = (to_array(result.equity[n]) for n in ("ts", "equity", "drawdown"))
    years = periods.years(result.facts["cash"], ts, equity, result.trades)[-YEARS_MAX:]
    table = 0.6 + 0.26 * len(years)  # inches
    heights = [1.3, 3.6, 1.5, table]
    layout = ConstrainedLayoutEngine(w_pad=0.25, h_pad=0.12)
    fonts = {"font.family": [name for name in _FONTS if name in get_font_names()]}
    with mpl.rc_context(_STYLE | fonts), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as boxes
        figure = Figure(figsize=(WIDTH, sum(heights) + 1.2), dpi=DPI, layout=layout)
        FigureCanvasAgg(figure)
        rows = figure.add_gridspec(4, 1, height_ratios=heights)
        _figures(figure.add_subplot(rows[0]), result)
        upper = figure.add_subplot(rows[1])
        lower = figure.add_subplot(rows[2], sharex=upper)
        _curve(upper, ts, equity, f"Equity, {result.facts['currency']}", Unit.COUNT, _ACCENT)
        _curve(lower, ts, drawdown, "Drawdown", Unit.SHARE, _LOSS)
        upper.tick_params(labelbottom=False)
        _months(figure.add_subplot(rows[3]), years)
        figure.savefig(path, metadata={"Software": None})


def _figures(axes: Axes, result: "Result") -> None:
    """Write the title, and the key figures in a row; long texts take no room from the charts."""
    axes.axis("off")
    facts, ts = result.facts, to_array(result.equity["ts"])
    period = " to ".join(moments(ts[[0, -1]])) + " UTC" if len(ts) else "No events"
    _title(axes, facts["strategies"], facts["symbols"])
    axes.text(0, 0.72, period, color=_MUTED, va="top", in_layout=False)
    cells = [("Final equity", _typeset(facts["final_equity"], Unit.MONEY), _TEXT)]
    for name in _KEYS:
        stat, value = STATS[name], result.stats[name]
        signed = stat.unit is Unit.GAIN and value
        cells.append((stat.label, _typeset(value, stat.unit), _tone(value) if signed else _TEXT))
    # Letters of a value are half as wide again as those of its label.
    widths = np.array([max(len(label), 1.5 * len(text)) + 3.0 for label, text, _ in cells])
    begins = (np.cumsum(widths) - widths) / max(widths.sum(), 130.0)
    for (label, text, color), x in zip(cells, begins.tolist(), strict=True):
        axes.text(x, 0.36, label, color=_MUTED, va="top", in_layout=False)
        axes.text(x, 0.14, text, fontsize=12, weight="bold", color=color, va="top", in_layout=False)


def _title(axes: Axes, strategies: Sequence[str], symbols: Sequence[str]) -> None:
    """Write as many names as have room."""
    title = axes.text(0, 1, "", fontsize=14, weight="bold", va="top", in_layout=False)
    for most in (3, 2, 1):
        title.set_text(f"{listed(strategies, most)} on {listed(symbols, most)}")
        if title.get_window_extent().width < 0.85 * WIDTH * DPI:
            break


def _curve(axes: Axes, ts: Any, values: Any, title: str, unit: Unit, color: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, color=_MUTED, weight="bold")
    share = unit is Unit.SHARE
    axes.yaxis.set_major_formatter(
        PercentFormatter(1.0) if share else FuncFormatter(lambda x, _: _typeset(x, Unit.PRICE))
    )
    if not len(values):
        return
    kept = extremes(values, POINTS_MAX)
    times = ts[kept].astype("datetime64[ms]")
    axes.plot(times, values[kept], color=color, linewidth=1.0)
    if share:
        axes.fill_between(times, values[kept], 0.0, color=color, alpha=0.15, linewidth=0)
    axes.margins(x=0.005)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _months(axes: Axes, years: list[periods.Year]) -> None:
    """Draw the heat map of monthly returns, with the year's in the last column."""
    axes.set_title("Monthly returns in percent, UTC", loc="left", fontsize=9, color=_MUTED,
                   weight="bold")  # fmt: skip
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_xticks(range(13), [*_MONTHS, "Year"])
    axes.set_yticks(range(len(years)), [year.name for year in reversed(years)])
    if not years:
        return
    gains = np.array([[*year.months, None] for year in reversed(years)], float)
    known = np.abs(gains[np.isfinite(gains)])
    strong = 1.5 * float(np.quantile(known, 0.9)) or 1.0
    heat = LinearSegmentedColormap.from_list("heat", ["#c8827d", "#ffffff", "#80b598"])
    axes.imshow(gains, cmap=heat, vmin=-strong, vmax=strong, aspect="auto")
    for row, year in enumerate(reversed(years)):
        for column, gain in enumerate((*year.months, year.gain)):
            if gain is not None:
                text = _typeset(gain, Unit.GAIN).removesuffix(" %")
                color, weight = (_tone(gain), "bold") if column == 12 else (_TEXT, "normal")
                axes.text(
                    column,
                    row,
                    text,
                    ha="center",
                    va="center",
                    fontsize=8.5,
                    color=color,
                    weight=weight,
                )


def _typeset(value: float | None, unit: Unit) -> str:
    return shown(value, unit).replace("-", "\N{MINUS SIGN}")


def _tone(value: float | None) -> str:
    return _PROFIT if (value or 0.0) >= 0.0 else _LOSS
