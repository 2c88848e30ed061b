"""chanquant up: compile, then run the engine and start it again whenever it dies.

Waits 1, 2, 4 … 30 s before each start; after 5 crashes in 10 minutes the engine comes back in safe
mode, which protects open positions and opens none. Exit codes 2, 3 and 70 are not tried again.
With --safe it starts in safe mode. Ctrl-C or SIGTERM stops the engine cleanly; after 10 s it is
killed.
"""

import asyncio
import contextlib
import json
import sys

from engine.live.supervisor import supervise
from engine.verbs import Arguments


def run(arguments: Arguments) -> int:
    """Keep the engine alive until it is stopped; return its last exit code."""
    code = asyncio.run(supervise(command("compile", arguments), command("run", arguments), _say))
    if arguments.json:
        print(json.dumps({"exit_code": code}))
    return code


def command(verb: str, arguments: Arguments) -> list[str]:
    """Return the command that runs another verb with what was typed after this one."""
    folder = arguments.config_dir
    flags = ["--safe"] * arguments.safe
    flags += [] if folder is None else ["--config-dir", str(folder)]
    python = [sys.executable, "-P"]  # a folder named engine where the user stands is not ours
    return [*python, "-m", "engine", verb, *flags, *arguments.on_paper]


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed must not end the engine
        print(sentence, file=sys.stderr, flush=True)
