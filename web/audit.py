"""Keeps who did what to the panel, and from where; a row is never changed."""

from sqlalchemy import Connection

from engine.store.tables import tables

_AUDIT = tables("panel")["audit"]


def write(
    connection: Connection,
    *,
    ts: int,
    who: str,
    action: str,
    outcome: str,
    sentence: str,
    address: str,
) -> None:
    """Append a row, in the transaction of what it tells of; `ts` in ms, `outcome` done or refused.

    `who` is a name that is known, never what somebody typed: people type passwords there.
    """
    row = {"ts": ts, "who": who, "action": action, "outcome": outcome}
    connection.execute(_AUDIT.insert(), row | {"sentence": sentence, "address": address})
