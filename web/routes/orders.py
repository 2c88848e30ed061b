"""Orders: one line for each, with its life from placed to its end."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, exists

from engine.store.tables import Row, tables
from web import filters
from web.keyed import Listing, listing, rows_page
from web.language import mark
from web.related import of_orders
from web.view import Page, View

STATUSES = {
    "all": mark("every status"),
    "working": mark("working"),
    "filled": mark("filled"),
    "refused": mark("refused"),
    "canceled": mark("canceled"),
}

_ORDER = tables("engine")["order"]


@dataclass(frozen=True)
class Line:
    """An order: its changes of status, oldest first, and its fill, if it has one."""

    changes: list[Row]
    fill: Row | None

    @property
    def placed(self) -> Row:
        """How it began."""
        return self.changes[0]

    @property
    def last(self) -> Row:
        """How it stands."""
        return self.changes[-1]

    @property
    def slippage(self) -> Decimal | None:
        """What the fill was worse than the price when it was placed, as a fraction of that."""
        if self.fill is None or not self.placed["price"]:
            return None
        worse: Decimal = (self.fill["price"] - self.placed["price"]) / self.placed["price"]
        return worse if self.fill["quantity"] > 0 else -worse


def context(view: View) -> dict[str, Any]:
    """Return a page of orders, and what can be asked for."""
    page = rows_page(view.engine, _wanted(view), view)
    instances, symbols = filters.books(view)
    return {
        "rows_page": page,
        "lines": lines(view, page.items),
        "instances": instances,
        "symbols": symbols,
        "statuses": STATUSES,
    }


def lines(view: View, rows: list[Row]) -> list[Line]:
    """Return the lines of orders that are named by one row each, in the order of the rows."""
    ids = [row["order_id"] for row in rows]
    changes: dict[int, list[Row]] = {}
    for change in of_orders(view.engine, "order", ids):
        changes.setdefault(change["order_id"], []).append(change)
    fills = {fill["order_id"]: fill for fill in of_orders(view.engine, "fill", ids)}
    return [Line(changes[order], fills.get(order)) for order in ids]


def _wanted(view: View) -> Listing:
    """Return the rows that stand for the orders: their ends, else how they began."""
    status, conditions = filters.choice(view, "status", STATUSES), filters.of_book(view)
    sought = filters.best(conditions)
    is_end = status in ("filled", "refused", "canceled")
    conditions["status"] = lambda row: row.status == (status if is_end else "placed")
    if status == "working":
        conditions["open"] = _has_no_end
    return listing(_ORDER, (_ORDER.c.seq, _ORDER.c.ordinal), conditions, sought)


def _has_no_end(row: Any) -> ColumnElement[bool]:
    later = _ORDER.alias("later")
    ends = (later.c.order_id == row.order_id, later.c.status != "placed")
    return ~exists().where(*ends)


PAGE = Page("orders", "/orders", mark("Orders"), context)
