"""Chart: the bars of a symbol, what was traded on them, and what is held now."""

from typing import Any

from litestar import Request, get
from sqlalchemy import Connection

from web import filters
from web.bars import (
    MINUTE_MS,
    TIMEFRAMES,
    Chosen,
    bars_of,
    cells,
    chosen,
    digits,
    marks,
    newest_trades,
    plain,
    stretch,
    trades,
    written,
)
from web.figures import Holding, holdings
from web.language import mark
from web.panel import GivenPanel
from web.view import Page, View

TRADES_BESIDE = 12
ROWS = 12
STALE_SECONDS = 120.0  # twice the interval of minute bars
SIDES = ("entry", "exit")
PUSHED = 3  # bars that each push tells anew: the forming one, and those before it
DAY_MINUTES = 1_440


def context(view: View) -> dict[str, Any]:
    """Return what stands around the chart, and what is new on it."""
    asked = chosen(view)
    newest = bars_of(view).of(asked.symbol, asked.span, ROWS)
    held = [book for book in holdings(view.state, view.settings) if book.symbol == asked.symbol]
    made = newest_trades(view.engine, asked.symbol, TRADES_BESIDE)
    rows = cells(newest)
    decimals = digits(rows)
    return {
        "chosen": asked,
        "timeframes": list(TIMEFRAMES),
        "bars": [written(row, decimals) for row in reversed(rows)],
        "trouble": newest.trouble,
        "today": _today(view, asked.symbol, decimals),
        "stale_seconds": STALE_SECONDS,
        "held": held,
        "trades": [row | {name: plain(row[name], decimals[0]) for name in SIDES} for row in made],
        "news": {
            "bars": rows[-PUSHED:],
            "trades": marks(made, asked.span),
            "levels": [level for book in held for level in _levels(book, asked.span)],
        },
    }


def _today(view: View, symbol: str, decimals: tuple[int, int]) -> dict[str, Any] | None:
    """Return the bar of the last 24 hours, None without a price; `last_at` is that of its end."""
    minutes = bars_of(view).of(symbol, MINUTE_MS, DAY_MINUTES)
    if not len(minutes.bars):
        return None
    rows = cells(minutes)
    opened, last = rows[0][1], rows[-1][4]
    high, low = max(row[2] for row in rows), min(row[3] for row in rows)
    whole = [rows[0][0], opened, high, low, last, sum(row[5] for row in rows)]
    mark = view.state.marks.get(symbol)  # from the store it is older than the bars may be
    return written(whole, decimals) | {"last_at": max(int(rows[-1][0]), mark.ts if mark else 0)}


def _levels(book: Holding, span: int) -> list[dict[str, Any]]:
    """Return the lines of a position: where it was entered, and where it will be left."""
    if not book.is_open:
        return []
    opened = book.opened_at // span * span
    prices = {"entry": book.entry, "stop": book.stop, "take": book.take}
    return [
        {
            "kind": kind,
            "instance": book.instance,
            "price": price,
            "opened": opened,
            "long": book.is_long,
        }
        for kind, price in prices.items()
        if price is not None
    ]


PAGE = Page("chart", "/chart", mark("Chart"), context)


@get("/chart/bars", role="viewer", passive=True, sync_to_thread=True)
def bars(request: Request[Any, Any, Any], panel: GivenPanel) -> dict[str, Any]:
    """Return bars and trades; those before the time `before` (ms) where it is given."""
    with panel.view_of(request) as view:
        before = filters.number(view, "before")
        return _answer(view.engine, view, chosen(view), before)


def _answer(
    connection: Connection, view: View, asked: Chosen, before: int | None
) -> dict[str, Any]:
    found = stretch(view, asked, before)
    rows = cells(found)
    since = int(rows[0][0]) if rows else view.now
    made = trades(connection, asked.symbol, since, before or view.now + asked.span)
    prices, volumes = digits(rows)
    return {
        "bars": rows,
        "trades": marks(made, asked.span),
        "more": bool(rows) or found.is_cut,
        "digits": [prices, volumes],
    }
