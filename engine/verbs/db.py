"""chanquant db check | upgrade | path: look after the two files of the store.

check reads them through: damage, rows that refer to nothing, the version of the schema (exit 3
where something is wrong). upgrade brings them to the schema of this release, after a copy of each
to `store.directory`/backup; stop the engine first. path prints where they are.
"""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from engine.api import compose
from engine.errors import ConfigError, did_you_mean
from engine.store import database
from engine.verbs import Arguments

Told = tuple[dict[str, Any], str]  # facts for --json, and a line for a person


def run(arguments: Arguments) -> int:
    """Do what the word says with both files, and return 3 where `check` finds a problem."""
    actions = {"check": _check, "upgrade": _upgrade, "path": _path}
    word = " ".join(arguments.words) or "nothing"
    if word not in actions:
        near = did_you_mean(word, actions) or "."
        raise ConfigError(
            f"db: must be check, upgrade or path, was {word}{near} Type: chanquant db check."
        )
    settings = compose(arguments.overrides, arguments.config_dir)
    directory = Path(settings.store.directory)
    told = {store: actions[word](directory, store) for store in database.HEADS}
    if arguments.json:
        facts = {store: facts for store, (facts, _) in told.items()}
        arguments.answer(facts)
    else:
        Console().print(Text("\n".join(line for _, line in told.values())), soft_wrap=True)
    return 3 if any(facts.get("problems") for facts, _ in told.values()) else 0


def _check(directory: Path, store: str) -> Told:
    problems = database.check(directory, store)
    fine = f"{database.path_of(directory, store)}: whole, schema {database.HEADS[store]}"
    return {"problems": problems}, "\n".join(problems) or fine


def _upgrade(directory: Path, store: str) -> Told:
    found, head, backup = database.upgrade(directory, store)
    path = database.path_of(directory, store)
    facts = {"from": found, "to": head, "backup": str(backup) if backup else None}
    if backup:
        return facts, f"{path}: {found} → {head}, the old one is {backup}"
    return facts, f"{path}: has schema {head} already"


def _path(directory: Path, store: str) -> Told:
    path = str(database.path_of(directory, store).absolute())
    return {"path": path}, path
