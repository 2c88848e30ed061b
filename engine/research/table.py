"""What a person sees in the terminal: a run's figures as a table, and a bar while one works."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from engine import clock
from engine.research.columns import to_array
from engine.research.compare import NAMES, Pair, difference
from engine.research.figures import Unit, listed, moments, shown
from engine.research.formulas import STATS
from engine.research.groups import by
from engine.research.scenario_table import side_by_side

if TYPE_CHECKING:
    from engine.research.result import Result

BOOKS_MAX = 20  # lines of the table by strategy and symbol
PATIENCE_SECONDS = 2.0

# The names of a row stand side by side; two of them fit a terminal of 80 columns.
_FIGURES = (
    ("total_return", "trades"),
    ("cagr", "win_rate"),
    ("max_drawdown", "profit_factor"),
    ("max_drawdown_days", "expectancy"),
    ("volatility", "avg_trade"),
    ("sharpe", "avg_bars_held"),
    ("sortino", "sqn"),
    ("psr", "fees"),
)


def render(result: "Result", folder: Path | None = None) -> RenderableType:
    """Return the headline figures, one line per strategy and symbol, and every warning."""
    parts = [_title(result), _figures(result)]
    if result.trades.num_rows:
        parts.append(_books(result))
    parts += side_by_side(result.scenarios, result.facts["currency"])
    parts.append(_remarks(result, folder))
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def render_pair(pair: Pair, page: Path) -> RenderableType:
    """Return two runs side by side: statistics, the keys that differ, every warning."""
    stats = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    stats.add_column("")
    for head in (*NAMES, "B - A"):
        stats.add_column(Text(head), justify="right", no_wrap=True)
    for name, (a, b) in pair.stats.items():
        stat = STATS[name]
        text, _ = difference(a, b, stat.unit)
        stats.add_row(Text(stat.label), _toned(a, stat.unit), _toned(b, stat.unit), Text(text))
    for name, (a, b) in pair.costs.items():
        text, _ = difference(a, b, Unit.MONEY)
        stats.add_row(Text(f"Cost: {name}"), Text(_cost(a)), Text(_cost(b)), Text(text))
    keys = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for head in ("Key", *NAMES):
        keys.add_column(Text(head), overflow="fold")
    for key, values in pair.config.items():
        keys.add_row(Text(key), *map(Text, values))
    lines = [Text(f"{n}: {run.folder}") for n, run in zip(NAMES, pair.runs, strict=True)]
    last = [Text(f"! {warning}", style="yellow") for warning in pair.warnings]
    parts: list[RenderableType] = [
        Group(*lines),
        stats,
        keys,
        Group(*last, Text(str(page), style="dim")),
    ]
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


@contextlib.contextmanager
def progress(total: int | None, label: str) -> Iterator[Callable[[int], None]]:
    """Yield `advance(n)`; a bar appears on stderr once the work has lasted two seconds.

    Without a total it only shows that work goes on. Nothing is written where stderr is no
    terminal, and nothing is left behind.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task, begun = bar.add_task(label, total=total), clock.seconds()

    def advance(done: int) -> None:
        bar.advance(task, done)
        if not bar.live.is_started and clock.seconds() - begun > PATIENCE_SECONDS:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()


def _title(result: "Result") -> RenderableType:
    facts, ts = result.facts, to_array(result.equity["ts"])
    names = f"{listed(facts['strategies'])} on {listed(facts['symbols'])}"
    period = " to ".join(moments(ts[[0, -1]])) if len(ts) else "no events"
    speed = f"{facts['bars']:,} bars in {facts['seconds']:.2f} s"
    return Group(Text(names, style="bold"), Text(f"{period} UTC · {speed}", style="dim"))


def _figures(result: "Result") -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
    equity = Text(shown(result.facts["final_equity"], Unit.MONEY), style="bold")
    table.add_row(Text(f"Final equity, {result.facts['currency']}"), equity)
    for names in _FIGURES:
        cells: list[Text] = []
        for name in names:
            stat, value = STATS[name], result.stats[name]
            cells += [Text(stat.label), _toned(value, stat.unit)]
        table.add_row(*cells)
    return table


def _books(result: "Result") -> RenderableType:
    currency = result.facts["currency"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("Strategy", overflow="fold")
    table.add_column("Symbol", overflow="fold")
    for head in ("Trades", "Win rate", f"Profit, {currency}", f"Fees, {currency}"):
        table.add_column(Text(head), justify="right", no_wrap=True)
    books = by(result.trades, "strategy", "symbol")
    for book in books[:BOOKS_MAX]:
        table.add_row(
            *map(Text, book.names),
            Text(shown(book.trades, Unit.COUNT)),
            Text(shown(book.win_rate, Unit.SHARE)),
            _toned(book.profit, Unit.PROFIT),
            Text(shown(book.fees, Unit.MONEY)),
        )
    if len(books) <= BOOKS_MAX:
        return table
    return Group(table, Text(f"and {len(books) - BOOKS_MAX:,} more in the report", style="dim"))


def _remarks(result: "Result", folder: Path | None) -> RenderableType:
    """Return every warning, and where the files are."""
    lines = [Text(f"! {warning}", style="yellow") for warning in result.facts["warnings"]]
    if folder:
        lines.append(Text(f"{folder}", style="dim"))
    return Group(*lines)


def _cost(amount: float | None) -> str:
    return "none" if amount == 0.0 else shown(amount, Unit.MONEY)


def _toned(value: float | None, unit: Unit) -> Text:
    """Return a figure, green or red where its sign means something."""
    if value and unit in (Unit.GAIN, Unit.PROFIT):
        return Text(shown(value, unit), style="green" if value > 0 else "red")
    return Text(shown(value, unit))
