"""chanquant run: the live engine, in the foreground, until SIGTERM or Ctrl-C.

It recovers where it was, then goes on. It never compiles; `chanquant up` does that first, and
starts it again when it dies. --safe pauses all openings at the start.
"""

import asyncio
from typing import TYPE_CHECKING

from engine.api import compose
from engine.errors import ConfigError
from engine.failpoint import arm_from_environment
from engine.live.run import run as live

if TYPE_CHECKING:
    from engine.verbs import Arguments


def run(arguments: "Arguments") -> int:
    """Run until stopped."""
    arm_from_environment()
    settings = compose(arguments.on_paper, arguments.config_dir)
    if settings.mode.name == "backtest":
        raise ConfigError("mode: must be one that goes on in time, was backtest. Use mode=paper.")
    asyncio.run(live(settings, arguments.safe))
    return 0
