"""The gate: what a run must reach, and the records of those that did.

A record stands in the store's folder, which is kept and backed up and which the engine that trades
knows; results may be thrown away. It holds for one configuration, one set of data and one version
of the code, and for no other. `trading_hash` is what a run on paper of the same has in common with
the backtest: mode and feed are of another configuration. It covers code that is not the engine's.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine import clock
from engine.core.compile.declare import Part
from engine.exits import Exits
from engine.research.columns import to_array
from engine.settings import Settings

BINDING = ("config_hash", "data_hash", "code_version")  # what a record holds for
OURS = "engine"  # the package that code_version is of

Kpi = dict[str, dict[str, Any]]

_TRADES = ("universe", "account", "execution")  # sections that decide what is traded, and how
_COSTS = {"funding_ratio", "funding_hours", "funding_files"}  # what the market does, not we


def targets(settings: Settings) -> dict[str, float]:
    """Return the least value of each figure that is asked for, such as `win_rate.ema_cross`.

    Win rates are asked of each instance, by the kind of its class, all else of the whole run. A
    drawdown is negative, and so is its target.
    """
    asked = settings.gate
    fall = asked.max_drawdown_max
    found: dict[str, float | None] = {
        "sharpe": asked.sharpe_min,
        "max_drawdown": None if fall is None else -fall,
        "profit_factor": asked.profit_factor_min,
        "trades": asked.trades_min,
    }
    for name, instance in settings.strategy.items():
        in_range = getattr(type(instance.strategy), "kind", "trend") == "range"
        found[f"win_rate.{name}"] = (
            asked.range_win_rate_min if in_range else asked.trend_win_rate_min
        )
    return {name: limit for name, limit in found.items() if limit is not None}


def judge(asked: Mapping[str, float], stats: Mapping[str, float | None], trades: pa.Table) -> Kpi:
    """Return value, limit and passed of each target; a value that is not defined does not pass."""
    values = {**stats, **_win_rates(trades)}
    found = {}
    for name, limit in asked.items():
        value = values.get(name)
        is_reached = value is not None and value >= limit
        found[name] = {"value": value, "limit": limit, "passed": is_reached}
    return found


def _win_rates(trades: pa.Table) -> dict[str, float]:
    """Return the win rate of each instance that has closed a trade."""
    strategies = np.array(trades["strategy"].to_pylist(), str)
    won = to_array(trades["profit"]) > 0.0
    return {f"win_rate.{n}": float(won[strategies == n].mean()) for n in np.unique(strategies)}


def is_passed(kpi: Kpi) -> bool:
    """Return whether every target is reached."""
    return all(row["passed"] for row in kpi.values())


def unfit(facts: Mapping[str, Any]) -> list[str]:
    """Return why a run cannot pass whatever it reaches: a sentence for each thing it made up."""
    found = []
    if facts["fill_on"] != "next":
        found.append(
            f"execution.fill_on: must be next, was {facts['fill_on']}: orders were filled at the"
            " price that decided them, which no real order can reach. Write execution.fill_on=next."
        )
    if facts["made_up"]:
        found.append(
            "feed: must be a market that was recorded, was made up, which says nothing about any"
            " other. Choose feed=tape and files of a venue."
        )
    return found


# ── records ───────────────────────────────────────────────────────────────────────────────────


def trading_hash(settings: Settings) -> str:
    """Return the sha256 of what decides trading, the same in a backtest and on paper.

    Strategies with their parameters, symbols, timeframes, sizings and exits, rules, universe,
    account, execution and costs, and the source of classes that are not the engine's; not mode,
    feed, venue and funding, nor where results go.
    """
    decides: dict[str, Any] = {name: getattr(settings, name).model_dump() for name in _TRADES}
    decides["costs"] = settings.costs.model_dump(exclude=_COSTS)
    decides["risk"] = [[name, _part(rule)] for name, rule in settings.risk.items()]
    decides["strategy"] = [
        {
            "name": name,
            "class": _part(instance.strategy),
            "symbols": instance.symbols or settings.universe.symbols,
            "timeframe": instance.timeframe or settings.feed.timeframe,
            "sizing": (instance.sizing or settings.sizing).model_dump(),
            "exits": (instance.exits or Exits()).model_dump(),
        }
        for name, instance in settings.strategy.items()
    ]
    text = json.dumps(decides, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _part(part: Part) -> list[Any]:
    kind = type(part)
    given = {name: getattr(part, name) for name in part.parameters()}
    package = kind.__module__.partition(".")[0]
    sources = [] if package == OURS else [_source(package)]
    return [f"{kind.__module__}.{kind.__qualname__}", given, *sources]


def _source(package: str) -> str:
    """Return the sha256 of all Python files of a package: a class may use any of them."""
    module = sys.modules[package]
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    files = [(file.relative_to(root), file) for root in folders for file in root.rglob("*.py")]
    if not folders and module.__file__:
        files = [(Path(package), Path(module.__file__))]
    digest = hashlib.sha256()
    for name, file in sorted(files):
        digest.update(f"{name.as_posix()}\n".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def record_of(directory: Path, facts: Mapping[str, Any], trading: str) -> dict[str, Any] | None:
    """Return the record of an earlier pass of this configuration, data and code.

    `trading` is the `trading_hash` of its settings. A record that cannot be read, or was changed,
    counts as none.
    """
    bound = {**{key: facts[key] for key in BINDING}, "trading_hash": trading}
    try:
        record: dict[str, Any] = json.loads(_file(directory, facts).read_bytes())
    except (OSError, ValueError):
        return None
    return record if all(record.get(key) == value for key, value in bound.items()) else None


def is_committed(facts: Mapping[str, Any]) -> bool:
    """Return whether the version of the code says what the code is."""
    return not facts["code_version"].endswith("-dirty")


def write_record(directory: Path, facts: Mapping[str, Any], trading: str, kpi: Kpi) -> Path:
    """Write that a run has passed, whole or not at all; return the file.

    `trading` is the `trading_hash` of its settings.
    """
    path = _file(directory, facts)
    record = {
        **{key: facts[key] for key in BINDING},
        "trading_hash": trading,
        "committed": is_committed(facts),
        "passed_at": clock.utc(clock.now_ms()),
        "run_id": facts["run_id"],
        "kpi": kpi,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def _file(directory: Path, facts: Mapping[str, Any]) -> Path:
    config, data, code = (facts[key] for key in BINDING)
    return directory / "gate" / f"{config[:16]}-{data[:16]}-{code}.json"
