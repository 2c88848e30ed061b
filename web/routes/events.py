"""Events: what the engine had to say, what people asked of it, who came in, and its heartbeats."""

from typing import Any

from sqlalchemy import select

from engine.store.tables import ACTIONS, Row, tables
from web import filters
from web.keyed import Listing, listing, rows_page
from web.language import mark
from web.view import Page, View
from web.words import SEVERITIES

LISTS = {
    "events": mark("Engine"),
    "commands": mark("Commands"),
    "audit": mark("Audit"),
    "heartbeats": mark("Heartbeats"),
}
KINDS = {
    "all": mark("all kinds"),
    "start": mark("start"),
    "stop": mark("clean stop"),
    "recovery": mark("recovery"),
    "failure": mark("failure of a strategy or rule"),
    "task": mark("task that died"),
    "lag": mark("late loop"),
    "clock": mark("clock was set"),
    "stream": mark("stream of the engine"),
}
OUTCOMES = {"all": mark("done and refused"), "done": mark("done"), "refused": mark("refused")}

_EVENT, _BEAT = tables("engine")["event"], tables("engine")["heartbeat"]
_ANSWER = tables("engine")["answer"]
_COMMAND, _AUDIT = tables("panel")["command"], tables("panel")["audit"]


def context(view: View) -> dict[str, Any]:
    """Return a page of one of the lists, and what can be asked for."""
    shown = filters.choice(view, "list", LISTS)
    is_hidden = shown == "audit" and not view.who.is_at_least("admin")
    store = view.engine if shown in ("events", "heartbeats") else view.panel
    page = None if is_hidden else rows_page(store, _WANTED[shown](view), view)
    return {
        "lists": LISTS,
        "shown": shown,
        "rows_page": page,
        "answers": _answers(view, page.items) if page and shown == "commands" else {},
        "severities": {"all": mark("all severities")} | SEVERITIES,
        "kinds": KINDS,
        "actions": {"all": mark("all actions")} | {action: action for action in ACTIONS},
        "outcomes": OUTCOMES,
    }


def _events(view: View) -> Listing:
    conditions = _equal(view, severity=["all", *SEVERITIES], kind=KINDS)
    return listing(_EVENT, (_EVENT.c.id,), conditions, sorted(conditions)[:1])  # kinds are rarer


def _commands(view: View) -> Listing:
    return listing(_COMMAND, (_COMMAND.c.id,), _equal(view, action=["all", *ACTIONS]))


def _audit(view: View) -> Listing:
    conditions = _equal(view, outcome=OUTCOMES)
    if who := filters.name(view, "who"):
        conditions["who"] = filters.equal("who", who)
    return listing(_AUDIT, (_AUDIT.c.id,), conditions)


def _heartbeats(_view: View) -> Listing:
    return listing(_BEAT, (_BEAT.c.ts,), {})


_WANTED = {
    "events": _events,
    "commands": _commands,
    "audit": _audit,
    "heartbeats": _heartbeats,
}


def _equal(view: View, **choices: Any) -> dict[str, filters.Condition]:
    """Return the conditions that the address sets: key → words, the first of which sets none."""
    asked = {key: filters.choice(view, key, list(words)) for key, words in choices.items()}
    return {key: filters.equal(key, word) for key, word in asked.items() if word != "all"}


def _answers(view: View, commands: list[Row]) -> dict[int, Row]:
    """Return the number of a command → what became of it."""
    if not commands:
        return {}
    numbers = [command["id"] for command in commands]
    wanted = select(_ANSWER).where(_ANSWER.c.command_id.in_(numbers))
    found = view.engine.execute(wanted).mappings()
    return {row["command_id"]: dict(row) for row in found}


PAGE = Page("events", "/events", mark("Events"), context)
