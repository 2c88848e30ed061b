"""chanquant up: compile, then run the engine and the panel, and start each again when it dies.

Waits 1, 2, 4 … 30 s before each start; after 5 crashes in 10 minutes the engine comes back in safe
mode, which protects open positions and opens none. Exit codes 2, 3 and 70 are not tried again. The
panel may die without the engine noticing; where the engine ends, so does the panel.
With --safe it starts in safe mode. Ctrl-C or SIGTERM stops both cleanly; after 10 s they are
killed.
"""

import asyncio
import contextlib
import sys

from engine.api import compose
from engine.live.supervisor import Policy, Service, supervise
from engine.verbs import Arguments
from web.listener import listener


def run(arguments: Arguments) -> int:
    """Keep engine and panel alive until they are stopped; return the engine's last exit code."""
    web = compose(arguments.on_paper, arguments.config_dir).web
    listener(web.host, web.port).close()  # before anything starts, it is said that this will fail
    services = (
        Service(command("run", arguments), Policy()),
        Service(command("panel", arguments), Policy("panel", limit=None)),
    )
    code = asyncio.run(supervise(command("compile", arguments), services, _say))
    if arguments.json:
        arguments.answer({"exit_code": code})
    return code


def command(verb: str, arguments: Arguments) -> list[str]:
    """Return the command that runs another verb with what was typed after this one."""
    folder = arguments.config_dir
    flags = ["--safe"] * (arguments.safe and verb == "run")
    flags += [] if folder is None else ["--config-dir", str(folder)]
    python = [sys.executable, "-P"]  # a folder named engine where the user stands is not ours
    return [*python, "-m", "engine", verb, *flags, *arguments.on_paper]


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed must not end the engine
        print(sentence, file=sys.stderr, flush=True)
