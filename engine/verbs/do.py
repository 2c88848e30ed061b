"""chanquant do ACTION: tell the running engine what to do, and print its answer.

pause, resume   openings, of all or of --instance and --symbol; exits go on
close           what is held, of all or of --instance and --symbol
flatten         close and pause
kill            close everything and open nothing until rearm; the file KILL in the store's folder
                does the same
rearm           undo kill

resume and rearm need a --reason. Every command is kept with who, when, why, before and after.
"""

import getpass
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from engine import clock
from engine.api import compose
from engine.errors import ConfigError, did_you_mean
from engine.live.outputs import COMMANDS
from engine.store import queries
from engine.store.database import open_panel, path_of, read_only
from engine.store.lock import holder
from engine.store.writer import ask

if TYPE_CHECKING:
    from engine.verbs import Arguments

ANSWER_SECONDS = 10.0
_NEEDS_REASON = ("resume", "rearm")


def run(arguments: "Arguments") -> int:
    """Write the command, wait for its answer, print it; 0 where it was obeyed."""
    action = _action(arguments)
    settings = compose(arguments.on_paper, arguments.config_dir)
    directory = Path(settings.store.directory)
    number = _write(directory, action, arguments)
    is_running = holder(directory) is not None
    found = _answer(directory, number) if is_running else None
    if found:
        told = {name: found[name] for name in ("outcome", "sentence")}
        told |= {name: json.loads(found[name]) for name in ("before", "after")}
    else:
        told = {"outcome": "waiting", "sentence": _unanswered(is_running)}
    if arguments.json:
        arguments.answer({"command": number, "action": action} | told)
    else:
        line = f"{action}: {told['outcome']}: {told['sentence']}"
        Console().print(Text(line), soft_wrap=True)
    return 0 if told["outcome"] == "done" else 1


def _action(arguments: "Arguments") -> str:
    """Return the action; raise ConfigError where it is none, or lacks its reason."""
    action = arguments.words[0] if len(arguments.words) == 1 else ""
    if action not in COMMANDS:
        near = did_you_mean(action, COMMANDS) or "."
        typed = " ".join(arguments.words) or "none"
        raise ConfigError(
            f"do: must name one action of {', '.join(COMMANDS)}, named {typed}{near} See"
            " chanquant do --help."
        )
    if action in _NEEDS_REASON and not arguments.options.get("reason"):
        raise ConfigError(f"do {action}: must have a --reason, had none. Add --reason 'why'.")
    return action


def _write(directory: Path, action: str, arguments: "Arguments") -> int:
    """Write the command into the panel's store; return its id."""
    who, now = getpass.getuser(), clock.now_ms()
    row = {"ts": now, "who": who, "action": action, "key": f"{who} {now} {clock.nanoseconds()}"}
    row |= {name: arguments.options.get(name) for name in ("instance", "symbol")}
    row["reason"] = arguments.options.get("reason") or ""
    database = open_panel(directory)
    number = ask(database, row, _answered(directory))
    database.dispose()
    return number


def _answered(directory: Path) -> int:
    """Return the last command that the engine has answered, 0 where it never ran."""
    if not path_of(directory, "engine").exists():
        return 0
    database = read_only(directory)
    with database.connect() as connection:
        number = queries.answered(connection)
    database.dispose()
    return number


def _answer(directory: Path, number: int) -> dict[str, Any] | None:
    """Return what the engine answers within ten seconds."""
    patience_ends = clock.seconds() + ANSWER_SECONDS
    database = read_only(directory)
    try:
        while clock.seconds() < patience_ends:
            with database.connect() as connection:
                if found := queries.answer(connection, number):
                    return found
            time.sleep(0.05)
    finally:
        database.dispose()
    return None


def _unanswered(is_running: bool) -> str:
    if is_running:
        return (
            f"no answer within {ANSWER_SECONDS:.0f} s. See chanquant status; to stop all openings"
            " at once put a file KILL into the store's folder."
        )
    return "the engine is not running; it obeys when it is started."
