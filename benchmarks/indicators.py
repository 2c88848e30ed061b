"""Measures what each indicator adds to a bar: a strategy that calls it, beside one that does not.

python -m benchmarks.indicators [--write] takes the best of many runs, short enough that some are
not interrupted. The figures depend on the machine and fail nothing; what they show is what a longer
window costs.
"""

import argparse
import os
import platform
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import annotated_types
import numpy as np

from benchmarks import workload
from engine import clock
from engine.core import indicators
from engine.core.assemble import layout
from engine.core.compile.declare import Record, Strategy, window
from engine.core.machine import Compiled
from engine.core.portfolio import Instance
from engine.core.records import Bar, Out, Sizing
from engine.research.backtest import replay
from engine.version import code_version
from tests.market import MINUTE, bar_events, portfolio

README = Path(__file__).parent / "README.md"
BARS = 100_000
RUNS = 200
LENGTHS = (20, 200)

indicator: Any = None  # the one that is measured: each copy of the steps below has its own


def nothing(p: Any, s: Any, bar: Bar, out: Out) -> None:
    """Do what every other step does besides."""
    s.close = bar.close


def of_close(p: Any, s: Any, bar: Bar, out: Out) -> None:
    """Call one that takes a value and a length."""
    s.close = bar.close
    indicator(s.it, bar.close, p.length)


def of_bar(p: Any, s: Any, bar: Bar, out: Out) -> None:
    """Call one that takes a bar and a length."""
    s.close = bar.close
    indicator(s.it, bar, p.length)


def of_bar_alone(p: Any, s: Any, bar: Bar, out: Out) -> None:
    """Call one that takes a bar."""
    s.close = bar.close
    indicator(s.it, bar)


def bands(p: Any, s: Any, bar: Bar, out: Out) -> None:
    """Call Bollinger's bands."""
    s.close = bar.close
    indicator(s.it, bar.close, p.length, 2.0)


def line(p: Any, s: Any, bar: Bar, out: Out) -> None:
    """Call the Supertrend."""
    s.close = bar.close
    indicator(s.it, bar, p.length, 3.0)


def channel(p: Any, s: Any, bar: Bar, out: Out) -> None:
    """Call Keltner's channel."""
    s.close = bar.close
    indicator(s.it, bar, p.length, p.length, 2.0)


def three(p: Any, s: Any, bar: Bar, out: Out) -> None:
    """Call the stochastic oscillator."""
    s.close = bar.close
    indicator(s.it, bar, p.length, 3, 3)


def distance(p: Any, s: Any, bar: Bar, out: Out) -> None:
    """Call the MACD."""
    s.close = bar.close
    indicator(s.it, bar.close, 12, p.length + 12, 9)


CALLED: dict[str, tuple[type[Record], Callable[..., None]]] = {
    "sma": (indicators.Sma, of_close),
    "wma": (indicators.Wma, of_close),
    "ema": (indicators.Ema, of_close),
    "wilder": (indicators.Wilder, of_close),
    "total": (indicators.Total, of_close),
    "highest": (indicators.Highest, of_close),
    "lowest": (indicators.Lowest, of_close),
    "std": (indicators.Std, of_close),
    "atr": (indicators.Atr, of_bar),
    "rsi": (indicators.Rsi, of_close),
    "macd": (indicators.MacdLines, distance),
    "stochastic": (indicators.Stochastic, three),
    "cci": (indicators.Cci, of_bar),
    "roc": (indicators.Roc, of_close),
    "bollinger": (indicators.BollingerBands, bands),
    "donchian": (indicators.DonchianChannel, of_bar),
    "keltner": (indicators.KeltnerChannel, channel),
    "adx": (indicators.Adx, of_bar),
    "supertrend": (indicators.SupertrendLine, line),
    "obv": (indicators.Obv, of_bar_alone),
    "vwap": (indicators.Vwap, of_bar_alone),
    "rolling_vwap": (indicators.RollingVwap, of_bar),
}


def strategy(name: str, record: type[Record] | None, step: Any) -> type[Strategy]:
    """Return a strategy that calls one indicator, of any of the lengths."""
    scope = dict(step.__globals__) | {"indicator": getattr(indicators, name, None)}
    fields: dict[str, Any] = {"close": float} | ({"it": record} if record else {})
    room = {"it": window("length")} if record and record.is_open else {}
    body = {
        "__annotations__": {"length": Annotated[int, annotated_types.Le(max(LENGTHS))]},
        "length": min(LENGTHS),
        "State": type("State", (), {"__annotations__": fields, **room}),
        "step": types.FunctionType(step.__code__, scope, "step"),
    }
    return type(name.title(), (Strategy,), body)


def nanoseconds(made: Strategy, events: Any) -> float:
    """Return the shortest time that a bar takes."""
    plan = portfolio(Instance("it", made, ("X/USD",), MINUTE, Sizing.FIXED, 1.0))
    took = []
    for _ in range(RUNS):
        machine = Compiled(layout(plan))
        begun = clock.seconds()
        replay(machine, events)
        took.append(clock.seconds() - begun)
    return min(took) / len(events) * 1e9


def measured() -> list[str]:
    """Return a row of the table for each indicator."""
    data = workload.bars(BARS)
    events = bar_events(np.stack([data[name] for name in workload.NAMES], axis=1))
    empty = nanoseconds(strategy("nothing", None, nothing)(), events)
    rows = [f"| a bar without any | {empty:.1f} ns | |"]
    for name, (record, step) in CALLED.items():
        kind = strategy(name, record, step)
        costs = [nanoseconds(kind(length=length), events) - empty for length in LENGTHS]
        cells = [f"{max(cost, 0.0):.1f} ns" for cost in costs]
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
        print(rows[-1])
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/README.md")
    write = parser.parse_args().write
    rows = "\n".join(measured())
    if write:
        text = README.read_text(encoding="utf-8")
        before, _, rest = text.partition("## Indicators\n")
        day, cores = clock.utc(clock.now_ms())[:10], os.cpu_count()
        README.write_text(
            f"{before}## Indicators\n\nWhat each adds to a bar (`benchmarks/indicators.py`), of"
            f" {day}, {code_version()}, {cores} cores,\nPython {platform.python_version()}:\n\n"
            f"| indicator | length 20 | length 200 |\n|---|---|---|\n{rows}\n\n"
            f"## Figures{rest.partition('## Figures')[2]}",
            encoding="utf-8",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
