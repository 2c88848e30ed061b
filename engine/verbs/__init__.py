"""The verbs of `chanquant`, one module each, with `run(arguments) -> exit code`."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True)
class Arguments:
    """What follows the verb: flags, overrides such as `costs.taker=0`, and the verb's own words.

    `options` are the flags that take a text, such as reason; `out` takes the document of --json.
    """

    json: bool = False
    config_dir: Path | None = None
    overrides: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    safe: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    out: TextIO = field(default_factory=lambda: sys.stdout)

    @property
    def on_paper(self) -> tuple[str, ...]:
        """The overrides of a verb that runs the engine: mode=paper unless a mode was typed."""
        typed = any(override.startswith("mode=") for override in self.overrides)
        return self.overrides if typed else ("mode=paper", *self.overrides)

    def answer(self, document: Mapping[str, Any]) -> None:
        """Print the document of --json; raise ValueError for a figure that JSON has no word for."""
        text = json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)
        print(text, file=self.out)
