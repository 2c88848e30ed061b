"""ChanQuant from a notebook: the same code as the command line.

>>> from engine.api import backtest, compose
>>> settings = compose(["experiment=example"])
>>> result = backtest(settings)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import compose as composing
from engine.settings import Settings, validate

__all__ = ["backtest", "compose"]


def compose(overrides: Sequence[str] = (), config_dir: Path | None = None) -> Settings:
    """Return the settings of `conf` with overrides as on the command line.

    Raises ConfigError with every problem.
    """
    return validate(composing.compose(overrides, config_dir))


def backtest(settings: Settings, bars: Mapping[str, Any] | None = None) -> Any:
    """Return the result of a backtest; see `engine.research.backtest.backtest`."""
    from engine.research.backtest import backtest as run  # numba takes half a second to import

    return run(settings, bars)
