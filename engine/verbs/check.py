"""chanquant check: find everything that is wrong before anything runs.

Composes, validates, builds and compiles what the overrides declare, and runs the strategies on
made-up prices and on the first of the feed, to see that none knows the future and how much history
each needs. Exit code 2 names every problem of the configuration with its file and line, 3 a
strategy that looks ahead; 0 prints what would trade.
"""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.compose import compose
from engine.core.assemble import layout
from engine.core.machine import Compiled
from engine.research.checks import check
from engine.settings import Settings, build, of_events, validate
from engine.verbs import Arguments


def run(arguments: Arguments) -> int:
    """Print the facts of a configuration that is right."""
    settings = validate(compose(arguments.overrides, arguments.config_dir))
    portfolio = build(settings)
    Compiled(layout(portfolio))
    checked, warnings = check(portfolio, settings.feed, settings)
    facts = {"ok": True, **_facts(settings)}
    if arguments.json:
        facts |= {"checked": [one.document() for one in checked], "warnings": warnings}
        arguments.answer(facts)
        return 0
    table = Table(show_header=False, box=None)
    for name, fact in facts.items():
        shown = ", ".join(fact) if isinstance(fact, list) else str(fact)
        table.add_row(Text(name, style="bold"), Text(shown or "none"))
    for one in checked:
        table.add_row(Text("checked", style="bold"), Text(str(one)))
    console = Console()
    console.print(table)
    for warning in warnings:
        console.print(Text(f"! {warning}", style="yellow"))
    return 0


def _feed(feed: Any) -> str:
    decided = "" if of_events(feed) == feed.timeframe else f", decided on {of_events(feed)}"
    return f"{type(feed).__name__} of {feed.timeframe}{decided}"


def _facts(settings: Settings) -> dict[str, Any]:
    return {
        "mode": settings.mode.name,
        "symbols": list(settings.universe.symbols),
        "cash": f"{settings.account.cash:,.2f} {settings.account.currency}",
        "feed": _feed(settings.feed),
        "strategies": list(settings.strategy),
        "sizing": settings.sizing.kind,
        "rules": list(settings.risk),
        "fill_on": settings.execution.fill_on,
        "config_hash": settings.config_hash,
    }
