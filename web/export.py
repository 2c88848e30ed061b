"""Trades as a file for a spreadsheet: all that the filter of the address leaves, in its order.

What a spreadsheet would take for a formula is told to be text; figures are written as they are
stored, times as UTC in ISO 8601.
"""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Request, get
from litestar.response import Stream
from sqlalchemy import Connection

from engine.clock import utc
from engine.store.tables import Row
from web.keyed import Listing, every
from web.panel import GivenPanel
from web.routes.trades import ratios, wanted
from web.stores import Stores

TIMES = ("opened_at", "closed_at")
COLUMNS = (
    *("seq", "instance", "symbol", *TIMES, "quantity", "entry", "exit", "fees", "profit"),
    *("of_cost", "of_equity", "equity", "reason", "run", "config_hash", "code_version"),
)

_PIECE = 64 << 10  # characters that are sent at once

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@get(
    "/trades.csv",
    name="trades_csv",
    opt={"role": "viewer"},
    sync_to_thread=True,
    media_type="text/csv",
)
def trades(request: Request[Any, Any, Any], panel: GivenPanel) -> Stream:
    """Answer with the trades that the query asks for, as the page of trades does."""
    with panel.view_of(request) as view:
        listing = wanted(view)
    headers = {"Content-Disposition": 'attachment; filename="trades.csv"'}
    return Stream(content(panel.stores, listing), headers=headers)


def content(stores: Stores, listing: Listing) -> Iterator[str]:
    """Yield a head and a line for each trade of a listing, many lines at once."""

    @contextmanager
    def connect() -> Iterator[Connection]:
        with stores.reading() as (engine, _):
            yield engine

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for trade in every(listing, connect):
        writer.writerow(_cells(trade))
        if text.tell() > _PIECE:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def cell(value: Any) -> str:
    """Return a value as a spreadsheet should read it: a text never as a formula, in one line.

    >>> cell("=1+1"), cell(-1.5)
    ("'=1+1", '-1.5')
    """
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = _CONTROL.sub(" ", value)
    return f"'{text}" if _FORMULA.match(value) else text


def _cells(trade: Row) -> Iterator[str]:
    row = trade | ratios(trade) | {name: utc(trade[name]) for name in TIMES}
    for name in COLUMNS:
        value = row[name]
        is_ratio = name in ("of_cost", "of_equity") and value is not None
        yield cell(round(value, 8) if is_ratio else value)
