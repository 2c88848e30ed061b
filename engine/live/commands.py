"""What people ask of a running engine: read from the panel's store, obeyed, and answered."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from engine.core.assemble import Layout
from engine.core.machine import Rows
from engine.core.records import Kind
from engine.errors import did_you_mean
from engine.live.outputs import COMMANDS, Said, command
from engine.store import queries
from engine.store.database import explained
from engine.store.tables import Row

KILL_FILE = "KILL"
OURS = 0  # number of a command that stands in no store: the kill file's, and that of safe mode

_LATCHES = {
    Kind.PAUSE: ("pause", "set"),
    Kind.FLATTEN: ("pause", "set"),
    Kind.RESUME: ("pause", "released"),
    Kind.KILL: ("kill", "set"),
    Kind.REARM: ("kill", "released"),
}


class Commands:
    """The commands of the panel's store, each obeyed once; `last` is the newest that was."""

    def __init__(self, panel: Engine, plan: Layout, directory: Path, last: int) -> None:
        self._panel = panel
        self._instances = [instance.name for instance in plan.portfolio.instances]
        self._symbols = list(plan.portfolio.symbols)
        self._kill_file = directory / KILL_FILE
        self.last = last

    def waiting(self) -> list[Row]:
        """Return the commands that came after the last, oldest first, and take them as read."""
        found = self._read(self.last)
        self.last = found[-1]["id"] if found else self.last
        return found

    def is_kill_file(self) -> bool:
        """Return whether somebody has put the kill file there."""
        return self._kill_file.exists()

    def event(self, row: Mapping[str, Any], ts: int) -> Rows | str:
        """Return the event of a command, or a sentence that says why it cannot be obeyed."""
        if row["action"] not in COMMANDS:
            near = did_you_mean(row["action"], COMMANDS) or "."
            return f"action must be one of {', '.join(COMMANDS)}, was {row['action']}{near}"
        if row["action"] == "rearm" and self.is_kill_file():
            return f"{self._kill_file} must be removed before rearm, is still there. Remove it."
        places = []
        known = {"instance": self._instances, "symbol": self._symbols}
        for name, words in known.items():
            if row[name] is not None and row[name] not in words:
                near = did_you_mean(row[name], words) or "."
                return f"{name} must be one of {', '.join(words)}, was {row[name]}{near}"
            places.append(-1 if row[name] is None else words.index(row[name]))
        return command(COMMANDS[row["action"]], row["id"], ts, *places)

    def rows(self, said: Said, run: str, now_ms: int) -> dict[str, list[Row]]:
        """Return the rows that a command which was obeyed leaves behind."""
        event = said.events[0]
        number, kind = int(event["bar"]["ts"]), Kind(int(event["kind"]))
        who, reason = self._by(number, kind)
        made: dict[str, list[Row]] = {}
        if kind in _LATCHES:
            name, state = _LATCHES[kind]
            place = [
                names[int(event[key])]
                for key, names in (("instance", self._instances), ("symbol", self._symbols))
                if event[key] >= 0
            ]
            made["breaker"] = [
                {
                    "seq": said.seq,
                    "ordinal": 0,
                    "run": run,
                    "ts": said.ts or now_ms,  # 0 before the first event of the market
                    "name": " ".join([name, *place]),
                    "state": state,
                    "reason": reason,
                    "who": who,
                }
            ]
        if number != OURS:
            made["answer"] = [
                answer(number, run, now_ms, said.seq, "done", _told(said), said.before, said.after)
            ]
        return made

    def _read(self, after: int) -> list[Row]:
        """Return the commands behind one; raise StoreBroken where they cannot be read."""
        with explained(Path(self._panel.url.database or "")), self._panel.connect() as connection:
            return queries.commands(connection, after)

    def _by(self, number: int, kind: Kind) -> tuple[str, str]:
        """Return who gave a command, and why."""
        if number == OURS:
            return "engine", "kill file" if kind == Kind.KILL else "safe mode"
        found = self._read(number - 1)[:1]
        if not found or found[0]["id"] != number:
            return "unknown", "its row is gone"
        return found[0]["who"], found[0]["reason"]


def answer(
    number: int,
    run: str,
    now_ms: int,
    seq: int,
    outcome: str,
    sentence: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Row:
    """Return the row that says what became of a command."""
    return {
        "command_id": number,
        "ts": now_ms,
        "seq": seq,
        "run": run,
        "outcome": outcome,
        "sentence": sentence,
        "before": json.dumps(before),
        "after": json.dumps(after),
    }


def _told(said: Said) -> str:
    return ", ".join(_changes(said)) or "nothing to do"


def _changes(said: Said) -> Iterator[str]:
    before, after = said.before, said.after
    if before["killed"] != after["killed"]:
        yield "killed: nothing is opened until rearm" if after["killed"] else "armed again"
    paused, freed = set(after["paused"]), set(before["paused"])
    for word, names in (("paused", paused - freed), ("resumed", freed - paused)):
        if names:
            yield f"{word} {', '.join(sorted(names))}"
    statuses = said.logs["orders"]["status"].tolist()
    for status, word in ((1, "placed"), (4, "canceled")):
        if count := statuses.count(status):
            yield f"{word} {count} order{'s' if count > 1 else ''}"
