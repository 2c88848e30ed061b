"""chanquant backtest: run the configured strategies over the configured feed.

Writes a folder below report.directory. `chanquant backtest compare A B` puts two such folders side
by side: a page with both curves, the statistics with their differences, and the keys that differ.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from engine.api import compose
from engine.errors import ConfigError
from engine.research import compare
from engine.research.backtest import backtest
from engine.research.table import progress, render, render_pair

if TYPE_CHECKING:
    from engine.verbs import Arguments


def run(arguments: "Arguments") -> int:
    """Run, write the result's folder, and print the result; or compare two of them."""
    settings = compose(arguments.overrides, arguments.config_dir)
    if arguments.words:
        return _compare(arguments, Path(settings.report.directory))
    result = backtest(settings, watch=progress)
    folder = _free(Path(settings.report.directory) / result.facts["run_id"])
    try:
        result.save(folder, html=settings.report.html, png=settings.report.png)
    except OSError as error:
        raise ConfigError(_unwritable(folder, error)) from error
    if arguments.json:
        arguments.answer(result.document() | {"folder": str(folder)})
    else:
        Console().print(render(result, folder))
    return 0


def _compare(arguments: "Arguments", directory: Path) -> int:
    words = arguments.words
    if words[0] != "compare" or len(words) != 3:
        raise ConfigError(
            f"backtest: must be followed by overrides such as costs.taker=0, or by compare A B, was"
            f" followed by {' '.join(words)}. A and B are folders of results, or names of them"
            " below report.directory."
        )
    folders = [Path(word) if Path(word).is_dir() else directory / word for word in words[1:]]
    pair = compare.compare(*map(compare.read, folders))
    page = directory / f"compare-{folders[0].resolve().name}-{folders[1].resolve().name}.html"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        compare.write(pair, page)
    except OSError as error:
        raise ConfigError(_unwritable(page, error)) from error
    if arguments.json:
        document = compare.document(pair) | {"page": str(page)}
        arguments.answer(document)
    else:
        Console().print(render_pair(pair, page))
    return 0


def _unwritable(path: Path, error: OSError) -> str:
    why = error.strerror
    return f"report.directory: {path} cannot be written ({why}). Choose another."


def _free(folder: Path) -> Path:
    """Return the folder, numbered where one of that name is there already."""
    number = 2
    found = folder
    while found.exists():
        found = folder.with_name(f"{folder.name}-{number}")
        number += 1
    return found
