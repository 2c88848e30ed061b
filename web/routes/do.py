"""Asks the engine for an action: a form that says what will happen, and the engine's answer.

GET /do/ACTION shows the form, POST /do/ACTION stores the command, GET /do/answer/KEY shows what
became of it. For htmx each is a part that goes into the page's dialog, else a page of its own.
"""

from dataclasses import dataclass
from typing import Any

from litestar import Request, get, post
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect, Response

from engine.store import queries
from engine.store.database import explained, path_of
from engine.store.tables import ACTIONS, Row
from web import accounts, audit
from web.commands import (
    REASON_MAX,
    Told,
    Wish,
    give,
    is_fresh,
    is_ours,
    is_same,
    new_key,
    stored,
    tidied,
)
from web.effects import effect
from web.guard import address_of
from web.language import mark, translated
from web.panel import GivenPanel, Panel
from web.sessions import Denied, Sessions
from web.view import View

ANSWER_SECONDS = 10

Asking = Request[Any, Any, Any]


@dataclass
class Form:
    """What the form sends; `csrf` is for the guard."""

    key: str
    csrf: str = ""
    instance: str = ""
    symbol: str = ""
    reason: str = ""
    word: str = ""
    password: str = ""


class Refused(Exception):
    """A form that must be filled in again: the sentence above it, and the status of the answer."""

    def __init__(self, status: int, sentence: str, **values: Any) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.values = status, sentence, values


@get("/do/{action:str}", role="operator", media_type=MediaType.HTML, sync_to_thread=True)
def form(
    action: FromPath[str],
    request: Asking,
    panel: GivenPanel,
    instance: FromQuery[str] = "",
    symbol: FromQuery[str] = "",
) -> Response[str]:
    """Show what an action will do, and ask for what it needs."""
    with panel.view_of(request) as view:
        wish = _wish(action, instance, symbol, view)
        if problem := wish.problem(view.settings, view.state):
            return _impossible(panel, request, view, problem)
        return _drawn(panel, request, "partials/do.html", _form(wish, request, view))


@post("/do/{action:str}", role="operator", media_type=MediaType.HTML, sync_to_thread=True)
def send(
    action: FromPath[str],
    data: URLEncodedBody[Form],
    request: Asking,
    panel: GivenPanel,
) -> Response[Any]:
    """Store what is asked for, once for each form, and show where its answer will be."""
    with panel.view_of(request) as view:
        wish = _wish(action, data.instance, data.symbol, view)
        if problem := wish.problem(view.settings, view.state):
            return _impossible(panel, request, view, problem)
        command = _command(wish, data, view)
        try:
            _accept(command, wish, data, request, panel, view)
        except Refused as refused:
            problem = translated(view.reader, refused.sentence, **refused.values)
            again = _form(wish, request, view) | {"problem": problem, "reason": command["reason"]}
            return _drawn(panel, request, "partials/do.html", again, refused.status)
        if _is_htmx(request):
            return _drawn(panel, request, "partials/answer.html", _told(command, view))
        return Redirect(f"/do/answer/{data.key}", status_code=303)


@get(
    "/do/answer/{key:str}",
    role="operator",
    passive=True,
    media_type=MediaType.HTML,
    sync_to_thread=True,
)
def answer(
    key: FromPath[str], request: Asking, panel: GivenPanel, stage: FromQuery[str] = ""
) -> Response[str]:
    """Show what became of a command; 204 where it still is at `stage`."""
    with panel.view_of(request) as view:
        command = stored(view.panel, key) if is_ours(key, request.auth.csrf) else None
        if command is None:
            raise NotFoundException("This session has sent no such command.")
        context = _told(command, view)
        if context["stage"] == stage:
            return Response("", status_code=204)
        return _drawn(panel, request, "partials/answer.html", context)


# ── what is asked for ─────────────────────────────────────────────────────────────────────────


def _wish(action: str, instance: str, symbol: str, view: View) -> Wish:
    """Return what is asked for; raise the exception of 403 or 404 where it may not be."""
    wish = Wish(action, instance or None, symbol or None)
    if action not in ACTIONS:
        raise NotFoundException("There is no such action.")
    if not view.who.is_at_least(wish.role):
        raise PermissionDeniedException("Your role does not allow this.")
    return wish


def _command(wish: Wish, data: Form, view: View) -> Row:
    return {
        "ts": view.now,
        "who": view.who.name,
        "action": wish.action,
        "instance": wish.instance,
        "symbol": wish.symbol,
        "reason": tidied(data.reason),
        "key": data.key,
    }


def _accept(
    command: Row, wish: Wish, data: Form, request: Asking, panel: Panel, view: View
) -> None:
    """Store a command, or take it as said before; raise Refused, or what it is refused with."""
    if not is_ours(data.key, request.auth.csrf):
        raise Refused(403, mark("This form was of another session. Look again and send this one."))
    before = stored(view.panel, data.key)
    if before is None:
        _check(command, wish, data, view)
        _prove(wish, data, request)
    elif is_same(before, command):
        return
    sessions: Sessions = request.app.state.sessions
    became = Told.OTHER if before else give(sessions.panel, panel.directory, command)
    if became is Told.OTHER:
        raise Refused(409, mark("This form was sent before, with other words. Look again."))
    if became is Told.STORED:
        with explained(path_of(panel.directory, "panel")), sessions.panel.begin() as connection:
            audit.write(
                connection,
                ts=command["ts"],
                who=command["who"],
                action=f"do {wish.action}",
                outcome="done",
                sentence=_sentence(command),
                address=address_of(request),
            )


def _sentence(command: Row) -> str:
    place = [command[name] for name in ("instance", "symbol") if command[name]]
    return f"asked for {' '.join([command['action'], *place])}: {command['reason'] or 'no reason'}"


def _check(command: Row, wish: Wish, data: Form, view: View) -> None:
    """Raise Refused where a form that is new is too old, or is not filled in."""
    if not is_fresh(data.key, view.now):
        raise Refused(409, mark("This form was old. Look at its figures again, then send it."))
    if len(command["reason"]) > REASON_MAX:
        limit = mark("Why: must have at most %(most)s characters, had %(count)s.")
        raise Refused(422, limit, most=REASON_MAX, count=len(command["reason"]))
    if wish.needs_reason and not command["reason"]:
        raise Refused(422, mark("Why: must be said. It is kept with the command."))
    if wish.is_dangerous and data.word.strip().upper() != wish.word:
        raise Refused(422, mark("%(word)s: must be typed to confirm, was not."), word=wish.word)


def _prove(wish: Wish, data: Form, request: Asking) -> None:
    """Raise Refused where a dangerous wish comes without a password of a moment ago."""
    sessions: Sessions = request.app.state.sessions
    if not wish.is_dangerous or sessions.is_fresh(request.auth):
        return
    if not data.password:
        raise Refused(403, mark("Your password: must be typed once more, was not."))
    try:
        sessions.confirm(request.auth, data.password, address_of(request))
    except Denied as denied:
        if denied.seconds:
            wait = mark("Too many wrong passwords. Try again in %(seconds)s s.")
            raise Refused(429, wait, seconds=denied.seconds) from None
        raise Refused(403, mark("Your password: was wrong. Nothing was done.")) from None
    except accounts.Busy:
        raise Refused(503, mark("Too many passwords wait to be checked. Try again.")) from None


# ── what is shown ─────────────────────────────────────────────────────────────────────────────


def _form(wish: Wish, request: Asking, view: View) -> dict[str, Any]:
    sessions: Sessions = request.app.state.sessions
    return {
        "view": view,
        "wish": wish,
        "effect": effect(wish, view.state, view.settings, queries.latches(view.engine)),
        "key": new_key(request.auth.csrf, view.now),
        "reason": "",
        "reason_max": REASON_MAX,
        "problem": None,
        "needs_password": wish.is_dangerous and not sessions.is_fresh(request.auth),
    }


def _told(command: Row, view: View) -> dict[str, Any]:
    """Return what an answer is drawn from; `stage` changes when there is something new to say."""
    found = queries.answer(view.engine, command["id"]) if "id" in command else None
    is_running = view.state.health in ("running", "silent")
    stage = "stopped"
    if found:
        stage = "answered"
    elif is_running:
        is_early = view.now - command["ts"] < ANSWER_SECONDS * 1_000
        stage = "waiting" if is_early else "silent"
    return {
        "view": view,
        "command": command,
        "answer": found,
        "stage": stage,
        "answer_seconds": ANSWER_SECONDS,
    }


def _impossible(panel: Panel, request: Asking, view: View, problem: str) -> Response[str]:
    context = {"view": view, "problem": problem}
    return _drawn(panel, request, "partials/impossible.html", context, 400)


def _drawn(
    panel: Panel, request: Asking, part: str, context: dict[str, Any], status: int = 200
) -> Response[str]:
    """Return a part for htmx, else a page around it."""
    template = part if _is_htmx(request) else "pages/do.html"
    given = {"wish": None, "command": None, "stage": None} | context
    given |= {"part": part, "csrf": request.auth.csrf}
    return Response(panel.draw(template, **given), status_code=status, media_type=MediaType.HTML)


def _is_htmx(request: Asking) -> bool:
    return request.headers.get("hx-request") == "true"
