"""Measures what each step of a backtest takes, from the file to the report, and `chanquant check`.

`benchmarks.features` prints and writes it. Everything is as it is shipped, but the bars, their
strategy and its size, which are those of the other benchmarks.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import workload
from engine import api, clock
from engine.core.assemble import layout
from engine.core.machine import Compiled
from engine.research import report, scenarios
from engine.research.backtest import backtest, replay
from engine.research.checks import check
from engine.research.recorder import Recorder
from engine.research.result import figures, gather
from engine.settings import Settings, build
from tests.market import MINUTE

BARS = 1_000_000
RUNS = 5
OVERRIDES = [
    "universe.symbols=[X/USD]", "feed=tape", "feed.timeframe=1m", "strategy=[ema_cross]",
    "strategy.ema_cross.fast=10", "strategy.ema_cross.slow=30", "sizing=fixed", "sizing.quantity=1",
]  # fmt: skip


def measured() -> list[str]:
    """Return a row of the table for each step."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        data = workload.bars(BARS)
        table = pa.table({"ts": data["ts"] * 1_000, **{n: data[n] for n in workload.NAMES}})
        pq.write_table(table, folder / "bars.parquet")
        chosen = api.compose([*OVERRIDES, f"feed.files={{X/USD: {folder / 'bars.parquet'}}}"])
        took = {name: best(step) for name, step in steps(chosen, folder).items()}
    return [f"| {name} | {ms:,.1f} ms |" for name, ms in took.items()]


def steps(settings: Settings, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return name → what does that step of a backtest again."""
    portfolio = build(settings)
    plan = layout(portfolio)
    recording = settings.feed.load(portfolio.symbols, portfolio.spans)
    events = recording.events
    result = backtest(settings)
    done = replay(Compiled(plan), events)
    others = [layout(other) for other in scenarios.others(portfolio, MINUTE).values()]
    traded = f"trading, {len(result.trades):,} trades"
    page = folder / "report.html"
    return {
        "reading the file": lambda: settings.feed.load(portfolio.symbols, portfolio.spans),
        traded: lambda: replay(Compiled(plan), events),
        "trading, while what the report draws is noted": lambda: replay(
            Recorder(Compiled(plan), events, recording.bars), events
        ),
        "the statistics, with the table of trades": lambda: figures(events, done),
        "the statistics, the gate and all tables": lambda: gather(
            settings, recording, events, done, started=0, seconds=0.0
        ),
        "the two other scenarios, with their statistics": lambda: [
            figures(events, replay(Compiled(other), events)) for other in others
        ],
        "a backtest, all of these at once": lambda: backtest(settings),
        "`report.html`": lambda: report.write(result, page),
        "`chanquant check`, without the start of Python": lambda: check(
            portfolio, settings.feed, settings
        ),
    }


def best(step: Callable[[], Any]) -> float:
    """Return the shortest of several times that a step takes, in ms."""
    seconds = []
    for _ in range(RUNS):
        begun = clock.seconds()
        step()
        seconds.append(clock.seconds() - begun)
    return min(seconds) * 1e3
