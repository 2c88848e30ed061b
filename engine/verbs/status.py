"""chanquant status: how the engine is and what it holds, read from its store, dead or alive."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from engine import clock
from engine.api import compose
from engine.store import queries
from engine.store.database import read_only
from engine.store.latches import in_force
from engine.store.lock import holder

if TYPE_CHECKING:
    from engine.verbs import Arguments

STALE_SECONDS = 150  # without a heartbeat: two minutes and a half


def run(arguments: "Arguments") -> int:
    """Print what the store says; 0 where the engine is alive."""
    settings = compose(arguments.on_paper, arguments.config_dir)
    directory = Path(settings.store.directory)
    database = read_only(directory)
    with database.connect() as connection:
        found = status(connection, holder(directory), clock.now_ms())
    database.dispose()
    if arguments.json:
        arguments.answer(found)
    else:
        Console().print(_render(found), highlight=False)
    return 0 if found["state"] == "running" else 1


def status(connection: Connection, process: int | None, now: int) -> dict[str, Any]:
    """Return what there is to know; `process` has the store's lock, `now` in ms."""
    progress = queries.progress(connection)
    run = queries.run(connection, progress["run"]) if progress else None
    beat = next(iter(queries.newest(connection, "heartbeat")), None)
    equity = next(iter(queries.newest(connection, "equity")), None)
    age = None if beat is None else (now - beat["ts"]) // 1_000
    state = "stopped" if process is None else "running"
    if process is not None and age is not None and age > STALE_SECONDS:
        state = "hanging"
    return {
        "state": state,
        "process": process,
        "run": run["id"] if run else None,
        "mode": run["mode"] if run else None,
        "code_version": run["code_version"] if run else None,
        "config_hash": run["config_hash"] if run else None,
        "heartbeat_age_seconds": age,
        "lag_ms": beat["lag_ms"] if beat else None,
        "last_event": {"seq": progress["seq"], "time": _utc(progress["ts"])} if progress else None,
        "equity": str(equity["equity"]) if equity else None,
        "latches": [
            {name: row[name] for name in ("name", "reason", "who")} | {"since": _utc(row["ts"])}
            for row in in_force(queries.latches(connection).values())
        ],
        "positions": [
            {name: row[name] for name in ("instance", "symbol")}
            | {name: _text(row[name]) for name in ("quantity", "entry", "stop", "take")}
            for row in queries.positions(connection)
            if row["quantity"]
        ],
        "events": [
            {"time": _utc(row["ts"]), "severity": row["severity"], "sentence": row["sentence"]}
            for row in queries.newest(connection, "event", 5)
        ],
    }


def _text(number: Any) -> str | None:
    return None if number is None else str(number)


def _utc(ms: int) -> str:
    return clock.utc(ms)


def _render(found: dict[str, Any]) -> Group:
    """Return the status as a person reads it: what matters first."""
    facts = Table.grid(padding=(0, 2))
    names = ("state", "process", "mode", "equity", "heartbeat_age_seconds", "run", "code_version")
    for name in names:
        if found[name] is not None:
            facts.add_row(name, str(found[name]))
    if found["last_event"]:
        facts.add_row("last_event", f"{found['last_event']['seq']}, {found['last_event']['time']}")
    for latch in found["latches"]:
        why = f" ({latch['reason']})" if latch["reason"] else ""
        line = f"{latch['name']} by {latch['who']} since {latch['since']}{why}"
        facts.add_row("latch", Text(line))  # a reason may have brackets
    parts: list[Any] = [facts]
    if found["positions"]:
        parts += ["", _table(found["positions"])]
    parts.append("")
    parts += [Text(f"{e['time']}  {e['severity']:7}  {e['sentence']}") for e in found["events"]]
    return Group(*parts)


def _table(rows: list[dict[str, Any]]) -> Table:
    made = Table(box=None, padding=(0, 2))
    for column in rows[0]:
        is_number = column not in ("instance", "symbol")
        made.add_column(column, justify="right" if is_number else "left")
    for row in rows:
        made.add_row(*("" if value is None else value for value in row.values()))
    return made
