"""How the latches stand: what a pause, a kill or a breaker has set, and nothing has released."""

from collections.abc import Collection, Iterable

from engine.store.tables import Row


def is_paused(latches: Iterable[Row], instance: str, symbol: str) -> bool:
    """Return whether the last word about a book was a pause; `latches` as the store has them."""
    found = [row for row in latches if _word(row) == "pause" and _places(row) <= {instance, symbol}]
    return bool(found) and bool(max(found, key=lambda row: row["seq"])["state"] == "set")


def in_force(latches: Collection[Row]) -> list[Row]:
    """Return the latches that are set, and not released by a later word about all they hold."""

    def is_released(latch: Row) -> bool:
        return any(
            row["state"] == "released"
            and row["seq"] > latch["seq"]
            and _word(row) == _word(latch)
            and _places(row) <= _places(latch)
            for row in latches
        )

    return [row for row in latches if row["state"] == "set" and not is_released(row)]


def _word(latch: Row) -> str:
    return str(latch["name"]).split()[0]


def _places(latch: Row) -> set[str]:
    return set(latch["name"].split()[1:])
