"""chanquant panel: the panel alone, in the foreground, until SIGTERM or Ctrl-C.

It shows what is in the store, whether the engine runs or not. The first start makes the account
admin and prints its password, once.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.api import compose
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.verbs import Arguments

NICENESS = 10  # trading comes first


def run(arguments: "Arguments") -> int:
    """Serve until stopped."""
    settings = compose(arguments.on_paper, arguments.config_dir)
    os.nice(NICENESS)
    from web.accounts import first_admin

    if password := first_admin(Path(settings.store.directory)):
        _say(f"panel: log in as admin with the password {password}, which is not shown again.")
    asyncio.run(_until_stopped(settings))
    return 0


async def _until_stopped(settings: Settings) -> None:
    from web.server import serve  # takes half a second to import

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, stop, _say)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
