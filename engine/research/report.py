"""A run as one HTML file that opens offline: figures, warnings, charts, trades, statistics.

The page loads nothing: plotly.js and all of ours stand in it, and its security policy admits
these scripts alone, by their hashes.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
import pyarrow as pa

from engine.research import charts, groups, periods, prices
from engine.research.candles import SYMBOLS_MAX
from engine.research.columns import take, to_array
from engine.research.figures import Unit, listed, moments, shown
from engine.research.formulas import STATS, Stat

if TYPE_CHECKING:
    from engine.research.result import Result

TRADES_MAX = 500  # listed from the start, and again from the end
FALLS_MAX = 10  # drawdowns

_HEADLINE = (
    "total_return",
    "cagr",
    "max_drawdown",
    "sharpe",
    "trades",
    "win_rate",
    "profit_factor",
)
_COMPARED = (
    "total_return",
    "cagr",
    "max_drawdown",
    "sharpe",
    "trades",
    "win_rate",
    "profit_factor",
    "expectancy",
    "fees",
)
_NONE = {
    "Fees": "none was charged",
    "Slippage": "none: every fill had its price",
    "Funding": "none was due",
}
_TEMPLATES = Path(__file__).parent / "templates"


def write(result: "Result", path: Path) -> None:
    """Write the report of a run to `path`."""
    write_page("report.html", _context(result), path)


def write_page(template: str, context: Mapping[str, Any], path: Path) -> None:
    """Write a page that has plotly.js and all of ours in it, whole or not at all."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": _typeset, "tone": _tone, "moment": _moment, "heat": _heat}
    plotly = _plotly().read_bytes()
    script = (_TEMPLATES / "report.js").read_bytes()
    page = environment.get_template(template).stream(
        context,
        policy=_policy(plotly, script),
        plotly=plotly.decode(),
        script=script.decode(),
        style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
    )
    partial = path.with_name(f"{path.name}.partial")
    try:
        page.dump(str(partial), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def embedded(data: object) -> str:
    """Return JSON that may stand in a script element: no text in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _context(result: "Result") -> dict[str, Any]:
    facts, trades = result.facts, result.trades
    times = to_array(result.equity["ts"])
    stats: dict[str, list[tuple[Stat, float | None]]] = {}
    for name, stat in STATS.items():
        stats.setdefault(stat.group, []).append((stat, result.stats[name]))
    drawn = prices.charts(result)
    return {
        "facts": facts,
        "title": f"{listed(facts['strategies'])} on {listed(facts['symbols'])}",
        "period": " to ".join(moments(times[[0, -1]])) if len(times) else "",
        "headline": [(STATS[name], result.stats[name]) for name in _HEADLINE],
        "stats": stats,
        "kpi": [_target(name, row) for name, row in result.kpi.items()],
        "scenarios": result.scenarios,
        "compared": [(name, STATS[name]) for name in _COMPARED],
        "costs": _costs(facts),
        "groups": _groups(trades),
        "trades": _rows(trades),
        "trades_max": TRADES_MAX,
        "prices": list(drawn),
        "symbols_max": SYMBOLS_MAX,
        **_by_time(result, drawn),
    }


def _by_time(result: "Result", drawn: dict[str, charts.Figure]) -> dict[str, Any]:
    """Return what the days of a run say, and the data of every chart."""
    cash, trades = result.facts["cash"], result.trades
    ts, equity, drawdown = (to_array(result.equity[n]) for n in ("ts", "equity", "drawdown"))
    run = periods.days(cash, ts, equity)
    years = periods.years(cash, ts, equity, trades)
    still = (run.gain == 0.0) | np.isnan(run.gain)  # NaN: begun with nothing
    moved = run.gain[~still & np.isfinite(run.gain)]
    traded = to_array(trades["return"])
    traded = traded[np.isfinite(traded)]
    figures = {
        "equity": charts.equity(result),
        "rolling": charts.rolling(run),
        "daily": charts.distribution(moved, "days"),
        "traded": charts.distribution(traded, "trades"),
        "prices": list(drawn.values()),
    }
    gains = [abs(gain) for year in years for gain in year.months if gain]
    return {
        "years": years,
        "strong": float(np.quantile(gains, 0.9)) if gains else 1.0,
        "falls": periods.falls(ts, drawdown, FALLS_MAX),
        "window": periods.WINDOW,
        "still": int(still.sum()),
        "shapes": {
            name: (float(values.mean()), *np.quantile(values, (0.05, 0.5, 0.95)).tolist())
            for name, values in (("daily", moved), ("traded", traded))
            if len(values)
        },
        "drawn": [name for name, figure in figures.items() if figure],
        "charts": embedded(figures),
    }


def _target(name: str, row: Mapping[str, Any]) -> tuple[Stat, str, Mapping[str, Any]]:
    """Return the statistic of a target such as `win_rate.ema_cross`, whose it is, and its row."""
    stat, _, instance = name.partition(".")
    return STATS[stat], instance, row


def _costs(facts: Mapping[str, Any]) -> list[tuple[str, float, float | None, str | None]]:
    """Return what was made before costs, each cost, and what is left, with its share of the first.

    The shares are None where nothing was made before costs. A cost of nothing is said in words.
    """
    made = facts["final_equity"] - facts["cash"]
    costs = {name.capitalize(): 0.0 - amount for name, amount in facts["costs"].items()}
    before = made - sum(costs.values())
    rows = {"Profit before costs": before, **costs, "Profit": made}
    return [
        (name, row, row / before if before > 0.0 else None, None if row else _NONE.get(name))
        for name, row in rows.items()
    ]


def _groups(trades: pa.Table) -> list[tuple[str, list[str], list[groups.Group]]]:
    """Return title, names of the first columns and rows of each way to sum the trades up."""
    if not trades.num_rows:
        return []
    strategies, symbols = groups.by(trades, "strategy"), groups.by(trades, "symbol")
    sides = groups.by_side(trades)
    found = [("By strategy", ["Strategy"], strategies), ("By symbol", ["Symbol"], symbols)]
    if len(strategies) > 1 and len(symbols) > 1:
        both = groups.by(trades, "strategy", "symbol")
        found.append(("By strategy and symbol", ["Strategy", "Symbol"], both))
    if len(sides) > 1:
        found.append(("By side", ["Side"], sides))
    return [
        *found,
        ("By exit", ["Exit by"], groups.by(trades, "exit_reason")),
        ("By weekday of entry, UTC", ["Weekday"], groups.by_weekday(trades)),
        ("By hour of entry, UTC", ["Hour"], groups.by_hour(trades)),
    ]


def _rows(trades: pa.Table) -> list[dict[str, Any]]:
    """Return the first and the last trades, numbered, with their times as text."""
    index = np.arange(trades.num_rows)
    if trades.num_rows > 2 * TRADES_MAX:
        index = np.concatenate((index[:TRADES_MAX], index[-TRADES_MAX:]))
    chosen = take(trades, index)
    opened, closed = (moments(to_array(chosen[name])) for name in ("opened_at", "closed_at"))
    columns = zip((index + 1).tolist(), opened, closed, chosen.to_pylist(), strict=True)
    return [
        {**row, "number": number, "opened": begin, "closed": end}
        for number, begin, end, row in columns
    ]


def _typeset(value: float | None, unit: str) -> str:
    return shown(value, Unit[unit]).replace("-", "\N{MINUS SIGN}")


def _moment(ts: int) -> str:
    return moments(np.array([ts]))[0]


def _tone(value: float | None) -> str:
    return "profit" if value and value > 0 else "loss" if value and value < 0 else ""


def _heat(value: float, strong: float) -> str:
    """Return how much a cell of a heat map is tinted; `strong` is a value that few exceed."""
    share = min(abs(value) / strong, 1.5) if strong else 0.0
    return f"--heat: {36.0 * share:.0f}%"


def _plotly() -> Path:
    """Return where the installed plotly keeps plotly.js, without the time an import takes."""
    script = distribution("plotly").locate_file("plotly/package_data/plotly.min.js")
    return Path(str(script))


def _policy(*scripts: bytes) -> str:
    """Return a security policy under which only these scripts run and nothing is loaded.

    Styles are free: plotly.js writes its own while it draws.
    """
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
