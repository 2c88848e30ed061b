"""A curve as a picture: where its lines and labels lie. What is drawn across is in thousandths of
the width, what is drawn down in pixels, so that it fits any width without distorted words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil, floor, log10
from zoneinfo import ZoneInfo

from web.equity import DAY, HOUR, MINUTE, Curve, Point, step_of

WIDTH = 1_000
TOP, BOTTOM = 8, 168  # of the equity
MIDDLE, HALF = 184, 7  # of the trades: gains stand above, losses hang below
FALL_TOP, FALL_BOTTOM = 200, 250
HEIGHT = 272

LEVELS = 4  # about so many lines across
TIMES = 5  # at most so many labels below
Places = list[tuple[int, int]]

_STEPS = (MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, HOUR // 2, HOUR, 2 * HOUR, 3 * HOUR)
_LONG_STEPS = (6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY)


@dataclass(frozen=True)
class Plot:
    """A picture of a curve, WIDTH x HEIGHT.

    line, area  paths of the equity, a piece for each stretch without a hole
    fall        path of the area between the highest and the equity
    levels      y and equity of each line across; `digits` their digits behind the point
    deepest     the largest fall in this range, a fraction, which fills the height of its part
    gains       path of a tick where a trade gained, above the middle
    losses      path of a tick where another did not, below it
    times       x in percent of the width, and the label
    """

    line: str
    area: str
    fall: str
    levels: list[tuple[float, float]]
    digits: int
    deepest: float
    gains: str
    losses: str
    times: list[tuple[float, str]]


def plot(curve: Curve, zone: str) -> Plot | None:
    """Return a curve as a picture with its times in a zone, None where it has no length yet."""
    span = curve.end - curve.start
    if len(curve.points) < 2 or span <= 0:
        return None

    def across(ts: int) -> int:
        return round(WIDTH * (ts - curve.start) / span)

    values = [point.equity for point in curve.points]
    low, high, step = _bounds(min(values), max(values))
    deepest = min(point.fall for point in curve.points)
    rise, fall = (BOTTOM - TOP) / (high - low), (FALL_BOTTOM - FALL_TOP) / min(deepest, -1e-9)
    pieces = [
        (
            [(across(p.ts), round(BOTTOM - (p.equity - low) * rise)) for p in piece],
            [(across(p.ts), round(FALL_TOP + p.fall * fall)) for p in piece],
        )
        for piece in _pieces(curve)
    ]
    lines = [_path(above) for above, _ in pieces]
    gains = dict.fromkeys(across(tick.ts) for tick in curve.ticks if tick.profit > 0.0)
    losses = dict.fromkeys(across(tick.ts) for tick in curve.ticks if tick.profit <= 0.0)
    return Plot(
        line="".join(lines),
        area="".join(
            _closed(line, above, BOTTOM) for line, (above, _) in zip(lines, pieces, strict=True)
        ),
        fall="".join(_closed(_path(below), below, FALL_TOP) for _, below in pieces),
        levels=list(_levels(low, high, step)),
        digits=max(0, -floor(log10(step))),
        deepest=deepest,
        gains="".join(f"M{x} {MIDDLE}v{-HALF}" for x in gains),
        losses="".join(f"M{x} {MIDDLE}v{HALF}" for x in losses),
        times=[(across(ts) * 100 / WIDTH, text) for ts, text in _times(curve, ZoneInfo(zone))],
    )


def _pieces(curve: Curve) -> Iterator[Sequence[Point]]:
    """Yield the points between holes, where nothing was written down for long."""
    gap = 2 * max(step_of(curve.end - curve.start), 2 * MINUTE)
    begin, points = 0, curve.points
    for k in range(1, len(points) + 1):
        if k == len(points) or points[k].ts - points[k - 1].ts > gap:
            yield points[begin:k]
            begin = k


def _path(places: Places) -> str:
    """Return the path through places, each relative to the one before, which is shortest."""
    moves = [f"l{x - left} {y - top}" for (left, top), (x, y) in pairwise(places)]
    return f"M{places[0][0]} {places[0][1]}{''.join(moves)}"


def _closed(path: str, places: Places, base: int) -> str:
    """Return the path of the area between a path and a line across."""
    return f"{path}V{base}H{places[0][0]}z"


def _bounds(low: float, high: float) -> tuple[float, float, float]:
    """Return round bounds around values, and the round step between levels."""
    room = max(high - low, abs(high) * 1e-4, 1e-9)
    rough = room / LEVELS
    power = 10.0 ** floor(log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    bottom, top = floor(low / step), ceil(high / step)
    return bottom * step, max(top, bottom + 1) * step, step


def _levels(low: float, high: float, step: float) -> Iterator[tuple[float, float]]:
    for k in range(round((high - low) / step) + 1):
        value = low + k * step
        yield round(BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP), 1), value


def _times(curve: Curve, zone: ZoneInfo) -> Iterator[tuple[int, str]]:
    """Yield full times of a zone inside a curve, with their labels."""
    span = curve.end - curve.start
    step = next((s for s in (*_STEPS, *_LONG_STEPS) if span / s <= TIMES), _LONG_STEPS[-1])
    start = datetime.fromtimestamp(curve.start / 1_000, UTC).astimezone(zone)
    at = start.replace(hour=0, minute=0, second=0, microsecond=0)
    longest = "%m-%d" if step < 365 * DAY else "%Y"
    while (ts := round(at.timestamp() * 1_000)) <= curve.end:
        if ts >= curve.start:
            is_day = step >= DAY or at.hour == at.minute == 0
            yield ts, f"{at:{longest if is_day else '%H:%M'}}"
        at += timedelta(milliseconds=step)
