"""Small markets for tests: stories of bars as text, random bars, and portfolios to trade them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import Machine, drain
from engine.core.portfolio import Instance, Instrument, Portfolio
from engine.core.records import Event, Failure, Kind, Sizing, Status
from engine.research.backtest import replay
from engine.research.result import Replay
from engine.strategies.external import External

MINUTE = 60_000

_ENDED = {Status.REFUSED: "refused", Status.CANCELED: "canceled"}


def portfolio(
    *instances: Instance, symbols: Sequence[str] = ("X/USD",), cash: float = 10_000.0, **given: Any
) -> Portfolio:
    """Return a portfolio; without instances, one that follows TARGET events with quantity 1."""
    grids = given.pop("instruments", tuple(Instrument(symbol) for symbol in symbols))
    rules = given.pop("rules", ())
    return Portfolio(grids, instances or (follower(symbols=tuple(symbols)),), rules, cash, **given)


def follower(name: str = "follower", **given: Any) -> Instance:
    """Return an instance that does what TARGET events say."""
    defaults: dict[str, Any] = {
        "symbols": ("X/USD",),
        "span": MINUTE,
        "sizing": Sizing.FIXED,
        "quantity": 1.0,
    }
    return Instance(name, External(path="none"), **(defaults | given))


def bar_events(rows: Any, span: int = MINUTE, symbol: int = 0) -> Any:
    """Return BAR events of rows (open, high, low, close[, volume]), the first opening at 0 ms."""
    rows = np.asarray(rows, np.float64)
    events = np.zeros(len(rows), Event.dtype)
    events["kind"] = Kind.BAR
    events["symbol"] = symbol
    events["span"] = span
    events["ts"] = (np.arange(len(rows)) + 1) * span
    events["bar"]["ts"] = np.arange(len(rows)) * span
    for i, name in enumerate(("open", "high", "low", "close", "volume")[: rows.shape[1]]):
        events["bar"][name] = rows[:, i]
    return numbered(events)


def random_bars(n: int, seed: int, spread: float = 0.002) -> Any:
    """Return BAR events of a random walk from 100 with gaps between close and open."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.standard_normal(n) * spread))
    opened = np.concatenate(([100.0], close[:-1])) * np.exp(random.standard_normal(n) * spread / 3)
    reach = np.abs(random.standard_normal((2, n))) * spread / 2
    high = np.maximum(opened, close) * (1.0 + reach[0])
    low = np.minimum(opened, close) * (1.0 - reach[1])
    return bar_events(np.stack([opened, high, low, close, random.random(n) * 10.0], axis=1))


def target(ts: int, wish: float, stop: float = 0.0, take: float = 0.0, **given: int) -> Any:
    """Return one TARGET event."""
    event = np.zeros(1, Event.dtype)
    event["kind"] = Kind.TARGET
    event["ts"] = ts
    event["bar"]["open"], event["bar"]["low"], event["bar"]["high"] = wish, stop, take
    for name, value in given.items():
        event[name] = value
    return event


def ticks(*prints: tuple[int, float], symbol: int = 0) -> Any:
    """Return TICK events of (time in ms, price)."""
    events = np.zeros(len(prints), Event.dtype)
    events["kind"] = Kind.TICK
    events["symbol"] = symbol
    events["ts"] = events["bar"]["ts"] = [ts for ts, _ in prints]
    for name in ("open", "high", "low", "close"):
        events["bar"][name] = [price for _, price in prints]
    return numbered(events)


def command(kind: Kind, ts: int, instance: int = -1, symbol: int = -1, history: int = 0) -> Any:
    """Return a person's word as one event; -1 is for all."""
    return target(ts, 0.0, kind=kind, instance=instance, symbol=symbol, history=history)


def numbered(*events: Any) -> Any:
    """Return events in time order, numbered from 0; those of one time stay as given."""
    merged = np.concatenate(events)
    merged = merged[np.argsort(merged["ts"], kind="stable")]
    merged["seq"] = np.arange(len(merged))
    return merged


def run(machine: type, plan: Portfolio, events: Any) -> Replay:
    """Run all events on a machine of the given kind."""
    return replay(machine(layout(plan)), events)


def state(done: Replay) -> tuple[bytes, ...]:
    """Return every byte that a run leaves behind: block, equity, and each log."""
    logs = tuple(rows.tobytes() for rows in done.logs.values())
    return (done.machine.block.tobytes(), done.equity.tobytes(), *logs)


def one_by_one(machine: type, plan: Portfolio, events: Any) -> Replay:
    """Run the events one call each, logs emptied after each."""
    return go_on(machine(layout(plan)), events, 1)


def isolated(machine: type, plan: Portfolio, events: Any, size: int = 1 << 30) -> Replay:
    """Run the events as live does: what fails is left out. `size` is the most in one call."""
    made = machine(layout(plan))
    table_of(made.block, "account")["isolate"] = 1
    return go_on(made, events, size)


def go_on(made: Machine, events: Any, size: int = 1 << 30) -> Replay:
    """Run the events on a machine, from where it is; failures are taken note of, as live does."""
    equity = np.empty(len(events))
    rows, failure = table_of(made.log, "log")["rows"], table_of(made.block, "account")["failure"]
    chunks = [drain(made)]
    first = 0
    while first < len(events):
        first = made.advance(events, first, min(first + size, len(events)), equity)
        failure[0] = Failure.NONE
        if rows[0]:
            chunks.append(drain(made))
    logs = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    return Replay(made, logs, equity)


def play(machine: type, text: str, plan: Portfolio, volume: float = 1.0) -> None:
    """Play a story and compare what it says with what happens.

    Columns: open high low close, then what the instance wants after the bar (`.` for no change;
    `1/95/110` adds a stop and a take price) or what a person says then (`pause`), then what happens
    in the bar: fills as `+1@100` or `-1@95:stop_loss`, refusals as `refused:reason`, denials as
    `denied:reason`, cancels as `canceled:reason`, `.` for nothing. Several are joined by a comma.
    Behind a `#` stands the arithmetic. Each bar has the same `volume`.
    """
    lines = [line.split("#")[0].split() for line in text.strip().splitlines()]
    events = [bar_events([[*map(float, line[:4]), volume] for line in lines])]
    for i, line in enumerate(lines):
        events += [_said((i + 1) * MINUTE, word) for word in line[4].split(",") if word != "."]
    merged = numbered(*events)
    done = run(machine, plan, merged)
    cells = happened(done, len(lines))
    told = [" ".join([*line[:5], cell]) for line, cell in zip(lines, cells, strict=True)]
    assert told == [" ".join(line) for line in lines]


def _said(ts: int, word: str) -> Any:
    if word.upper() in Kind.__members__:
        return command(Kind[word.upper()], ts)
    wish, stop, take = ([float(part) for part in word.split("/")] + [0.0, 0.0])[:3]
    return target(ts, wish, stop, take)


def happened(done: Replay, bars: int) -> list[str]:
    """Return what happened in each bar, in the words of a story."""
    reason = done.machine.plan.portfolio.reason
    cells: list[list[str]] = [[] for _ in range(bars)]
    for fill in done.logs["fills"]:
        why = "" if fill["reason"] == 1 else f":{reason(fill['reason'])}"
        cells[fill["ts"] // MINUTE].append(f"{fill['quantity']:+g}@{fill['price']:g}{why}")
    for order in done.logs["orders"]:
        if order["status"] in _ENDED:
            word = _ENDED[order["status"]]
            cells[order["ts"] // MINUTE - 1].append(f"{word}:{reason(order['reason'])}")
    for denial in done.logs["denials"]:
        cells[denial["ts"] // MINUTE - 1].append(f"denied:{reason(denial['reason'])}")
    return [",".join(cell) or "." for cell in cells]
