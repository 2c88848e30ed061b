"""Named places where a test can kill the process, as a power cut or `kill -9` would.

`CHANQUANT_FAILPOINT=commit.before:3` kills it when it is about to commit for the third time.
Without it a failpoint costs one look at a variable.
"""

import os
import signal

from engine.errors import ConfigError

NAMES = (
    "journal.append.before",
    "journal.append.after",
    "journal.sync.before",
    "journal.sync.after",
    "journal.rotate.before",
    "journal.rotate.inside",
    "journal.rotate.after",
    "commit.before",
    "commit.inside",
    "commit.after",
    "send.before",
    "send.after",
    "report.before",
    "report.after",
    "snapshot.before",
    "snapshot.after",
    "recover.before",
    "recover.replayed",
    "recover.after",
    "stop.before",
    "stop.after",
)

_armed: dict[str, int] = {}


def arm(name: str, hits: int) -> None:
    """Kill this process when `name` is hit for the `hits`-th time from now; 0 disarms it.

    Raises ValueError where there is no such failpoint.
    """
    if name not in NAMES:
        raise ValueError(f"{name}: must be one of {', '.join(NAMES)}, was not. Correct it.")
    _armed.clear()
    if hits > 0:
        _armed[name] = hits


def arm_from_environment() -> None:
    """Arm what CHANQUANT_FAILPOINT names, as name:hits; raise ConfigError where that is wrong."""
    if text := os.environ.get("CHANQUANT_FAILPOINT"):
        name, _, hits = text.partition(":")
        try:
            arm(name, int(hits or 1))
        except ValueError as wrong:
            raise ConfigError(f"$CHANQUANT_FAILPOINT: {wrong}") from None


def hit(name: str) -> None:
    """Pass the failpoint `name`."""
    if _armed and name in _armed:
        _armed[name] -= 1
        if _armed[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
