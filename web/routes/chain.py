"""The chain of one event: from the signal to the trade, and why."""

from typing import Any

from sqlalchemy import select

from engine.store.tables import tables
from web import filters
from web.chain import books, chain
from web.language import mark
from web.view import Page, View

CHAINS_MAX = 6  # of one page; the books of further ones are links


def context(view: View) -> dict[str, Any]:
    """Return the chains of the event that the address names, in all its books or in one."""
    seq = filters.number(view, "seq")
    if seq is None:
        return {"seq": None, "chains": [], "others": [], "breakers": []}
    wanted = [filters.name(view, key) for key in ("instance", "symbol")]
    found = [
        book
        for book in books(view.engine, seq)
        if all(asked in (None, has) for asked, has in zip(wanted, book, strict=True))
    ]
    breaker = tables("engine")["breaker"]
    breakers = view.engine.execute(select(breaker).where(breaker.c.seq == seq)).mappings()
    return {
        "seq": seq,
        "chains": [chain(view.engine, seq, book) for book in found[:CHAINS_MAX]],
        "others": found[CHAINS_MAX:],
        "breakers": [dict(row) for row in breakers],
    }


PAGE = Page("chain", "/chain", mark("Chain"), context, is_tab=False)
