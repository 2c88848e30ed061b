"""Signals: each with what risk decided, and every reason where it said no."""

from dataclasses import dataclass
from typing import Any

from engine.store.columns import sortable
from engine.store.tables import Row, tables
from web import filters
from web.keyed import Listing, listing, rows_page
from web.language import mark
from web.related import caused
from web.view import Page, View

OUTCOMES = {
    "all": mark("every outcome"),
    "ordered": mark("ordered"),
    "denied": mark("denied"),
    "idle": mark("nothing to do"),
}

_ENGINE = tables("engine")


@dataclass(frozen=True)
class Line:
    """A signal, what risk said to it, and every reason where that was no."""

    signal: Row
    decision: Row | None
    denials: list[Row]


def context(view: View) -> dict[str, Any]:
    """Return a page of signals, and what can be asked for."""
    page = rows_page(view.engine, _wanted(view), view)
    instances, symbols = filters.books(view)
    return {
        "rows_page": page,
        "lines": lines(view, page.items),
        "instances": instances,
        "symbols": symbols,
        "outcomes": OUTCOMES,
    }


def lines(view: View, rows: list[Row]) -> list[Line]:
    """Return the signals that belong to some rows, which are signals or decisions themselves."""
    signals, decisions, denials = (
        caused(view.engine, name, rows) for name in ("signal", "decision", "denial")
    )
    books = [(row["seq"], row["instance"], row["symbol"]) for row in rows]
    return [
        Line(signal, next(iter(decisions.get(book, [])), None), denials.get(book, []))
        for book in books
        for signal in signals.get(book, [])
    ]


def _wanted(view: View) -> Listing:
    """Return the signals, or the decisions where it is asked for how they ended."""
    outcome, conditions = filters.choice(view, "outcome", OUTCOMES), filters.of_book(view)
    table = _ENGINE["signal" if outcome == "all" else "decision"]
    key = (table.c.seq, table.c.ordinal)
    if outcome == "all":
        return listing(table, key, conditions, filters.best(conditions))
    is_approved = outcome != "denied"
    conditions["approved"] = lambda row: row.approved == is_approved
    if outcome == "ordered":
        conditions["quantity"] = lambda row: sortable(row.quantity) != 0.0
    elif outcome == "idle":
        conditions["quantity"] = lambda row: sortable(row.quantity) == 0.0
    return listing(table, key, conditions, {"approved"})


PAGE = Page("signals", "/signals", mark("Signals"), context)
