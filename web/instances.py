"""How each declared instance stands: whether it trades, what it last wanted, what it earned."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Float, cast, func, select

from engine.store import queries
from engine.store.latches import in_force, is_paused
from engine.store.tables import Row, tables
from web.happened import Line, signals
from web.view import State, View

TRADES = 60  # of an instance's own curve
FAILURES = 50  # of the newest that are looked through

_ENGINE = tables("engine")
_SIGNAL, _TRADE, _EVENT = _ENGINE["signal"], _ENGINE["trade"].c, _ENGINE["event"].c

Stand = Literal["trading", "paused", "partly paused", "killed", "failed", "not running"]


@dataclass(frozen=True)
class Standing:
    """How an instance stands.

    paused    whether a person has paused it; None where a part is
    failures  sentences of this run that say why it is left out
    latches   those in force that hold it
    wanted    its last signal, None where it never gave one
    profit    of the trades it closed today, net of fees; `trades` counts them
    curve     the sum of its profits after each of its last trades, from 0.0 on
    """

    name: str
    symbols: Sequence[str]
    stand: Stand
    paused: bool | None
    failures: list[str]
    latches: list[Row]
    wanted: Line | None
    profit: float
    trades: int
    curve: list[float]


def standings(view: View, day_seq: int) -> list[Standing]:
    """Return how every declared instance stands; the day's first event is behind `day_seq`."""
    declared = view.settings.strategy
    latches, left_out = list(queries.latches(view.engine).values()), _left_out(view)
    last = [row for name in declared for row in _last_signal(view.engine, name)]
    wanted = {line.row["instance"]: line for line in signals(view.engine, last)}
    found = []
    for name, instance in declared.items():
        symbols = instance.symbols or view.settings.universe.symbols
        failures = [sentence for sentence in left_out if sentence.startswith(f"{name} on ")]
        paused = _paused(latches, name, symbols)
        profit, trades = _closed(view.engine, name, day_seq)
        found.append(
            Standing(
                name,
                symbols,
                stand=_stand(view.state, bool(failures), paused),
                paused=paused,
                failures=failures,
                latches=[row for row in in_force(latches) if _concerns(row, name, declared)],
                wanted=wanted.get(name),
                profit=profit,
                trades=trades,
                curve=_curve(view.engine, name),
            )
        )
    return found


def _stand(state: State, has_failed: bool, paused: bool | None) -> Stand:
    if state.health in ("stopped", "never"):
        return "not running"
    if state.killed:
        return "killed"
    if has_failed:
        return "failed"
    return "partly paused" if paused is None else "paused" if paused else "trading"


def _paused(latches: list[Row], name: str, symbols: Sequence[str]) -> bool | None:
    paused = {is_paused(latches, name, symbol) for symbol in symbols}
    return None if len(paused) == 2 else True in paused


def _closed(connection: Connection, instance: str, after: int) -> tuple[float, int]:
    """Return the profit of the trades that an instance closed behind an event, and their number."""
    sums = select(func.sum(cast(_TRADE.profit, Float)), func.count())
    mine = _TRADE.instance == instance, _TRADE.seq > after
    profit, trades = connection.execute(sums.where(*mine)).one()
    return profit or 0.0, trades


def _last_signal(connection: Connection, instance: str) -> list[Row]:
    """Return the last signal of an instance, nothing where it never gave one."""
    newest = select(_SIGNAL).where(_SIGNAL.c.instance == instance).limit(1)
    newest = newest.order_by(_SIGNAL.c.seq.desc(), _SIGNAL.c.ordinal.desc())
    return [dict(row) for row in connection.execute(newest).mappings()]


def _curve(connection: Connection, instance: str) -> list[float]:
    newest = select(cast(_TRADE.profit, Float)).where(_TRADE.instance == instance).limit(TRADES)
    newest = newest.order_by(_TRADE.seq.desc(), _TRADE.ordinal.desc())
    total, sums = 0.0, [0.0]
    for profit in reversed(connection.execute(newest).scalars().all()):
        total += profit
        sums.append(total)
    return sums if len(sums) > 1 else []


def _left_out(view: View) -> list[str]:
    """Return the sentences of this run that say what failed and is left out."""
    found: list[str] = []
    for kind in ("recovery", "failure"):
        newest = select(_EVENT.sentence, _EVENT.run).where(_EVENT.kind == kind)
        rows = view.engine.execute(newest.order_by(_EVENT.id.desc()).limit(FAILURES)).all()
        found += [row.sentence for row in rows[::-1] if row.run == view.state.run]
    return [sentence for sentence in found if "is left out" in sentence]


def _concerns(latch: Row, instance: str, declared: Collection[str]) -> bool:
    """Return whether a latch holds an instance, or one of its books, or all."""
    named = [place for place in latch["name"].split()[1:] if place in declared]
    return not named or instance in named
