"""What a page is drawn from, over a store that an engine has left; and a busy one."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event

from engine.store.database import open_panel, path_of
from tests.unit.live.engines import settings, trade
from tests.web.conftest import PASSWORDS
from web import accounts
from web.stores import Stores
from web.view import Reader, State, View, Who

BUSY = (  # what makes risk say no, stops and take-profits fire, and the venue reject
    "risk.order_notional.notional_max=690",
    "strategy.ema_cross.exits.stop_loss=0.003",
    "strategy.ema_cross.exits.take_profit=0.005",
    "venue.rejection_ratio=0.1",
)
BUSY_END = "2024-01-02T00:00"

Said = list[tuple[str, Any]]


def busy(folder: Path) -> Path:
    """Have an engine trade in a folder until all of this has happened; return the folder.

    The people of `PASSWORDS` are let in.
    """
    trade(folder, BUSY_END, *BUSY)
    panel = open_panel(folder)
    for role, password in PASSWORDS.items():
        accounts.add(panel, role, role, password, accounts.By("a test", "shell"))
    panel.dispose()
    return folder


class _Cells(HTMLParser):
    """Collects the rows of all tables, each as what its cells are called → what stands there."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self._at: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append({})
        if tag == "td":
            self._at = dict(attrs).get("data-label") or ""
            self.rows[-1][self._at] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "td" and self._at is not None:
            self.rows[-1][self._at] = " ".join(self.rows[-1][self._at].split())
            self._at = None

    def handle_data(self, data: str) -> None:
        if self._at is not None:
            self.rows[-1][self._at] += data


def cells(html: str) -> list[dict[str, str]]:
    """Return the rows of the tables of a page: the label of each cell → its text."""
    parser = _Cells()
    parser.feed(html)
    return [row for row in parser.rows if row]


def figure(stored: str) -> str:
    """Return a number as a page writes it: 8 digits that count, thousands separated."""
    return f"{float(f'{float(stored):.8g}'):,}".removesuffix(".0").replace("-", "−")


def share(fraction: float, digits: int = 2) -> str:
    """Return a fraction as a page writes it."""
    return f"{fraction:+.{digits}%}".replace("-", "−").replace("%", " %")


def rows(folder: Path, table: str, order: str = "seq, ordinal") -> list[dict[str, Any]]:
    """Return the rows of a table as SQLite has them."""
    with closing(sqlite3.connect(path_of(folder, "engine"))) as connection:
        connection.row_factory = sqlite3.Row
        return [
            dict(row) for row in connection.execute(f'select * from "{table}" order by {order}')
        ]


_settings = cache(settings)


@contextmanager
def looking(
    folder: Path, query: Mapping[str, str] | None = None, reader: Reader | None = None
) -> Iterator[View]:
    """Yield the view of an address."""
    stores, who = Stores(folder), Who("viewer", "viewer")
    with stores.reading() as (engine, panel):
        state = State("stopped", "store")
        yield View(settings(folder), engine, panel, state, query or {}, who, reader or Reader(), 0)
    stores.close()


@contextmanager
def overheard(connection: Connection) -> Iterator[Said]:
    """Yield a list that gets every statement of a connection with its values."""
    said: Said = []

    def note(_conn: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        said.append((statement, values))

    event.listen(connection, "before_cursor_execute", note)
    yield said
    event.remove(connection, "before_cursor_execute", note)


def plans(connection: Connection, said: Said) -> list[str]:
    """Return how the database goes about some statements, one line for each step."""
    return [
        row[3]
        for statement, values in said
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    ]
