"""Judges recorded bars and trades: what is wrong with them, where first, and how often.

An error makes a file unusable, a warning is for the reader to weigh. The tape refuses what
`inspect` calls an error and `chanquant data check` prints all of it: there is one judgement.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from engine.clock import utc

Rows = np.ndarray[Any, np.dtype[np.void]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Severity = Literal["error", "warning"]

ENOUGH = 20  # bars before their distances and moves say something about the file
NEIGHBOURS = 1_000  # bars whose median move is what is usual for each of them
JUMP = 50.0  # times the usual move: an outlier
SPIKE = 25.0  # the same, where the next bar takes most of it back

_YEAR_ONE = -62_135_596_800_000  # ms

# What ts looks like in a unit other than ms: from, to, multiply, divide. There were no markets to
# record before 2008, so that numbers too small for ms are seconds.
_UNITS = {
    "seconds": (1_200_000_000, 10**11 - 1, 1_000, 1),
    "microseconds": (10**14, 10**17 - 1, 1, 1_000),
    "nanoseconds": (10**17, 2**63 - 1, 1, 1_000_000),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed in a file, and how often; `row` 0 stands for the whole file."""

    code: str
    severity: Severity
    sentence: str
    count: int = 1  # rows concerned
    row: int = 0  # the first of them, counted from 1 without the header
    ts: int | None = None  # of that row, in ms
    figures: Mapping[str, int] = field(default_factory=dict)


def inspect(
    rows: Rows, span: int, start: int | None = None, end: int | None = None, around: int = 0
) -> list[Finding]:
    """Return the findings in bars or trades from `start` to before `end` (ms), errors first.

    `span` is the timeframe of bars in ms; 0 stands for unknown and leaves out what depends on it.
    `around` is that of the longer bars that these decide inside; 0 where there are none.
    """
    ts = milliseconds(rows["ts"])
    number = np.flatnonzero(within(ts, start, end)) + 1
    if not len(number):
        return [_empty(ts)]
    if len(number) < len(rows):
        rows, ts = rows[number - 1], ts[number - 1]
    view = _View({name: rows[name] for name in rows.dtype.names or ()}, ts, number)
    checks = [_unit(view), _numbers(view), _order(view)]
    if "open" in view.columns:
        checks += [_bounds(view), _duplicates(view)]
        if span:
            checks += [_timeframe(view, span, around), _alignment(view, span), _gaps(view, span)]
        checks += [_moves(view)]
    with np.errstate(all="ignore"):  # what is no number is told as such
        found = [finding for check in checks for finding in check]
    return sorted(found, key=lambda finding: finding.severity)


def within(ts: Integers, start: int | None, end: int | None) -> Mask:
    """Return which times lie from `start` to before `end`; None is open."""
    kept = np.ones(len(ts), np.bool_)
    if start is not None:
        kept &= ts >= start
    if end is not None:
        kept &= ts < end
    return kept


def usual_step(ts: Integers) -> int:
    """Return the most common distance of two neighbours in ms, 0 where there is none."""
    steps = np.diff(ts)
    values, counts = np.unique(steps[steps > 0], return_counts=True)
    return int(values[np.argmax(counts)]) if len(values) else 0


def milliseconds(ts: Integers) -> Integers:
    """Return times in ms whatever unit each is in, as far as a calendar reaches."""
    for low, high, multiply, divide in _UNITS.values():
        other = (ts >= low) & (ts <= high)
        if other.any():
            ts = np.where(other, ts // divide * multiply, ts)
    return np.maximum(ts, _YEAR_ONE)


def length(ms: int) -> str:
    """Return a stretch of time as a timeframe, in the largest unit that fits.

    >>> length(60_000), length(5_400_000), length(1_500)
    ('1m', '90m', '1500ms')
    """
    units = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
    return next((f"{ms // one}{unit}" for unit, one in units.items() if ms % one == 0), f"{ms}ms")


@dataclass(frozen=True)
class _View:
    """The rows under inspection; `ts` in ms whatever the file says, `number` as a reader counts."""

    columns: dict[str, Any]
    ts: Integers
    number: Integers

    def found(
        self,
        code: str,
        rows: Mask,
        what: str,
        remedy: str,
        severity: Severity = "error",
        at: int | None = None,
        **figures: int,
    ) -> Iterator[Finding]:
        """Yield one finding for all of `rows`, if any, told at index `at` (the first of them)."""
        if rows.any():
            i = _first(rows) if at is None else at
            count, row, ts = int(rows.sum()), int(self.number[i]), int(self.ts[i])
            others = f"; {count} such rows" if count > 1 else ""
            sentence = f"row {row} ({utc(ts)}): {what}{others}. {remedy}"
            yield Finding(code, severity, sentence, count, row, ts, figures)


def _first(rows: Mask) -> int:
    return int(np.argmax(rows))


def _empty(ts: Integers) -> Finding:
    sentence = "must have at least one row, has none. Replace the file."
    if len(ts):
        covered = f"{utc(int(ts.min()))} to {utc(int(ts.max()))}"
        sentence = f"must have rows between start and end, covers {covered}. Change start or end."
    return Finding("empty", "error", sentence)


def _unit(view: _View) -> Iterator[Finding]:
    ts = view.columns["ts"]
    what = f"ts must be milliseconds since 1970 (UTC), was {ts[_first(ts < 0)]}"
    yield from view.found("unit", ts < 0, what, "Correct these rows or remove them.")
    for unit, (low, high, multiply, divide) in _UNITS.items():
        wrong = (ts >= low) & (ts <= high)
        what = f"ts must be milliseconds since 1970 (UTC), was {ts[_first(wrong)]}, in {unit}"
        remedy = f"Multiply ts by {multiply}." if multiply > 1 else f"Divide ts by {divide}."
        yield from view.found("unit", wrong, what, remedy)


def _numbers(view: _View) -> Iterator[Finding]:
    remedy = "Correct these values or remove their rows."
    for name, column in view.columns.items():
        if name == "ts":
            continue
        wrong = ~np.isfinite(column)
        what = f"{name} must be a finite number, was {column[_first(wrong)]}"
        yield from view.found("not_a_number", wrong, what, remedy)
        is_price = name not in ("volume", "amount")
        wrong = column <= 0.0 if is_price else column < 0.0
        least = "above 0" if is_price else "0 or more"
        what = f"{name} must be {least}, was {column[_first(wrong)]}"
        yield from view.found("not_positive", wrong, what, remedy)


def _order(view: _View) -> Iterator[Finding]:
    wrong = np.diff(view.ts, prepend=view.ts[0]) < 0
    above = utc(int(view.ts[_first(wrong) - 1]))
    what = f"ts must not be before that of the row above, {above}"
    yield from view.found("out_of_order", wrong, what, "Sort the file by ts.")


def _bounds(view: _View) -> Iterator[Finding]:
    opened, high, low, close = (view.columns[name] for name in ("open", "high", "low", "close"))
    highest, lowest = np.maximum(np.maximum(opened, close), low), np.minimum(opened, close)
    positive = np.minimum(np.minimum(high, low), lowest) > 0.0
    remedy = "Correct these rows or remove them."
    wrong = positive & (high < highest)
    i = _first(wrong)
    what = f"high must be at least {highest[i]}, the highest of open, low and close, was {high[i]}"
    yield from view.found("bad_high", wrong, what, remedy)
    wrong = positive & (low > lowest)
    i = _first(wrong)
    what = f"low must be at most {lowest[i]}, the lower of open and close, was {low[i]}"
    yield from view.found("bad_low", wrong, what, remedy)


def _duplicates(view: _View) -> Iterator[Finding]:
    order = np.argsort(view.ts, kind="stable")
    again = np.zeros(len(order), np.bool_)
    again[order[1:]] = np.diff(view.ts[order]) == 0
    yield from view.found(
        "duplicates", again, "ts must stand in the file once, was there before", "Keep one of them."
    )


def _timeframe(view: _View, span: int, around: int) -> Iterator[Finding]:
    steps = np.abs(np.diff(view.ts))
    steps = steps[steps > 0]
    if len(steps) >= ENOUGH and steps.min() > span:
        step = usual_step(view.ts)
        what = f"bars must be {length(span)} apart, were {length(step)}"
        remedy = f"Set the timeframe to {length(step)}."
        if around:
            fitting = length(step) if step < around and around % step == 0 else "null"
            remedy = (
                f"Set feed.detail_timeframe to {fitting}, or name files of {length(span)} bars."
            )
        every = np.ones(len(view.ts), np.bool_)
        yield from view.found("timeframe", every, what, remedy)


def _alignment(view: _View, span: int) -> Iterator[Finding]:
    past = view.ts % span
    shift = length(int(past[0]))
    remedy = "Correct ts, or set the timeframe to that of the file."
    if len(past) > 1 and (past == past[0]).all():
        remedy = f"All rows are off by {shift}: if ts is local time, convert it to UTC."
    what = (
        f"ts must be a multiple of {length(span)}, was {length(int(past[_first(past > 0)]))} past"
    )
    yield from view.found("misaligned", past > 0, what, remedy)


def _gaps(view: _View, span: int) -> Iterator[Finding]:
    missing = np.diff(view.ts, append=view.ts[-1]) // span - 1
    longest, total = int(missing.max()), int(missing[missing > 0].sum())
    what = f"{longest} bars of {length(span)} are missing after it, the longest gap, {total} in all"
    yield from view.found(
        "gaps",
        missing > 0,
        what,
        "No strategy is called in a gap.",
        "warning",
        int(np.argmax(missing)),
        missing=total,
        longest=longest,
    )


def _moves(view: _View) -> Iterator[Finding]:
    opened, high, low, close = (view.columns[name] for name in ("open", "high", "low", "close"))
    positive = np.minimum(np.minimum(opened, close), np.minimum(high, low)) > 0.0
    if len(close) < ENOUGH or not (positive & np.isfinite(high + low + opened + close)).all():
        return
    move = np.diff(np.log(close), prepend=np.log(close[0]))
    up = np.log(high / np.maximum(opened, close))
    down = np.log(low / np.minimum(opened, close))
    size = np.abs(move)
    usual = _usual(size)
    back = np.append(np.abs(move[:-1] + move[1:]) < size[:-1] / 4.0, False)
    spike = back & (size > SPIKE * usual)
    known = spike | np.append(False, spike[:-1])
    outlier = (np.maximum(size, np.maximum(up, -down)) > JUMP * usual) & ~known
    i = _first(spike)
    what = f"close moved by {np.expm1(move[i]):+.2%}, {size[i] / usual[i]:.0f} times the usual"
    remedy = "Compare these rows with another source."
    yield from view.found("spikes", spike, f"{what}, and back", remedy, "warning")
    i = _first(outlier)
    far = max(move[i], up[i], down[i], key=abs)
    what = f"the price moved by {np.expm1(far):+.2%}, {abs(far) / usual[i]:.0f} times the usual"
    yield from view.found("outliers", outlier, what, remedy, "warning")


def _usual(size: Floats) -> Floats:
    """Return for each row the median of the moves around it that are not zero."""
    blocks = np.array_split(size, max(1, len(size) // NEIGHBOURS))
    medians = [np.median(block[block > 0.0]) if block.any() else np.inf for block in blocks]
    return np.repeat(medians, [len(block) for block in blocks])
