"""Replays recorded files: many symbols of bars or trades become one array of events in time order.

Every problem of every file is found before anything is refused.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.portfolio import parse_timeframe
from engine.core.records import Bar, Event, Kind
from engine.errors import ConfigError, DataError, did_you_mean
from engine.feeds import period
from engine.feeds.files import File, read, take
from engine.feeds.generated import is_generated
from engine.feeds.memory import give_back
from engine.feeds.quality import Finding, Integers, Rows, Severity, inspect, length, within


@dataclass(frozen=True)
class Recording:
    """What a tape holds.

    events    rows of `Event`, in time order, `seq` counting from 0
    bars      symbol → rows of `Bar` as they were read, none for a file of trades
    sha256    of everything that was read, the same for the same rows from Parquet and CSV
    warnings  one sentence each: gaps, outliers
    start     identity of a machine and the block it begins with, None where it begins anew
    made_up   whether any of it is known to come from no market
    """

    events: Rows
    bars: dict[str, Rows]
    sha256: str
    warnings: list[str]
    start: bytes | None = None
    made_up: bool = False


@dataclass(frozen=True)
class Tape:
    """Files of bars (ts open high low close volume) or trades (ts price amount side), one a symbol.

    timeframe         length of the bars that strategies see, such as `1h`
    path              pattern with {symbol} (`/` and `:` become `_`) and {timeframe}, of the files
    files             symbol → path; wins over `path`
    start             first moment of the replay, an ISO date or time in UTC, None for the beginning
    end               first moment left out, None for no end
    detail_timeframe  length of the bars in the files where shorter ones decide inside: each is an
                      event; None for `timeframe`. Bars carry the time they opened
    """

    timeframe: str = "1m"
    path: str | None = None
    files: Mapping[str, str] | None = None
    start: str | None = None
    end: str | None = None
    detail_timeframe: str | None = None

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each parameter that cannot be used, starting with its name."""
        spans = {}
        for name in ("timeframe", "detail_timeframe"):
            if (given := getattr(self, name)) is not None:
                try:
                    spans[name] = parse_timeframe(given)
                except ValueError as wrong:
                    yield f"{name}: {wrong}."
        if len(spans) == 2 and (
            spans["timeframe"] <= spans["detail_timeframe"]
            or spans["timeframe"] % spans["detail_timeframe"]
        ):
            yield (
                f"detail_timeframe: must be shorter than timeframe, {self.timeframe}, and divide"
                f" it, was {self.detail_timeframe}. Choose a divisor, or null for none."
            )
        if self.path is None and not self.files:
            yield (
                "files: must name the file of each symbol, was null, and so is path. Set one of"
                " them, such as path='dir/{symbol}_{timeframe}.parquet'."
            )
        yield from period.problems(self.start, self.end)

    @property
    def of_files(self) -> str:
        """The timeframe of bar files, and so of the events."""
        return self.detail_timeframe or self.timeframe

    def load(self, symbols: Sequence[str], spans: Sequence[int]) -> Recording:
        """Return the events of all symbols, with the timers that bars of `spans` (ms) need.

        Raises ConfigError for parameters and missing files, DataError for what is wrong in them,
        each with all problems.
        """
        paths = self._paths(symbols)
        wrong = [f"feed.{problem}" for problem in (*self.problems(), *self._names(symbols, paths))]
        files = {symbol: read(path) for symbol, path in paths.items()}
        where = {symbol: f"{symbol}: {path}" for symbol, path in paths.items()}
        if wrong:
            found = {symbol: file.findings for symbol, file in files.items()}
            raise ConfigError(*wrong, *_told(found, where, "error"))
        if self.detail_timeframe and {file.kind for file in files.values()} == {"trades"}:
            raise ConfigError(
                "feed.detail_timeframe: must be null where the files hold trades, each of which"
                f" decides on its own, was {self.detail_timeframe}. Leave it out."
            )
        start = None if self.start is None else period.milliseconds(self.start)
        end = None if self.end is None else period.milliseconds(self.end)
        recording = _recording(files, where, self.of_files, spans, self.timeframe, start, end)
        give_back()
        return replace(recording, made_up=any(map(is_generated, paths.values())))

    def _paths(self, symbols: Sequence[str]) -> dict[str, Path]:
        patterns = {symbol: (self.files or {}).get(symbol, self.path) for symbol in symbols}
        return {
            symbol: place(pattern, symbol, self.of_files)
            for symbol, pattern in patterns.items()
            if pattern is not None
        }

    def _names(self, symbols: Sequence[str], paths: Mapping[str, Path]) -> Iterator[str]:
        if self.files:
            yield from _strangers("files", self.files, symbols)
            for symbol in symbols:
                if symbol not in paths:
                    yield f"files: must name the file of {symbol}, does not. Add it, or set path."


def from_bars(
    bars: Mapping[str, Any],
    symbols: Sequence[str],
    spans: Sequence[int],
    timeframe: str,
    seen: str | None = None,
) -> Recording:
    """Return what `Tape.load` does, of tables in memory with the columns of a file.

    `timeframe` is that of the tables, `seen` that of strategies where it is another. Raises
    ConfigError for a symbol without a table, DataError for what is wrong in them.
    """
    wrong = [*_strangers("bars", bars, symbols)]
    wrong += [f"bars: must hold {s}, do not. Add it." for s in symbols if s not in bars]
    if wrong:
        raise ConfigError(*wrong)
    files = {symbol: take(bars[symbol]) for symbol in symbols}
    where = {symbol: f"{symbol}: bars" for symbol in symbols}
    return _recording(files, where, timeframe, spans, seen or timeframe)


def place(pattern: str, symbol: str, timeframe: str) -> Path:
    """Return the path that a pattern such as `dir/{symbol}_{timeframe}.parquet` stands for."""
    name = symbol.replace("/", "_").replace(":", "_")
    return Path(pattern.replace("{symbol}", name).replace("{timeframe}", timeframe))


def interleave(recorded: Sequence[Rows], span: int, spans: Sequence[int]) -> Rows:
    """Return one array of events: rows by time, those of one time by symbol, then a timer.

    `recorded` has the rows of each symbol, bars of `span` ms or ticks, sorted. `spans` are the
    timeframes of the bars that are to be closed on time.
    """
    known = [rows["ts"] + span if _are_bars(rows) else rows["ts"] for rows in recorded]
    timers = [_timers(rows, span, one) for rows in recorded for one in spans]
    timer = np.unique(np.concatenate(timers)) if timers else np.empty(0, np.int64)
    ts = np.concatenate([*known, timer])
    order = np.argsort(ts, kind="stable")
    target = np.empty_like(order)
    target[order] = np.arange(len(order))
    events = np.zeros(len(ts), Event.dtype)
    events["ts"] = ts[order]
    events["seq"] = np.arange(len(ts))
    ends = np.cumsum([len(rows) for rows in recorded])
    events["kind"][target[ends[-1] :]] = Kind.TIMER
    for symbol, (rows, end) in enumerate(zip(recorded, ends, strict=True)):
        at = target[end - len(rows) : end]
        events["symbol"][at] = symbol
        if _are_bars(rows):
            events["kind"][at] = Kind.BAR
            events["span"][at] = span
            events["bar"][at] = rows
        else:
            events["kind"][at] = Kind.TICK
            bars = events["bar"]
            bars["ts"][at] = rows["ts"]
            for name in ("open", "high", "low", "close"):
                bars[name][at] = rows["price"]
            bars["volume"][at] = rows["amount"]
    return events


def merge(events: Rows, targets: Rows) -> Rows:
    """Return events and targets in time order, targets last among equal times, numbered anew."""
    both = np.concatenate([events, targets])
    both = both[np.argsort(both["ts"], kind="stable")]
    both["seq"] = np.arange(len(both))
    return both


def _recording(
    files: Mapping[str, File],
    where: Mapping[str, str],
    timeframe: str,
    spans: Sequence[int],
    seen: str,
    start: int | None = None,
    end: int | None = None,
) -> Recording:
    """Judge what was read, and return it as a recording if there are no errors."""
    span = parse_timeframe(timeframe)
    around = 0 if seen == timeframe else parse_timeframe(seen)
    findings = {
        symbol: file.findings or inspect(file.rows, span, start, end, around)
        for symbol, file in files.items()
    }
    has_bars = any(file.kind == "bars" for file in files.values())
    settings = [_indivisible(timeframe, one) for one in spans if has_bars and one % span]
    errors = _told(findings, where, "error")
    if settings or any(found.code == "missing" for found in chain(*findings.values())):
        raise ConfigError(*settings, *errors)
    if errors:
        raise DataError(*errors)
    rows = {symbol: _cut(file.rows, start, end) for symbol, file in files.items()}
    return Recording(
        interleave(list(rows.values()), span, spans),
        {s: one if _are_bars(one) else np.empty(0, Bar.dtype) for s, one in rows.items()},
        _sha256(rows, span),
        _told(findings, where, "warning"),
    )


def _timers(rows: Rows, span: int, timeframe: int) -> Integers:
    """Return when bars of `timeframe` are over whose last row does not say so itself, in ms."""
    bucket = rows["ts"] // timeframe
    last = np.append(np.diff(bucket) > 0, True)
    due: Integers = (bucket[last] + 1) * timeframe
    if _are_bars(rows):
        due = due[rows["ts"][last] + span != due]
    return due


def _told(
    findings: Mapping[str, Sequence[Finding]], where: Mapping[str, str], severity: Severity
) -> list[str]:
    return [
        f"{where[symbol]}: {finding.sentence}"
        for symbol, found in findings.items()
        for finding in found
        if finding.severity == severity
    ]


def _cut(rows: Rows, start: int | None, end: int | None) -> Rows:
    kept = within(rows["ts"], start, end)
    return rows if kept.all() else rows[kept]


def _are_bars(rows: Rows) -> bool:
    return rows.dtype == Bar.dtype


def _strangers(key: str, given: Mapping[str, Any], symbols: Sequence[str]) -> Iterator[str]:
    for symbol in given:
        if symbol not in symbols:
            near = did_you_mean(symbol, symbols) or "."
            known = f"symbols of the universe, {', '.join(symbols)}"
            yield f"{key}: must name {known}, was {symbol}{near} Correct it."


def _indivisible(timeframe: str, span: int) -> str:
    return (
        f"feed.timeframe: must divide the timeframe of every strategy, was {timeframe} where one is"
        f" {length(span)}. Change one of them."
    )


def _sha256(rows: Mapping[str, Rows], span: int) -> str:
    """Return the hash of symbol, columns, span of bars and rows of each symbol, in order."""
    digest = hashlib.sha256()
    for symbol, one in rows.items():
        columns = " ".join(one.dtype.names or ())
        digest.update(f"{symbol} {columns} {span if _are_bars(one) else 0}\n".encode())
        digest.update(one.view(np.uint8).data)
    return digest.hexdigest()
