"""Does what it reads with a store as another user, and prints what came of it as JSON.

Everything is imported as root, because a user may not read where Python is; the repository itself
must be readable by all.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from engine import clock
from engine.errors import StoreBroken
from engine.live.outputs import live_machine
from engine.live.run import compiled_layout, run
from engine.settings import Settings
from engine.store import journal, queries
from engine.store.database import open_panel, read_only
from engine.store.lock import holder
from engine.store.tables import tables
from engine.store.writer import ask
from tests.unit.live.engines import END, STOP, settings

for module in ("alembic.command", "email.parser", "engine.store.migrations"):
    import_module(module)  # which is else imported when it is needed

ENGINE, PANEL, STRANGER = 64_001, 64_002, 64_003
GROUP = 64_000
ROW = {"ts": 0, "who": "a trader", "instance": None, "symbol": None, "reason": "a test"}
USER = {"role": "admin", "password": "x", "created_at": 0, "changed_at": 0, "revoked_at": None}


def read(folder: Path) -> dict[str, Any]:
    """Return what a panel reads."""
    engine = read_only(folder)
    with engine.connect() as connection:
        progress = queries.progress(connection)
        signals = len(queries.newest(connection, "signal", 1_000))
        answers = queries.newest(connection, "answer", 1_000)
    engine.dispose()
    last = max(path.name for path in (folder / "journal").iterdir())
    events = sum(len(rows) for rows in journal.read(folder / "journal", last))
    return {
        "seq": progress["seq"] if progress else None,
        "signals": signals,
        "answers": [row["outcome"] for row in answers],
        "events": events,
        "holder": holder(folder),
    }


def write(folder: Path) -> int:
    """Make a user and ask for a pause, as a panel does; return the number of the command."""
    panel = open_panel(folder)
    key = str(clock.nanoseconds())
    with panel.begin() as connection:
        connection.execute(insert(tables("panel")["user"]), [USER | {"name": key}])
    number = ask(panel, ROW | {"action": "pause", "key": key})
    panel.dispose()
    return number


def trade(chosen: Settings) -> None:
    """Run an engine until its market ends, or it is told to stop."""
    asyncio.run(run(chosen))


def main(user: int, umask: str, directory: str) -> None:
    """Become the user; do what each line says."""
    folder = Path(directory)
    ends, stands = settings(folder, STOP), settings(folder, END, "feed.speed=1e-6")
    if user == ENGINE:
        live_machine(compiled_layout(ends))  # has numba import what it needs
    os.umask(int(umask, 8))
    os.setgroups([])
    os.setgid(GROUP if user != STRANGER else STRANGER)
    os.setuid(user)
    does: dict[str, Callable[[], Any]] = {
        "read": lambda: read(folder),
        "write": lambda: write(folder),
        "trade": lambda: trade(ends),
        "stand": lambda: trade(stands),
    }
    for line in sys.stdin:
        try:
            print(json.dumps(does[line.strip()]()), flush=True)
        except (StoreBroken, OSError) as wrong:
            print(json.dumps({"refused": str(wrong)}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
