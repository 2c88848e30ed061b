"""A run as one HTML file that opens offline: figures, warnings, charts, trades, statistics.

The page loads nothing: plotly.js and all of ours stand in it, and its security policy admits
these scripts alone, by their hashes.
"""

import base64
import hashlib
import json
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
import pyarrow as pa

from engine.research import charts
from engine.research.columns import take, to_array
from engine.research.figures import Unit, listed, moments, shown
from engine.research.formulas import STATS, Stat
from engine.research.stats import by_book

if TYPE_CHECKING:
    from engine.research.result import Result

TRADES_MAX = 500  # listed from the start, and again from the end

_HEADLINE = (
    "total_return",
    "cagr",
    "max_drawdown",
    "sharpe",
    "trades",
    "win_rate",
    "profit_factor",
)
_TEMPLATES = Path(__file__).parent / "templates"


def write(result: "Result", path: Path) -> None:
    """Write the report of a run to `path`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": _typeset, "tone": _tone, "moment": _moment}
    plotly = _plotly().read_bytes()
    script = (_TEMPLATES / "report.js").read_bytes()
    page = environment.get_template("report.html").stream(
        _context(result),
        policy=_policy(plotly, script),
        plotly=plotly.decode(),
        script=script.decode(),
        style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
    )
    page.dump(str(path), encoding="utf-8")


def embedded(data: object) -> str:
    """Return JSON that may stand in a script element: no text in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _context(result: "Result") -> dict[str, Any]:
    facts, trades = result.facts, result.trades
    times = to_array(result.equity["ts"])
    groups: dict[str, list[tuple[Stat, float | None]]] = {}
    for name, stat in STATS.items():
        groups.setdefault(stat.group, []).append((stat, result.stats[name]))
    prices = charts.prices(result)
    return {
        "facts": facts,
        "title": f"{listed(facts['strategies'])} on {listed(facts['symbols'])}",
        "period": " to ".join(moments(times[[0, -1]])) if len(times) else "",
        "headline": [(STATS[name], result.stats[name]) for name in _HEADLINE],
        "groups": groups,
        "kpi": result.kpi,
        "books": by_book(trades),
        "trades": _rows(trades),
        "trades_max": TRADES_MAX,
        "prices": list(prices),
        "symbols_max": charts.SYMBOLS_MAX,
        "charts": embedded({"equity": charts.equity(result), "prices": list(prices.values())}),
    }


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
