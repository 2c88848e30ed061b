"""Whether the engine was there: of each day, the minutes with a committed heartbeat."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from engine.store.tables import tables

MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS
DAYS = 30

_BEAT = tables("engine")["heartbeat"]


@dataclass(frozen=True)
class Day:
    """A day in UTC.

    start    ms
    minutes  that it could have had a heartbeat in: from the very first on, up to now
    beats    minutes that had one
    """

    start: int
    minutes: int
    beats: int

    @property
    def ratio(self) -> float | None:
        """The share of minutes with a heartbeat, None before the first start."""
        return self.beats / self.minutes if self.minutes else None


def availability(connection: Connection, now: int) -> list[Day]:
    """Return the last 30 days, today last; `now` in ms. No days where there was no heartbeat."""
    today = now // DAY_MS
    since = (today - DAYS + 1) * DAY_MS
    begun = connection.execute(select(func.min(_BEAT.c.ts))).scalar()
    if begun is None:
        return []
    day = (_BEAT.c.ts // DAY_MS).label("day")
    wanted = select(day, func.count()).where(_BEAT.c.ts >= since).group_by(day)
    beats = {int(row[0]): int(row[1]) for row in connection.execute(wanted)}
    over = now // MINUTE_MS * MINUTE_MS  # of the present minute the heartbeat is still to come
    return [
        Day(
            one * DAY_MS,
            _minutes(one, begun, over),
            min(beats.get(one, 0), _minutes(one, begun, over)),
        )
        for one in range(today - DAYS + 1, today + 1)
    ]


def overall(days: list[Day]) -> float | None:
    """Return the availability of all days together, None without a minute."""
    minutes = sum(day.minutes for day in days)
    return sum(day.beats for day in days) / minutes if minutes else None


def _minutes(day: int, begun: int, over: int) -> int:
    start, end = max(day * DAY_MS, begun), min((day + 1) * DAY_MS, over)
    return max(0, end - start) // MINUTE_MS
