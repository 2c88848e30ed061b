"""How the engine is at this moment, as plain values that fit into JSON."""

from typing import Any

import numpy as np

from engine.core.block import Words, table_of
from engine.live.shell import Shell

MINUTE_MS = 60_000
LATE_MS = 10_000  # the market is further ahead than that: what is told is old


def state(shell: Shell) -> dict[str, Any]:
    """Return the account, the last price of each symbol, and each book that holds or orders."""
    block = shell.machine.block
    account = table_of(block, "account")[0]
    return {
        "seq": shell.seq,
        "ts": int(account["ts"]),
        "lag_ms": round(shell.lag_ms),
        "killed": bool(account["killed"]),
        "equity": float(account["equity"]),
        "cash": float(account["cash"]),
        "symbols": _marks(block, shell.machine.plan.portfolio.symbols),
        "held": _held(shell),
    }


def health(shell: Shell, now: int) -> dict[str, Any]:
    """Return whether the engine keeps up at `now`, in ms; no price yet is no age."""
    account = table_of(shell.machine.block, "account")[0]
    last = int(table_of(shell.machine.block, "symbols")["price_ts"].max())
    status = "late" if shell.lag_ms > LATE_MS else "ok"
    return {
        "status": "killed" if account["killed"] else status,
        "last_tick_age_seconds": max(0, now - last) / 1_000 if last else None,
        "lag_seconds": shell.lag_ms / 1_000,
    }


def _marks(block: Words, symbols: tuple[str, ...]) -> dict[str, Any]:
    """Return symbol → its last price and its forming minute, of those that have a price."""
    rows = table_of(block, "symbols")
    told = {
        symbol: {"price": price, "ts": ts, "bar": None}
        for symbol, price, ts in zip(
            symbols, rows["price"].tolist(), rows["price_ts"].tolist(), strict=True
        )
        if ts
    }
    series = table_of(block, "series")
    for row in series[(series["span"] == MINUTE_MS) & (series["count"] > 0)]:
        told[symbols[int(row["symbol"])]]["bar"] = list(row["bar"].tolist())
    return told


def _held(shell: Shell) -> list[dict[str, Any]]:
    books = table_of(shell.machine.block, "books")
    names = ("position", "entry", "stop", "take", "opened_at", "paused")
    orders = books["orders"] + books["resting"]
    found = []
    for k in np.flatnonzero((books["position"] != 0.0) | (orders > 0)).tolist():
        instance, symbol = shell.machine.plan.book(k)
        quantity, entry, stop, take, opened_at, paused = (books[name][k].item() for name in names)
        found.append(
            {
                "instance": instance.name,
                "symbol": symbol,
                "quantity": quantity,
                "entry": entry,
                "stop": stop or None,
                "take": take or None,
                "opened_at": opened_at,
                "orders": int(orders[k]),
                "paused": bool(paused),
            }
        )
    return found
