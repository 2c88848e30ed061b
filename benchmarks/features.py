"""Measures what each part of the core adds to a bar: one strategy with it, beside one without.

python -m benchmarks.features [--write] runs all of them in turn, many times, and takes the best of
each. Where a feature changes what is traded, its own cost and that of the other trades are one. The
figures depend on the machine and fail nothing.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import workload
from benchmarks.run import rules
from engine import clock
from engine.core.assemble import layout
from engine.core.machine import Compiled
from engine.core.portfolio import Instance, Instrument, Portfolio
from engine.core.records import Kind, Sizing
from engine.research.backtest import replay
from engine.strategies.ema_cross import EmaCross
from engine.strategies.grid import Grid
from engine.strategies.multi_timeframe import MultiTimeframe
from engine.version import code_version
from tests.market import MINUTE, bar_events, numbered, portfolio, target

README = Path(__file__).parent / "README.md"
BARS = 100_000
RUNS = 100
EXITS: dict[str, dict[str, Any]] = {
    "`stop_loss`": {"stop_loss": 0.02},
    "`take_profit`": {"take_profit": 0.04},
    "`take_profit_ladder`, 3 rungs": {"ladder": ((0.01, 0.3), (0.02, 0.3), (0.03, 0.4))},
    "`roi`, 3 rows": {"roi": ((0, 0.04), (60 * MINUTE, 0.02), (240 * MINUTE, 0.0))},
    "`trailing`": {"trailing_distance": 0.02, "trailing_activation": 0.01},
    "`break_even`": {"break_even_at": 0.01},
    "`time_stop_minutes`": {"time_stop": 480 * MINUTE},
    "`opposite_signal: ignore`, with a stop": {"ignores_opposite": True, "stop_loss": 0.02},
}
SIZINGS: dict[str, dict[str, Any]] = {
    "sizing by equity": {"sizing": Sizing.EQUITY, "ratio": 0.5},
    "sizing by money": {"sizing": Sizing.NOTIONAL, "notional": 100.0},
    "sizing by risk, with a stop": {
        "sizing": Sizing.RISK,
        "aim": 0.01,
        "ratio_max": 0.5,
        "stop_loss": 0.02,
    },
    "sizing by volatility": {
        "sizing": Sizing.VOLATILITY,
        "aim": 0.3,
        "length": 50,
        "ratio_max": 0.5,
    },
    "sizing by Kelly": {
        "sizing": Sizing.KELLY,
        "aim": 0.5,
        "ratio": 0.1,
        "ratio_min": 0.01,
        "ratio_max": 0.5,
        "trades_min": 30,
    },
}
COSTS: dict[str, dict[str, Any]] = {
    "slippage": {"slippage": 0.0002},
    "impact": {"impact": 0.001},
    "partial fills by volume": {"share_max": 0.05},
    "limit orders": {"by_limit": True, "offset": 0.0005, "good_for": 5 * MINUTE},
    "latency": {"latency": 250},
    "rejections": {"rejection": 0.02},
    "6 rules": {"rules": rules()},
}


def plans() -> Iterator[tuple[str, Portfolio]]:
    """Yield each feature with a portfolio that has it and nothing else, the bare one first."""
    yield "nothing", plan()
    for name, given in (EXITS | SIZINGS).items():
        yield name, plan(**given)
    for name, given in COSTS.items():
        yield name, plan(EmaCross(fast=10, slow=30), given)
    perpetual = {"leverage": 3.0, "maintenance": 0.005, "liquidation": 0.01}
    for margin in ("isolated", "cross"):
        grid = Instrument("X/USD", isolated=margin == "isolated", **perpetual)
        yield f"a perpetual, {margin}", plan(EmaCross(fast=10, slow=30), {"instruments": (grid,)})
    yield "funding every 8 hours", plan(EmaCross(fast=10, slow=30), {"instruments": (grid,)})
    trend = MultiTimeframe(fast=10, slow=30, trend_timeframe="1h")
    yield "`multi_timeframe`, which watches 1h", plan(trend)
    yield "`grid`, 10 levels", plan(Grid(count=10, spacing=0.002))


def plan(strategy: Any = None, account: dict[str, Any] | None = None, **given: Any) -> Portfolio:
    """Return one instance on one symbol."""
    own = {"sizing": Sizing.FIXED, "quantity": 1.0} | given
    made = strategy or EmaCross(fast=10, slow=30)
    return portfolio(Instance("it", made, ("X/USD",), MINUTE, **own), **(account or {}))


def measured() -> list[str]:
    """Return a row of the table for each feature."""
    data = workload.bars(BARS)
    bars = bar_events(np.stack([data[name] for name in workload.NAMES], axis=1))
    due = range(480, BARS, 480)
    funding = [target(i * MINUTE, 0.0001, kind=Kind.FUNDING) for i in due]
    events = {"funding every 8 hours": numbered(bars, *funding)}
    took: dict[str, list[float]] = {}
    trades = {}
    for _ in range(RUNS):
        for name, made in plans():
            machine = Compiled(layout(made))
            begun = clock.seconds()
            done = replay(machine, events.get(name, bars))
            took.setdefault(name, []).append(clock.seconds() - begun)
            trades[name] = len(done.logs["trades"])
    best = {name: min(times) / BARS * 1e9 for name, times in took.items()}
    bare = best.pop("nothing")
    rows = [f"| a bar of `ema_cross` without any | {bare:.1f} ns | {trades['nothing']:,} |"]
    for name, cost in best.items():
        rows.append(f"| {name} | {cost - bare:+.1f} ns | {trades[name]:,} |")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/README.md")
    write = parser.parse_args().write
    rows = "\n".join(measured())
    print(rows)
    if write:
        text = README.read_text(encoding="utf-8")
        before, _, rest = text.partition("## Features\n")
        day, cores = clock.utc(clock.now_ms())[:10], os.cpu_count()
        README.write_text(
            f"{before}## Features\n\nWhat each adds to a bar (`benchmarks/features.py`), of {day},"
            f" {code_version()}, {cores} cores,\nPython {platform.python_version()}. Where it"
            " changes what is traded, the other trades are in the figure:\n\n"
            f"| feature | cost of a bar | trades |\n|---|---|---|\n{rows}\n\n"
            f"## Indicators{rest.partition('## Indicators')[2]}",
            encoding="utf-8",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
