"""Measures what each feature adds to a bar, and what each step of a backtest takes.

python -m benchmarks.features [--write] runs all features in turn, many times, and takes the best of
each. Where one changes what is traded, its own cost and that of the other trades are one. The
steps are those of `benchmarks.steps`. The figures depend on the machine and fail nothing.
"""

import argparse
import os
import platform
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from benchmarks import steps, workload
from benchmarks.run import rules
from engine import clock
from engine.core.assemble import layout
from engine.core.compile.declare import Strategy, window
from engine.core.levels import Levels
from engine.core.machine import Compiled
from engine.core.portfolio import Instance, Instrument, Portfolio
from engine.core.records import Bar, FillOn, Kind, Out, Sizing
from engine.research.backtest import replay
from engine.strategies.bollinger import Bollinger
from engine.strategies.dca import Dca
from engine.strategies.donchian import Donchian
from engine.strategies.ema_cross import EmaCross
from engine.strategies.grid import Grid
from engine.strategies.macd import Macd
from engine.strategies.multi_timeframe import MultiTimeframe
from engine.strategies.pairs import Pairs
from engine.strategies.rsi_reversion import RsiReversion
from engine.strategies.supertrend import Supertrend
from engine.version import code_version
from tests.market import MINUTE, bar_events, numbered, portfolio, target

README = Path(__file__).parent / "README.md"
BARS = 100_000
RUNS = 100
ENTRY = 1


class Entry(Strategy):
    """Rests one order at a level `away` from the close: a stop above it, a limit order below.

    It follows the price in steps of twice that.
    """

    away: Annotated[float, Field(gt=-1, lt=1)]  # fraction of the close

    tags = {ENTRY: "entry"}

    class State:
        levels: Levels = window(1)

    def step(p, s: State, bar: Bar, out: Out) -> None:
        levels = s.levels
        has_moved = abs(bar.close - levels.price[0]) > 2.0 * abs(p.away) * bar.close
        if levels.position == 0.0 and (levels.enter[0] == 0.0 or has_moved):
            levels.price[0] = bar.close * (1.0 + p.away)
            levels.enter[0] = 1.0
            levels.is_stop[0] = 1.0 if p.away > 0.0 else 0.0
            out.tag = ENTRY


X, Y = Instrument("X/USD"), Instrument("Y/USD")
CROSS = replace(X, leverage=3.0, isolated=False, maintenance=0.005, liquidation=0.01)
ISOLATED = replace(CROSS, isolated=True)
EMA = EmaCross(fast=10, slow=30)
TREND = MultiTimeframe(fast=10, slow=30, trend_timeframe="1h")
BRACKET = {"stop_loss": 0.005, "take_profit": 0.005}

# Each row: what it sets of an instance and of its account, more than the row that it is `beside`.
BARE = "a bar of `ema_cross` without any"
NOTHING: dict[str, Any] = {
    "strategy": EMA, "span": MINUTE, "sizing": Sizing.FIXED, "quantity": 1.0, "events": "bars",
}  # fmt: skip
FEATURES: dict[str, dict[str, Any]] = {
    BARE: NOTHING,
    # exits
    "`stop_loss`": {"stop_loss": 0.02},
    "`take_profit`": {"take_profit": 0.04},
    "`take_profit_ladder`, 3 rungs": {"ladder": ((0.01, 0.3), (0.02, 0.3), (0.03, 0.4))},
    "`roi`, 3 rows": {"roi": ((0, 0.04), (60 * MINUTE, 0.02), (240 * MINUTE, 0.0))},
    "`trailing`": {"trailing_distance": 0.02, "trailing_activation": 0.01},
    "`break_even`": {"break_even_at": 0.01},
    "`time_stop_minutes`": {"time_stop": 480 * MINUTE},
    "`opposite_signal: ignore`": {"beside": "`stop_loss`", "ignores_opposite": True},
    # sizes
    "sizing by equity": {"sizing": Sizing.EQUITY, "ratio": 0.5},
    "sizing by money": {"sizing": Sizing.NOTIONAL, "notional": 100.0},
    "sizing by risk": {
        "beside": "`stop_loss`", "sizing": Sizing.RISK, "aim": 0.01, "ratio_max": 0.5,
    },
    "sizing by volatility": {
        "sizing": Sizing.VOLATILITY, "aim": 0.3, "length": 50, "ratio_max": 0.5,
    },
    "sizing by Kelly": {
        "sizing": Sizing.KELLY, "aim": 0.5, "ratio": 0.1, "ratio_min": 0.01, "ratio_max": 0.5,
        "trades_min": 30,
    },
    # fills
    "slippage": {"slippage": 0.0002},
    "spread": {"beside": "slippage", "slippage": 0.0003},  # whoever takes pays half of it on top
    "impact": {"impact": 0.001},
    "stops at the worst price of the bar": {"beside": "`stop_loss`", "stop_through": True},
    "ticks and lots": {"instruments": (replace(X, tick=0.01, lot=0.001),)},
    "partial fills by volume": {"share_max": 0.05},
    "fills at the close that decided": {"fill_on": FillOn.CLOSE},
    "limit orders": {"by_limit": True, "offset": 0.0005, "good_for": 5 * MINUTE},
    "post-only": {"beside": "limit orders", "post_only": True},
    "queue share of a half": {"beside": "limit orders", "queue_share": 0.5},
    "latency": {"latency": 250},
    "rejections": {"rejection": 0.02},
    "6 rules": {"rules": rules()},
    # perpetuals
    "an isolated perpetual": {"instruments": (ISOLATED,)},
    "a cross perpetual": {"instruments": (CROSS,)},
    "funding every 8 hours": {"beside": "a cross perpetual", "events": "funding"},
    "`macd` without shorts": {"beside": "a cross perpetual", "strategy": Macd()},
    "shorts": {"beside": "`macd` without shorts", "strategy": Macd(shorts=True)},
    # series
    "`feed.detail_timeframe`, 1m inside 1h": {"span": 60 * MINUTE},
    "bars of a second symbol": {"instruments": (Y, X), "events": "two symbols"},
    # levels
    "a limit entry at a level": {"strategy": Entry(away=-0.002)} | BRACKET,
    "a stop entry at a level": {"strategy": Entry(away=0.002)} | BRACKET,
    # strategies, in place of `ema_cross`
    "`bollinger`": {"strategy": Bollinger()},
    "`dca`, 5 entries": {"strategy": Dca(), "take_profit": 0.015},
    "`donchian`": {"strategy": Donchian()},
    "`grid`, 10 levels": {"strategy": Grid(count=10, spacing=0.002)},
    "`macd`": {"strategy": Macd()},
    "`multi_timeframe`, which watches 1h": {"strategy": TREND},
    "`pairs`": {"beside": "bars of a second symbol", "strategy": Pairs(other="Y/USD")},
    "`rsi_reversion`": {"strategy": RsiReversion()},
    "`supertrend`": {"strategy": Supertrend()},
}  # fmt: skip


def beside(name: str) -> str:
    """Return the row that a feature's cost is the difference to."""
    return str(FEATURES[name].get("beside", BARE))


def settings(name: str) -> dict[str, Any]:
    """Return all that a feature sets, with what the row beside it does."""
    return NOTHING if name == BARE else settings(beside(name)) | FEATURES[name]


def plan(name: str) -> Portfolio:
    """Return the portfolio of a feature: one instance on one symbol."""
    given = {key: it for key, it in settings(name).items() if key not in ("beside", "events")}
    own = {field.name: given.pop(field.name) for field in fields(Instance) if field.name in given}
    return portfolio(Instance("it", symbols=("X/USD",), **own), **given)


def markets() -> dict[str, Any]:
    """Return the events that features are measured on, by name."""
    rows = []
    for seed in (42, 43):
        data = workload.bars(BARS, seed)
        rows.append(np.stack([data[name] for name in workload.NAMES], axis=1))
    bars = bar_events(rows[0])
    due = range(480, BARS, 480)
    funding = [target(i * MINUTE, 0.0001, kind=Kind.FUNDING) for i in due]
    both = (bar_events(rows[1]), bar_events(rows[0], symbol=1))
    return {"bars": bars, "funding": numbered(bars, *funding), "two symbols": numbered(*both)}


def measured() -> list[str]:
    """Return a row of the table for each feature."""
    events = markets()
    plans = {name: (plan(name), events[settings(name)["events"]]) for name in FEATURES}
    took: dict[str, list[float]] = {name: [] for name in plans}
    trades = {}
    for _ in range(RUNS):
        for name, (made, market) in plans.items():
            machine = Compiled(layout(made))
            begun = clock.seconds()
            done = replay(machine, market)
            took[name].append(clock.seconds() - begun)
            trades[name] = len(done.logs["trades"])
    best = {name: min(times) / BARS * 1e9 for name, times in took.items()}
    rows = [f"| {BARE} | {best[BARE]:.1f} ns | {trades[BARE]:,} |"]
    for name in list(FEATURES)[1:]:
        other = beside(name)
        label = name if other == BARE else f"{name}, beside {other}"
        rows.append(f"| {label} | {best[name] - best[other]:+.1f} ns | {trades[name]:,} |")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/README.md")
    write = parser.parse_args().write
    bars, run = "\n".join(measured()), "\n".join(steps.measured())
    print(f"{bars}\n\n{run}")
    if write:
        text = README.read_text(encoding="utf-8")
        before, _, rest = text.partition("## Features\n")
        day, cores = clock.utc(clock.now_ms())[:10], os.cpu_count()
        README.write_text(
            f"{before}## Features\n\nWhat each adds to a bar (`benchmarks/features.py`), of {day},"
            f" {code_version()}, {cores} cores,\nPython {platform.python_version()}. Where it"
            " changes what is traded, the other trades are in the figure. A\nstrategy stands in"
            " place of `ema_cross`:\n\n"
            f"| feature | cost of a bar | trades |\n|---|---|---|\n{bars}\n\n"
            f"What each step takes of a backtest of `ema_cross` over {steps.BARS:,} bars, as it is"
            "\nshipped (`benchmarks/steps.py`):\n\n"
            f"| step | cost of a run |\n|---|---|\n{run}\n\n"
            f"## Indicators{rest.partition('## Indicators')[2]}",
            encoding="utf-8",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
