"""Positions: every book that holds something, how it stands and what guards it."""

from typing import Any

from web import equity, figures
from web.language import mark
from web.view import Page, View


def context(view: View) -> dict[str, Any]:
    """Return the books that are open, those that only wait for an order, and their sums."""
    books = figures.holdings(figures.priced(view), view.settings)
    now = equity.now(view.engine, view.state)
    return {
        "books": [book for book in books if book.is_open],
        "waiting": [book for book in books if not book.is_open],
        "currency": view.settings.account.currency,
        "equity": now[1] if now else None,
        "cash": view.state.cash,
        "exposure": figures.exposure(books, now[1] if now else None),
        "open_profit": figures.open_profit(books),
        "gross_limit": figures.gross_limit(view.settings),
        "count_limit": figures.count_limit(view.settings),
    }


PAGE = Page("positions", "/positions", mark("Positions"), context)
