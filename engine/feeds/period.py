"""The stretch of time that a feed plays: ISO dates or times, in UTC where they name no zone."""

from collections.abc import Iterator
from datetime import UTC, datetime


def problems(start: str | None, end: str | None) -> Iterator[str]:
    """Yield a sentence for each that is no date, and where `end` does not come after `start`."""
    times = []
    for name, text in (("start", start), ("end", end)):
        try:
            times += [milliseconds(text)] if text is not None else []
        except ValueError:
            yield f"{name}: must be a UTC date such as '2024-08-01', was {text!r}. Correct it."
    if len(times) == 2 and times[0] >= times[1]:
        yield f"end: must be after start, {start}, was {end}. Correct one of them."


def milliseconds(text: str) -> int:
    """Return UTC milliseconds; raise ValueError where the text is no date."""
    time = datetime.fromisoformat(text)
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1_000)
