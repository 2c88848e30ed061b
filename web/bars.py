"""What a chart shows: bars of a symbol in one timeframe, and the trades that were made on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from math import floor, log10
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, select

from engine.store.bars import Bars, Stretch
from engine.store.tables import Row, tables
from web import filters
from web.view import View

MINUTE_MS = 60_000
TIMEFRAMES = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "1d": 1_440 * MINUTE_MS,
}
COUNT = 500  # bars of an answer
COUNT_MAX = 3_000  # of one that reaches back to a time that was asked for
BESIDE = 120  # bars that are shown before such a time
TRADES_MAX = 500  # of an answer

Cells = list[list[float]]  # open time in ms, open, high, low, close, volume

_TRADE = tables("engine")["trade"]


@dataclass(frozen=True)
class Chosen:
    """What the address asks for.

    symbols  that can be chosen: declared ones first
    at       ms, a time that is to be seen; None for the newest
    """

    symbol: str
    symbols: list[str]
    timeframe: str
    at: int | None

    @property
    def span(self) -> int:
        """Length of a bar, ms."""
        return TIMEFRAMES[self.timeframe]


@cache
def journaled(directory: Path) -> Bars:
    """Return the bars of a store's journal: one object, for it keeps what it has read."""
    return Bars(directory / "journal")


def bars_of(view: View) -> Bars:
    """Return the bars of the journal beside the store that is looked at."""
    return journaled(Path(view.settings.store.directory))


def chosen(view: View) -> Chosen:
    """Return what an address asks for; raise what `filters.refuse` returns where it cannot be."""
    _, held = filters.books(view)
    declared = view.settings.universe.symbols
    symbols = list(dict.fromkeys([*declared, *bars_of(view).symbols(), *held]))
    at = filters.number(view, "at")
    usual = view.settings.feed.timeframe
    first = _finest(view.now - at) if at else usual if usual in TIMEFRAMES else "5m"
    timeframes = list(dict.fromkeys([first, *TIMEFRAMES]))
    return Chosen(
        symbol=filters.choice(view, "symbol", symbols),
        symbols=symbols,
        timeframe=filters.choice(view, "timeframe", timeframes),
        at=at,
    )


def _finest(age_ms: int) -> str:
    """Return the shortest timeframe in which so old a time is not too far away."""
    reach = COUNT_MAX - BESIDE
    return next((name for name, span in TIMEFRAMES.items() if age_ms < reach * span), "1d")


def stretch(view: View, asked: Chosen, before: int | None = None) -> Stretch:
    """Return the bars before a time, or the newest, as far back as `at` where that is wanted."""
    bars = bars_of(view)
    found = bars.of(asked.symbol, asked.span, COUNT, before)
    if before is None and asked.at is not None and len(found.bars):
        missing = (int(found.bars["ts"][0]) - asked.at) // asked.span + BESIDE
        if missing > 0:
            return bars.of(asked.symbol, asked.span, min(COUNT + missing, COUNT_MAX))
    return found


def cells(found: Stretch) -> Cells:
    """Return bars as rows of plain numbers; what adding up volumes left behind is rounded off."""
    return [
        [ts, opened, high, low, close, float(f"{volume:.8g}")]
        for ts, opened, high, low, close, volume in found.bars.tolist()
    ]


def digits(bars: Cells) -> tuple[int, int]:
    """Return how many decimals prices and volumes have."""
    prices = max((_decimals(row[4]) for row in bars[-100:]), default=2)
    usual = median(row[5] for row in bars) if bars else 0.0
    return prices, min(8, max(0, 3 - floor(log10(usual)))) if usual > 0 else 2


def written(row: Sequence[float], decimals: tuple[int, int]) -> dict[str, Any]:
    """Return a row of `Cells` as text, by name, with as many decimals as `digits` says.

    `change` is a fraction, None where it is not known.
    """
    ts, opened, high, low, close, volume = row
    prices = {"open": opened, "high": high, "low": low, "close": close}
    return {
        "ts": int(ts),
        "change": close / opened - 1.0 if opened else None,
        "volume": plain(volume, decimals[1]),
        **{name: plain(price, decimals[0]) for name, price in prices.items()},
    }


def plain(value: Decimal | float, decimals: int) -> str:
    """Return a figure with so many decimals, its thousands separated."""
    return f"{value:,.{decimals}f}"


def _decimals(price: float) -> int:
    exponent = Decimal(f"{price:.8g}").normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


# ── trades ────────────────────────────────────────────────────────────────────────────────────


def trades(connection: Connection, symbol: str, since: int, before: int) -> list[Row]:
    """Return the trades that were closed in a stretch of time (ms), the newest first."""
    wanted = (
        select(_TRADE)
        .where(_TRADE.c.closed_at >= since, _TRADE.c.closed_at < before)
        .where(_TRADE.c.symbol.concat("") == symbol)  # the time finds them, not the symbol
        .order_by(_TRADE.c.closed_at.desc(), _TRADE.c.seq.desc(), _TRADE.c.ordinal.desc())
    )
    return [dict(row) for row in connection.execute(wanted.limit(TRADES_MAX)).mappings()]


def newest_trades(connection: Connection, symbol: str, count: int) -> list[Row]:
    """Return the last trades of a symbol, the newest first."""
    wanted = (
        select(_TRADE)
        .where(_TRADE.c.symbol == symbol)
        .order_by(_TRADE.c.seq.desc(), _TRADE.c.ordinal.desc())
    )
    return [dict(row) for row in connection.execute(wanted.limit(count)).mappings()]


def marks(found: Sequence[Row], span: int) -> list[dict[str, Any]]:
    """Return trades as the chart marks them; times are those of the bars they fell into."""
    return [
        {
            "id": f"{row['seq']}.{row['ordinal']}",
            "address": {name: row[name] for name in ("seq", "instance", "symbol")},
            "long": row["quantity"] > 0,
            "opened": row["opened_at"] // span * span,
            "entry": float(row["entry"]),
            "closed": row["closed_at"] // span * span,
            "exit": float(row["exit"]),
            "gained": row["profit"] > 0,
        }
        for row in found
    ]
