"""Overview: how the account stands, what it holds, who trades, what happened."""

from typing import Any

from sqlalchemy import select

from engine.store.tables import Row, tables
from web import equity, figures, filters
from web.happened import KINDS, happened
from web.instances import standings
from web.language import mark
from web.plot import plot
from web.view import Page, View

RANGES = ("1d", *(name for name in equity.RANGES if name != "1d"))  # the first is the usual one
SPARKS = 48  # points of a small curve
ALERTS = ("warning", "error")  # severities
ALERTS_MAX = 100  # of each that are counted

_EVENT = tables("engine")["event"]


def context(view: View) -> dict[str, Any]:
    """Return all parts of the page."""
    shown = filters.choice(view, "range", RANGES)
    kind = filters.choice(view, "kind", tuple(KINDS))
    books = figures.holdings(figures.priced(view), view.settings)
    now = equity.now(view.engine, view.state)
    today = equity.today(view.engine, *now) if now else None
    curve = equity.curve(view.engine, shown, *now) if now else None
    return {
        "now": now,
        "currency": view.settings.account.currency,
        "today": today,
        "curve": curve,
        "plot": plot(curve, view.reader.zone) if curve else None,
        "sparks": _sparks(view, curve, today),
        "range": shown,
        "ranges": tuple(equity.RANGES),
        "books": books,
        "held": {book.instance for book in books},
        "exposure": figures.exposure(books, now[1] if now else None),
        "open_profit": figures.open_profit(books),
        "gross_limit": figures.gross_limit(view.settings),
        "count_limit": figures.count_limit(view.settings),
        "alerts": _alerts(view),
        "alerts_max": ALERTS_MAX,
        "standings": standings(view, today.seq if today else -1),
        "kind": kind,
        "kinds": KINDS,
        "lines": happened(view, kind),
    }


def _sparks(
    view: View, curve: equity.Curve | None, today: equity.Today | None
) -> dict[str, list[float]]:
    """Return the small curves: equity and fall over the range, and the day's equity."""
    points = curve.points if curve else []
    few = points[:: max(1, len(points) // SPARKS)]
    found = {"equity": [p.equity for p in few], "fall": [p.fall for p in few], "today": []}
    if curve and today:
        day = equity.sampled(view.engine, today.since, curve.end, SPARKS)
        found["today"] = [value for _, _, value in day]
    return found


def _alerts(view: View) -> list[Row]:
    """Return the warnings and errors of the last day, the newest first, ALERTS_MAX of each."""
    event, since = _EVENT.c, view.now // equity.MINUTE * equity.MINUTE - equity.DAY
    rows: list[Row] = []
    for severity in ALERTS:
        newest = select(_EVENT).where(event.severity == severity).order_by(event.id.desc())
        found = view.engine.execute(newest.limit(ALERTS_MAX)).mappings()
        rows += [dict(row) for row in found if row["ts"] > since]
    return sorted(rows, key=lambda row: row["id"], reverse=True)


PAGE = Page("overview", "/", mark("Overview"), context)
