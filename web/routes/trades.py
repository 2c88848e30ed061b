"""Trades: each closed round trip, filtered and sorted as the address says."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from engine.store.columns import sortable
from engine.store.tables import Row, tables
from web import filters
from web.keyed import Listing, listing, rows_page
from web.language import mark
from web.view import Page, View

OUTCOMES = {"all": mark("won and lost"), "won": mark("won"), "lost": mark("lost")}
SORTS = {
    "newest": mark("newest first"),
    "oldest": mark("oldest first"),
    "best": mark("best first"),
    "worst": mark("worst first"),
}
ASKED = ("instance", "symbol", "outcome", "sort", "from", "to")  # in the address

_TRADE = tables("engine")["trade"]


def context(view: View) -> dict[str, Any]:
    """Return a page of trades, and what can be asked for."""
    page = rows_page(view.engine, wanted(view), view)
    instances, symbols = filters.books(view)
    asked = {key: view.query[key] for key in ASKED if view.query.get(key)}
    return {
        "rows_page": page,
        "trades": [trade | ratios(trade) for trade in page.items],
        "profit": sum((trade["profit"] for trade in page.items), Decimal(0)),
        "outcomes": OUTCOMES,
        "sorts": SORTS,
        "instances": instances,
        "symbols": symbols,
        "export": f"/trades.csv?{urlencode(asked)}",
    }


def wanted(view: View) -> Listing:
    """Return the trades that the address asks for, in its order."""
    sort = filters.choice(view, "sort", SORTS)
    conditions = filters.of_book(view) | _won_or_lost(view) | _closed(view)
    key = (_TRADE.c.seq, _TRADE.c.ordinal)
    falls = sort in ("newest", "best")
    if sort in ("best", "worst"):
        number = sortable(_TRADE.c.profit).label("number")
        return listing(_TRADE, (number, *key), conditions, {"outcome"}, falls)
    if conditions.keys() & {"from", "to"}:
        return listing(_TRADE, (_TRADE.c.closed_at, *key), conditions, {"from", "to"}, falls)
    return listing(_TRADE, key, conditions, filters.best(conditions), falls)


def ratios(trade: Row) -> dict[str, Decimal | None]:
    """Return the profit over the account's equity at the entry, and over what was paid."""
    paid = abs(trade["quantity"] * trade["entry"])
    return {
        "of_equity": trade["profit"] / trade["equity"] if trade["equity"] else None,
        "of_cost": trade["profit"] / paid if paid else None,
    }


def _won_or_lost(view: View) -> dict[str, filters.Condition]:
    outcome = filters.choice(view, "outcome", OUTCOMES)
    if outcome == "won":
        return {"outcome": lambda row: sortable(row.profit) > 0.0}
    if outcome == "lost":
        return {"outcome": lambda row: sortable(row.profit) <= 0.0}
    return {}


def _closed(view: View) -> dict[str, filters.Condition]:
    start, end = filters.day(view, "from"), filters.day(view, "to", ends=True)
    found: dict[str, filters.Condition] = {}
    if start is not None:
        found["from"] = lambda row: row.closed_at >= start
    if end is not None:
        found["to"] = lambda row: row.closed_at < end
    return found


PAGE = Page("trades", "/trades", mark("Trades"), context)
