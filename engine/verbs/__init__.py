"""The verbs of `chanquant`, one module each, with `run(arguments) -> exit code`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Arguments:
    """What follows the verb: flags, overrides such as `costs.taker=0`, and the verb's own words.

    `options` are the flags that take a text, such as reason.
    """

    json: bool = False
    config_dir: Path | None = None
    overrides: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    safe: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def on_paper(self) -> tuple[str, ...]:
        """The overrides of a verb that runs the engine: mode=paper unless a mode was typed."""
        typed = any(override.startswith("mode=") for override in self.overrides)
        return self.overrides if typed else ("mode=paper", *self.overrides)
