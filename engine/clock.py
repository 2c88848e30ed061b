"""The only place that asks what time it is; everything else is told."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Return UTC milliseconds."""
    return time.time_ns() // 1_000_000


def seconds() -> float:
    """Return seconds that only ever go forward, for durations."""
    return time.perf_counter()


def nanoseconds() -> int:
    """Return nanoseconds that only ever go forward, for latencies."""
    return time.perf_counter_ns()


def utc(ms: int) -> str:
    """Return UTC milliseconds as ISO 8601, such as 2024-08-01T00:05:00Z."""
    time_of_day = datetime.fromtimestamp(ms / 1000, UTC)
    return time_of_day.isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000", "")
