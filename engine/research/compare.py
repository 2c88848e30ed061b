"""Two saved runs side by side, from their folders: statistics, configuration, both curves."""

import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from engine.errors import ConfigError
from engine.research import charts, report
from engine.research.columns import to_array
from engine.research.figures import UNDEFINED, Unit, shown
from engine.research.formulas import STATS

NAMES = ("A", "B")
COSTS = ("fees", "slippage", "funding")
FILES = ("result.json", "config.yaml", "equity.parquet")
FACTS = (
    "run_id", "started_at", "code_version", "data_hash", "bars", "fill_on", "compiled",
    "currency", "cash", "final_equity", "costs", "strategies", "symbols",
)  # fmt: skip


@dataclass(frozen=True)
class Saved:
    """A run that was written to a folder: `result.json`, its configuration by key, its equity."""

    folder: Path
    result: dict[str, Any]
    config: dict[str, str]
    equity: pa.Table


@dataclass(frozen=True)
class Pair:
    """Two runs: cost, statistic, or key that differs → what the first and the second have."""

    runs: tuple[Saved, Saved]
    costs: dict[str, tuple[float | None, float | None]]
    stats: dict[str, tuple[float | None, float | None]]
    config: dict[str, tuple[str, str]]
    warnings: list[str]


def read(folder: Path) -> Saved:
    """Return a saved run; raise ConfigError where the folder does not hold one."""
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        equity = pq.read_table(folder / "equity.parquet")
        if not isinstance(result, dict):
            raise ValueError(f"result.json holds a {type(result).__name__}, no fields")
        missing = [name for name in (*FACTS, "stats") if name not in result]
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{folder}: must hold {', '.join(FILES)} of a backtest, does not ({error}). Name the"
            " folder of a run."
        ) from error
    if missing:
        raise ConfigError(
            f"{folder}/result.json: must have {', '.join(missing)}, has not: it is of another"
            " release. Run the backtest again."
        )
    return Saved(folder, result, dict(_leaves(config)), equity)


def compare(first: Saved, second: Saved) -> Pair:
    """Return what is the same and what is not."""
    a, b = first.result, second.result
    keys = [*first.config, *(key for key in second.config if key not in first.config)]
    values = {k: (first.config.get(k, UNDEFINED), second.config.get(k, UNDEFINED)) for k in keys}
    warnings = []
    for name, what in (
        ("data_hash", "They read different data"),
        ("code_version", "They were made by different versions"),
        ("currency", "Their amounts are in different currencies"),
    ):
        if a[name] != b[name]:
            warnings.append(f"{what}: {a[name]} and {b[name]}.")
    return Pair(
        (first, second),
        {name: (a["costs"].get(name), b["costs"].get(name)) for name in COSTS},
        {name: (a["stats"].get(name), b["stats"].get(name)) for name in STATS},
        {key: both for key, both in values.items() if both[0] != both[1]},
        warnings,
    )


def write(pair: Pair, path: Path) -> None:
    """Write both runs as one page that opens offline."""
    stats: dict[str, list[tuple[Any, ...]]] = {}
    for name, (a, b) in pair.stats.items():
        stat = STATS[name]
        stats.setdefault(stat.group, []).append((stat, a, b, *difference(a, b, stat.unit)))
    context = {
        "names": NAMES,
        "runs": [run.result for run in pair.runs],
        "folders": [str(run.folder) for run in pair.runs],
        "costs": {
            name.capitalize(): (a, b, *difference(a, b, Unit.MONEY))
            for name, (a, b) in pair.costs.items()
        },
        "stats": stats,
        "config": pair.config,
        "warnings": pair.warnings,
        "charts": report.embedded({"both": _curves(pair)}),
    }
    report.write_page("compare.html", context, path)


def document(pair: Pair) -> dict[str, Any]:
    """Return the comparison for programs."""
    return {
        **{name.lower(): str(run.folder) for name, run in zip(NAMES, pair.runs, strict=True)},
        "costs": _side_by_side(pair.costs),
        "stats": _side_by_side(pair.stats),
        "config": {key: {"a": a, "b": b} for key, (a, b) in pair.config.items()},
        "warnings": pair.warnings,
    }


def _side_by_side(
    found: dict[str, tuple[float | None, float | None]],
) -> dict[str, dict[str, float | None]]:
    return {
        name: {"a": a, "b": b, "difference": None if a is None or b is None else b - a}
        for name, (a, b) in found.items()
    }


def difference(a: float | None, b: float | None, unit: Unit) -> tuple[str, float | None]:
    """Return b - a as text, fractions in percentage points, and as a number."""
    if a is None or b is None:
        return UNDEFINED, None
    change = b - a
    if unit in (Unit.GAIN, Unit.SHARE):
        return shown(change, Unit.GAIN).replace("%", "pp"), change
    sign = "+" if change > 0 else ""
    return sign + shown(change, Unit.MONEY if unit is Unit.PROFIT else unit), change


def _curves(pair: Pair) -> charts.Figure:
    """Return what each run made of its cash, above its drawdown, on one time axis."""
    data = []
    for name, run, color in zip(NAMES, pair.runs, ("@accent", "@line-1"), strict=True):
        ts, equity, drawdown = (to_array(run.equity[n]) for n in ("ts", "equity", "drawdown"))
        label = html.escape(f"{name}: {run.result['run_id']}")
        for values, axis in ((equity / run.result["cash"] - 1.0, "y"), (drawdown, "y2")):
            curve = charts.line(label, ts, values, color=color, width=1.3 if axis == "y" else 1)
            curve |= {"yaxis": axis, "showlegend": axis == "y", "hovertemplate": "%{y:.2%}"}
            data.append(curve | {"legendgroup": name})
    layout = charts.stacked("+,.1~%")
    return {"data": data, "layout": layout}


def _leaves(tree: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted key, value as text) of a configuration."""
    if isinstance(tree, dict) and tree:
        for key, inner in tree.items():
            yield from _leaves(inner, f"{place}.{key}" if place else str(key))
    else:
        yield place, tree if isinstance(tree, str) else json.dumps(tree, ensure_ascii=False)
