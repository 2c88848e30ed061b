"""System: versions, runs, stores, health over time, the configuration, and who is logged in."""

import platform
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from litestar import Request, post
from litestar.params import URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Connection, select

from engine.store import queries
from engine.store.database import path_of, version
from engine.store.tables import Row, tables
from engine.version import code_version
from web import accounts
from web.availability import availability, overall
from web.guard import address_of
from web.language import mark
from web.sessions import Sessions
from web.view import Page, View

RUNS = 8
BEATS = 1_440  # of a day
POINTS = 48  # of a curve

_CONFIG = tables("engine")["config"]
_SESSION = tables("panel")["session"]


@dataclass(frozen=True)
class Kept:
    """A file or folder of the store; `schema` of a database."""

    name: str
    path: Path
    size: int
    schema: str | None = None


def context(view: View) -> dict[str, Any]:
    """Return what there is to know of engine, panel and stores."""
    directory = Path(view.settings.store.directory)
    days = availability(view.engine, view.now)
    runs = queries.newest(view.engine, "run", RUNS)
    run = runs[0] if runs else None
    is_admin = view.who.is_at_least("admin")
    return {
        "run": run,
        "runs": runs,
        "panel_version": _our_version(),
        "python": platform.python_version(),
        "days": days,
        "available": overall(days),
        "beats": _beats(view.engine),
        "kept": _kept(view, directory),
        "free": shutil.disk_usage(directory).free if directory.exists() else None,
        "config": _config(view.engine, run["config_hash"]) if run else None,
        "sessions": _sessions(view) if is_admin else None,
        "users": accounts.listed(view.panel) if is_admin else None,
    }


@cache
def _our_version() -> str:
    return code_version()


def _beats(connection: Connection) -> dict[str, Any] | None:
    """Return the last heartbeat, and of the last day's what was usual, the worst, and a curve."""
    rows = queries.newest(connection, "heartbeat", BEATS)
    if not rows:
        return None
    step = max(1, len(rows) // POINTS)
    day = {}
    for name in ("loop_lag_ms", "memory_bytes", "handles"):
        values = [float(row[name]) for row in reversed(rows)]
        day[name] = {"usual": median(values), "worst": max(values), "curve": values[::step]}
    return {"last": rows[0], "day": day}


def _kept(view: View, directory: Path) -> list[Kept]:
    stores = [
        Kept(f"{store}.db", path, _size(path) + _size(path.with_name(f"{path.name}-wal")), schema)
        for store, connection in (("engine", view.engine), ("panel", view.panel))
        if (path := path_of(directory, store)).exists() and (schema := version(connection))
    ]
    journal = directory / "journal"
    if journal.is_dir():
        size = sum(_size(path) for path in journal.glob("*/*"))
        stores.append(Kept("journal", journal, size))
    return stores


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it was compressed, or has expired
        return 0


def _config(connection: Connection, hashed: str) -> Row | None:
    found = connection.execute(select(_CONFIG).where(_CONFIG.c.hash == hashed)).mappings().first()
    return dict(found) if found else None


def _sessions(view: View) -> list[Row]:
    """Return the sessions that are not over, who was here last first."""
    web = view.settings.web
    wanted = (
        select(_SESSION)
        .where(_SESSION.c.ended_at.is_(None))
        .where(_SESSION.c.seen_at > view.now - round(web.idle_minutes * 60_000))
        .where(_SESSION.c.created_at > view.now - round(web.session_hours * 3_600_000))
        .order_by(_SESSION.c.seen_at.desc())
    )
    return [dict(row) for row in view.panel.execute(wanted).mappings()]


PAGE = Page("system", "/system", mark("System"), context)


@dataclass
class Ended:
    """The session that is to be ended; `csrf` is for the guard."""

    id: str
    csrf: str = ""


@post("/system/session", role="admin", status_code=303, sync_to_thread=True)
def end_session(request: Request[Any, Any, Any], data: URLEncodedBody[Ended]) -> Redirect:
    """End somebody's session; one that is over already stays so."""
    sessions: Sessions = request.app.state.sessions
    sessions.end(data.id, accounts.By(request.user.name, address_of(request)))
    return Redirect("/system", status_code=303)
