"""chanquant backtest: run the configured strategies over the configured feed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from engine.api import compose
from engine.errors import ConfigError
from engine.research.backtest import backtest
from engine.research.table import progress, render

if TYPE_CHECKING:
    from engine.verbs import Arguments


def run(arguments: "Arguments") -> int:
    """Run, write the result's folder, and print the result."""
    settings = compose(arguments.overrides, arguments.config_dir)
    result = backtest(settings, watch=progress)
    folder = _free(Path(settings.report.directory) / result.facts["run_id"])
    try:
        result.save(folder, html=settings.report.html)
    except OSError as error:
        raise ConfigError(
            f"report.directory: {folder} cannot be written ({error.strerror}). Choose another."
        ) from error
    if arguments.json:
        print(json.dumps(result.document() | {"folder": str(folder)}, indent=2, allow_nan=False))
    else:
        Console().print(render(result, folder))
    return 0


def _free(folder: Path) -> Path:
    """Return the folder, numbered where one of that name is there already."""
    number = 2
    found = folder
    while found.exists():
        found = folder.with_name(f"{folder.name}-{number}")
        number += 1
    return found
