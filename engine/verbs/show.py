"""chanquant show [PREFIX]: print each value of the configuration and where it comes from.

The origin is a file and line, or the override that was typed. A prefix such as `strategy.ema_cross`
narrows what is printed. Secrets are shown as ***.
"""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.compose import compose, masked
from engine.errors import ConfigError, did_you_mean
from engine.origins import Place, dotted
from engine.verbs import Arguments


def run(arguments: Arguments) -> int:
    """Print every value below the prefix; raise ConfigError if there is none, or no tree."""
    composed = compose(arguments.overrides, arguments.config_dir)
    if composed.problems:
        raise ConfigError(*composed.problems)
    rows = {dotted(p): (value, composed.origin(p)) for p, value in _leaves(masked(composed.tree))}
    for prefix in arguments.words:
        rows = {key: row for key, row in rows.items() if f"{key}.".startswith(f"{prefix}.")}
        if not rows:
            ways = [place[:n] for place, _ in _leaves(composed.tree) for n in range(1, len(place))]
            near = did_you_mean(prefix, {dotted(way) for way in ways}) or "."
            raise ConfigError(f"{prefix}: must begin a key of the configuration, does not{near}")
    if arguments.json:
        document = {
            key: {"value": value, "origin": origin} for key, (value, origin) in rows.items()
        }
        arguments.answer(document)
        return 0
    table = Table(box=None, header_style="bold")
    for head in ("key", "value", "origin"):
        table.add_column(head, overflow="fold")
    for key, (value, origin) in rows.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        table.add_row(Text(key), Text(shown), Text(origin, style="dim"))
    Console().print(table)
    return 0


def _leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*place, key))
    else:
        yield place, value
