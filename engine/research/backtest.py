"""Runs a portfolio over a recording: the one loop, fed with everything at once."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine import clock
from engine.core.assemble import Layout, assemble, layout
from engine.core.block import table_of
from engine.core.identity import LENGTH, identity
from engine.core.machine import Compiled, Drained, Machine, Rows
from engine.core.portfolio import Portfolio, parse_timeframe
from engine.core.records import Kind
from engine.errors import ChanQuantError, ConfigError, DataError, InvariantBroken
from engine.feeds import funding, rates, tape
from engine.feeds.journal import Journal
from engine.feeds.targets import targets
from engine.research import scenarios, warnings
from engine.research.failure import explain
from engine.research.recorder import Recorder
from engine.research.result import Replay, Result, figures, gather
from engine.settings import Settings, build, of_events
from engine.strategies.external import External

CHUNK = 1 << 18  # events between two looks at the keyboard and the progress bar

Watch = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]


def unwatched(_total: int, _label: str) -> AbstractContextManager[Callable[[int], None]]:
    """Show nothing of the progress."""
    return nullcontext(lambda _done: None)


def backtest(
    settings: Settings, bars: Mapping[str, Any] | None = None, watch: Watch = unwatched
) -> Result:
    """Run the configured strategies over the configured feed, or over `bars` by symbol.

    `bars` are tables with columns ts (ms, open time), open, high, low, close, volume, of
    `feed.detail_timeframe` where that is set. `watch` opens a display for so many events, which is
    told of each stretch done (`table.progress`).
    Where `report.scenarios` says so, the events are played again under better and worse conditions.
    Raises DataError for bad data, ConfigError for bad classes, StrategyFailed where one fails.
    """
    started = clock.now_ms()
    portfolio = build(settings)
    if bars is None:
        recording = settings.feed.load(portfolio.symbols, portfolio.spans)
    else:
        recording = tape.from_bars(
            bars,
            portfolio.symbols,
            portfolio.spans,
            of_events(settings.feed),
            settings.feed.timeframe,
        )
    _be_on_grid(portfolio, recording.events)
    plan = layout(portfolio)
    events = with_targets(plan, with_funding(settings, recording.events))
    recording = replace(recording, sha256=data_hash(settings, recording, events))
    span = parse_timeframe(of_events(settings.feed))
    others = scenarios.others(portfolio, span) if settings.report.scenarios else {}
    machine = begin(plan, recording)
    recorder = Recorder(machine, events, recording.bars) if settings.report.html else None
    begun = clock.seconds()
    with watch(len(events) * (1 + len(others)), "backtest") as notify:
        done = replay(recorder or machine, events, notify)
        took, lines = clock.seconds() - begun, recorder.lines() if recorder else []
        result = gather(settings, recording, events, done, started, took, lines)
        del machine, recorder, done  # what the others need to be played in
        found = {
            name: figures(events, replay(begin_as(other, plan, recording), events, notify))
            for name, other in others.items()
        }
    if not found:
        return result
    worse = float(found["pessimistic"]["final_equity"] or 0.0)
    result.facts["warnings"] += warnings.better_though_worse(result.facts, worse)
    return scenarios.compared(result, found)


def _be_on_grid(portfolio: Portfolio, events: Rows) -> None:
    """Raise ConfigError where a tick is above the first price: a number of decimals, perhaps."""
    problems = []
    for s, instrument in enumerate(portfolio.instruments):
        if instrument.tick > 0.0:
            of_symbol = (events["symbol"] == s) & (events["kind"] <= Kind.TICK)
            price = float(events["bar"]["close"][np.argmax(of_symbol)]) if of_symbol.any() else 0.0
            if 0.0 < price < instrument.tick:
                problems.append(
                    f"universe.instruments.{instrument.symbol}.tick: must be the step of its"
                    f" prices, was {instrument.tick:g} where the first one is {price:g}. Write it"
                    " as a price, such as 0.01."
                )
    if problems:
        raise ConfigError(*problems)


def begin(plan: Layout, recording: tape.Recording) -> Machine:
    """Return a machine in the state that a recording begins with.

    Raises ConfigError where that is the state of another configuration.
    """
    machine = Compiled(plan)
    if recording.start is not None:
        if recording.start[:LENGTH] != identity(plan).encode():
            raise ConfigError(
                "feed.run: must be replayed with the configuration and the release that it began"
                " with, since it took over a position or a strategy's state; these are others. Type"
                " the overrides that it was started with."
            )
        machine.block[:] = np.frombuffer(recording.start[LENGTH:], np.int64)
        table_of(machine.block, "account")["isolate"] = 0
    return machine


def begin_as(other: Portfolio, plan: Layout, recording: tape.Recording) -> Machine:
    """Return a machine that begins as `begin` has it, but with the costs of another portfolio."""
    machine = Compiled(layout(other))
    if recording.start is not None:
        begun = begin(plan, recording).block
        same = assemble(plan)[0] == machine.block  # all but the costs
        machine.block[same] = begun[same]
    return machine


def replay(
    machine: Machine, events: Rows, notify: Callable[[int], None] = lambda _done: None
) -> Replay:
    """Process all events; raise StrategyFailed where a user's function fails."""
    equity = np.empty(len(events))
    drained, first = Drained(), 0
    while first < len(events):
        last = machine.advance(events, first, min(first + CHUNK, len(events)), equity)
        rows = drained.drain(machine, max(last, 1) / len(events))
        if table_of(machine.block, "account")["failure"][0]:
            raise explain(machine, events, last)
        if last == first and not rows:
            raise InvariantBroken(f"event {first} could not be processed. Report this.")
        notify(last - first)
        first = last
    return Replay(machine, drained.rows(), equity)


def with_funding(settings: Settings, events: Rows) -> Rows:
    """Return the events with the funding of perpetuals; a journal holds what was settled then.

    Raises DataError with all that is wrong with files of rates.
    """
    if isinstance(settings.feed, Journal):
        return events
    costs, universe = settings.costs, settings.universe
    found: list[Rows] = []
    problems: list[str] = []
    first, last = (int(events["ts"][end]) for end in (0, -1)) if len(events) else (0, 0)
    for s, symbol in enumerate(universe.symbols):
        if universe.instrument(symbol).kind != "linear":
            continue
        path = (costs.funding_files or {}).get(symbol)
        try:
            if path is not None:
                found.append(rates.recorded(Path(path), s, costs.funding_hours, first, last))
            elif costs.funding_ratio:
                found.append(
                    funding.constant(s, costs.funding_ratio, costs.funding_hours, first, last)
                )
        except ChanQuantError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    return tape.merge(events, np.sort(np.concatenate(found), order=["ts"])) if found else events


def with_targets(plan: Layout, events: Rows) -> Rows:
    """Merge the rows of external strategies into the events."""
    found: list[Rows] = []
    problems: list[str] = []
    worst: type[ChanQuantError] = ChanQuantError
    for i, instance in enumerate(plan.portfolio.instances):
        if isinstance(instance.strategy, External):
            try:
                path = Path(instance.strategy.path)
                found.append(targets(path, i, instance.symbols, plan.portfolio.symbols))
            except ChanQuantError as error:
                problems += error.problems
                worst = type(error)
    if problems:
        raise worst(*problems)
    return tape.merge(events, np.concatenate(found)) if found else events


def data_hash(settings: Settings, recording: tape.Recording, events: Rows) -> str:
    """Return the sha256 of all rows that were read: the feed's own where no file was beside it.

    A constant rate of funding is no row, but configuration; a journal holds all that happened.
    """
    if isinstance(settings.feed, Journal):
        return recording.sha256
    recorded = [settings.universe.symbols.index(s) for s in settings.costs.funding_files or ()]
    of_files = (events["kind"] == Kind.FUNDING) & np.isin(events["symbol"], recorded)
    rows = events[(events["kind"] == Kind.TARGET) | of_files]
    if not len(rows):
        return recording.sha256
    rows["seq"] = 0  # what stands between them is in the hash of the feed
    return hashlib.sha256(recording.sha256.encode() + rows.tobytes()).hexdigest()
