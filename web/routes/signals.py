"""Signals: each with what risk decided, and every reason where it said no."""

from typing import Any

from engine.store.columns import sortable
from engine.store.tables import Row, tables
from web import filters
from web.keyed import Listing, listing, rows_page
from web.language import mark
from web.related import Answered, answered
from web.view import Page, View

OUTCOMES = {
    "all": mark("every outcome"),
    "ordered": mark("ordered"),
    "denied": mark("denied"),
    "idle": mark("nothing to do"),
}

_ENGINE = tables("engine")


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


def lines(view: View, rows: list[Row]) -> list[Answered]:
    """Return the signals that belong to some rows, which are signals or decisions themselves."""
    found = answered(view.engine, rows)
    return [
        one
        for row in rows
        for one in found.get((row["seq"], row["instance"], row["symbol"]), [])
        if _is_of(row, one.decision if "approved" in row else one.signal)
    ]


def _is_of(row: Row, other: Row | None) -> bool:
    return other is not None and row["ordinal"] == other["ordinal"]


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
