"""Makes whoever guesses passwords wait, longer after each one that was wrong.

Counted in the store, so that a restart forgives nothing: for each account, and for each address. A
try is charged before it is looked at, so that a thousand at once are not a thousand tries.
"""

import math
from collections.abc import Collection
from ipaddress import ip_network
from zlib import crc32

from sqlalchemy import Connection, delete, select, update

from engine.store.tables import tables

FREE_TRIES = 5
SECONDS_MAX = 300  # longest wait; an account that could be locked for hours is easily locked
FORGOTTEN_MS = 3_600_000  # after the last try

_THROTTLE = tables("panel")["throttle"]


def key_of_user(name: str) -> str:
    """Return what the tries for an account are counted under."""
    return f"user {name}"


def key_of_stranger(name: str) -> str:
    """Return the same for a name that nobody has; unreadable, for people type passwords there."""
    return f"user #{crc32(name.encode(errors='replace')):08x}"


def key_of_address(address: str) -> str:
    """Return what the tries from an address are counted under; a home has 2⁶⁴ of IPv6."""
    try:
        network = ip_network((address, 64 if ":" in address else 32), strict=False)
    except ValueError:
        return f"address {address[:64]}"
    return f"address {network}"


def charge(connection: Connection, keys: Collection[str], now: int) -> int:
    """Count a try and return 0, or return how many seconds to wait and count nothing.

    In a transaction that nobody else writes in; `now` in ms.
    """
    forgotten = _THROTTLE.c.last_at < now - FORGOTTEN_MS
    connection.execute(delete(_THROTTLE).where(forgotten))
    wanted = select(_THROTTLE).where(_THROTTLE.c.key.in_(keys))
    counted = {row["key"]: row for row in connection.execute(wanted).mappings()}
    wait = max(
        (_wait_ms(row["failures"], now - row["last_at"]) for row in counted.values()), default=0
    )
    if wait > 0:
        return math.ceil(wait / 1_000)
    for key in keys:
        if key in counted:
            again = {"failures": _THROTTLE.c.failures + 1, "last_at": now}
            connection.execute(update(_THROTTLE).where(_THROTTLE.c.key == key).values(again))
        else:
            connection.execute(_THROTTLE.insert(), [{"key": key, "failures": 1, "last_at": now}])
    return 0


def forgive(connection: Connection, keys: Collection[str], user: str) -> None:
    """Take back the charge of a try that was right, and all that was charged to its account.

    Not all that was charged to the address: who has an account could go on guessing another's.
    """
    connection.execute(delete(_THROTTLE).where(_THROTTLE.c.key == key_of_user(user)))
    charged = update(_THROTTLE).where(_THROTTLE.c.key.in_(keys))
    connection.execute(charged.values(failures=_THROTTLE.c.failures - 1))


def _wait_ms(failures: int, age: int) -> int:
    """Return how long to wait after so many wrong tries, the last `age` ms ago."""
    if failures < FREE_TRIES:
        return 0
    wait = 1_000 * min(SECONDS_MAX, 1 << min(failures - FREE_TRIES + 1, 20))
    return min(wait, wait - age)  # a clock that was set back makes nobody wait longer
