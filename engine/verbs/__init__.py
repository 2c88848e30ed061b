"""The verbs of `chanquant`, one module each, with `run(arguments) -> exit code`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Arguments:
    """What follows the verb: flags, overrides such as `costs.taker=0`, and the verb's own words."""

    json: bool = False
    config_dir: Path | None = None
    overrides: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
