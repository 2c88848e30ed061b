"""chanquant parity RUN: replay the journal of a run and compare every row with the store.

Signals, decisions, denials, orders, fills, postings, trades and equity must be equal, byte for byte
(exit 3 where they are not). Type the overrides that the run had.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from engine.api import compose
from engine.errors import ConfigError
from engine.research.parity import compare

if TYPE_CHECKING:
    from engine.verbs import Arguments


def run(arguments: "Arguments") -> int:
    """Compare, and print how many rows of each table are equal."""
    if len(arguments.words) != 1:
        raise ConfigError("parity: must name one run, did not. See chanquant status for its id.")
    (name,) = arguments.words
    journal = ("mode=backtest", "feed=journal", f"feed.run={name}")
    settings = compose((*filter(_is_kept, arguments.overrides), *journal), arguments.config_dir)
    counts = compare(settings, Path(settings.store.directory))
    if arguments.json:
        arguments.answer({"run": name, "equal": counts})
    else:
        told = ", ".join(f"{count} {table}" for table, count in counts.items())
        Console().print(f"{name}: equal, byte for byte: {told}", highlight=False)
    return 0


def _is_kept(override: str) -> bool:
    """Tell whether an override of the run holds for its replay, too."""
    return override.startswith("feed.timeframe=") or not override.startswith(("mode=", "feed"))
