"""Adds up the fills since a snapshot and compares the sums with what the store says is held."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy import Connection

from engine.errors import InvariantBroken
from engine.live.snapshot import Former
from engine.store import queries
from engine.store.rows import exact

TOLERANCE = Decimal("1e-9")  # of what was moved: the core adds floats, this adds decimals


def recount(connection: Connection, snapshot: Mapping[str, Any], account: bytes) -> None:
    """Check positions and cash against the fills behind a snapshot.

    A position must be exactly what its last fill left. The sums are exact, and must agree with what
    the core added up to 1e-9 of it. `account` is the committed row of the account.

    Raises InvariantBroken with every difference.
    """
    former = Former(snapshot["block"], snapshot["sections"])
    symbols = _symbols(former)
    positions = {(p["instance"], p["symbol"]): p["quantity"] for p in queries.positions(connection)}
    before = {(i, s): Decimal(held) for i, s, held in json.loads(snapshot["positions"])}
    cash, moved = snapshot["cash"], abs(snapshot["cash"])
    problems = []
    for (instance, symbol), flow in queries.flows(connection, snapshot["seq"]).items():
        held = positions.get((instance, symbol), Decimal(0))
        added = before.get((instance, symbol), Decimal(0)) + flow.quantity
        if held != flow.position or abs(added - held) > TOLERANCE * (1 + abs(added)):
            problems.append(
                f"{instance} {symbol}: must hold the sum of its fills, {added}, holds {held}."
            )
        size, is_spot = symbols[symbol]
        paid = flow.notional * size + flow.fees if is_spot else flow.paid
        cash -= paid
        moved += abs(paid)
    cash += queries.posted(connection, snapshot["seq"])
    owned = exact(float(np.frombuffer(account, former.dtype("account"))["cash"][0]))
    if abs(cash - owned) > TOLERANCE * (1 + moved):
        problems.append(f"cash: must be what the fills left of it, {cash}, is {owned}.")
    if problems:
        raise InvariantBroken(
            *(f"{problem} Keep the store and report this." for problem in problems)
        )


def _symbols(former: Former) -> dict[str, tuple[Decimal, bool]]:
    """Return symbol → its contract size, and whether it is bought with cash."""
    rows = former.table("symbols")
    sizes = [exact(size) for size in rows["contract_size"].tolist()]
    names = rows.dtype.names or ()  # a snapshot of 0.1 knows no leverage
    is_spot = (rows["leverage"] == 0.0).tolist() if "leverage" in names else [True] * len(sizes)
    return dict(zip(former.sections["symbols"], zip(sizes, is_spot, strict=True), strict=True))
