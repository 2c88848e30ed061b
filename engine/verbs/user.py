"""chanquant user add NAME --role R | role NAME --role R | passwd NAME | revoke NAME | list

Who may use the panel. viewer sees everything; operator also pauses, resumes, closes and kills;
admin also rearms and looks after sessions. Each change ends that person's sessions.

A password is asked for, or read as one line of standard input: never typed as an argument, where
the shell and the list of processes would keep it. It has 12 characters or more.
"""

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from engine import clock
from engine.api import compose
from engine.errors import ConfigError, did_you_mean
from engine.store.database import explained, open_panel, path_of
from engine.verbs import Arguments
from web import accounts
from web.view import ROLES

_ACTIONS = ("add", "role", "passwd", "revoke", "list")


def run(arguments: Arguments) -> int:
    """Do what the words say in the panel's store, and print it."""
    action, name = _words(arguments)
    role = _role(action, arguments)
    settings = compose(arguments.on_paper, arguments.config_dir)
    password = _password(name) if action in ("add", "passwd") else ""
    directory = Path(settings.store.directory)
    panel = open_panel(directory)
    try:
        with explained(path_of(directory, "panel")):
            if action == "list":
                _show(panel, arguments)
            else:
                sentence = _change(panel, action, name, role, password)
                _say({"user": name, "action": action}, sentence, arguments)
    finally:
        panel.dispose()
    return 0


def _words(arguments: Arguments) -> tuple[str, str]:
    """Return the action and the name; raise ConfigError where they are not both there."""
    action, *names = arguments.words or ("nothing",)
    if action not in _ACTIONS:
        near = did_you_mean(action, _ACTIONS) or "."
        raise ConfigError(
            f"user: must be one of {', '.join(_ACTIONS)}, was {action}{near} Type: chanquant user"
            " list."
        )
    wanted = 0 if action == "list" else 1
    if len(names) != wanted:
        raise ConfigError(
            f"user {action}: must have {wanted or 'no'} name behind it, had {len(names)}. See"
            " chanquant user --help."
        )
    return action, "".join(names)


def _role(action: str, arguments: Arguments) -> str:
    role = arguments.options.get("role", "")
    if (action in ("add", "role")) != bool(role):
        sentence = "must have a --role, had none" if not role else "must have no --role, had one"
        raise ConfigError(f"user {action}: {sentence}. Roles: {', '.join(ROLES)}.")
    return role


def _password(name: str) -> str:
    """Return what is typed without being shown, or the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed = getpass.getpass(f"New password of {name}: ")
    if getpass.getpass("The same again: ") != typed:
        raise ConfigError(f"password of {name}: must be typed twice alike, was not. Try again.")
    return typed


def _change(panel: Engine, action: str, name: str, role: str, password: str) -> str:
    """Do it and return the sentence that says so."""
    by = accounts.By(getpass.getuser(), "shell")
    changes: dict[str, tuple[Callable[[], None], str]] = {
        "add": (
            lambda: accounts.add(panel, name, role, password, by),
            f"{name} may log in as {role}",
        ),
        "role": (
            lambda: accounts.change_role(panel, name, role, by),
            f"{name} is {role} from the next login on",
        ),
        "passwd": (
            lambda: accounts.change_password(panel, name, password, by),
            f"{name} has a new password",
        ),
        "revoke": (
            lambda: accounts.revoke(panel, name, by),
            f"{name} may not log in any more, and is logged out",
        ),
    }
    change, sentence = changes[action]
    change()
    return sentence


def _show(panel: Engine, arguments: Arguments) -> None:
    with panel.connect() as connection:
        rows = accounts.listed(connection)
    if arguments.json:
        arguments.answer({"users": rows})
        return
    table = Table("name", "role", "since", "changed", "revoked")
    for row in rows:
        times = [_utc(row[name]) for name in ("created_at", "changed_at", "revoked_at")]
        table.add_row(row["name"], row["role"], *times)
    Console().print(table if rows else "no accounts yet: chanquant user add NAME --role admin")


def _utc(ms: int | None) -> str:
    return "" if ms is None else clock.utc(ms)


def _say(facts: dict[str, Any], sentence: str, arguments: Arguments) -> None:
    if arguments.json:
        arguments.answer(facts | {"sentence": sentence})
    else:
        Console().print(Text(sentence), soft_wrap=True)
