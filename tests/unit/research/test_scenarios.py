"""The same events under better and worse conditions, with the arithmetic beside."""

import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from engine.api import compose
from engine.core.assemble import layout
from engine.core.compile.declare import Strategy
from engine.core.identity import identity
from engine.core.machine import Compiled
from engine.core.portfolio import Portfolio
from engine.core.records import Bar, FillOn, Out
from engine.errors import ConfigError
from engine.feeds import tape
from engine.research import backtest as backtests
from engine.research import scenarios
from engine.research.backtest import backtest, replay
from engine.research.fresh import fresh
from engine.research.scenario_table import side_by_side
from engine.settings import Settings
from tests.golden import golden
from tests.market import MINUTE, bar_events, follower, numbered, portfolio, run, target

OPENS = [100.0, 110.0, 120.0, 130.0, 140.0, 150.0]
BARS = [[price, price + 1.0, price - 1.0, price, 4.0] for price in OPENS]
START = 1_704_067_200_000


def events() -> Any:
    """Return bars that open 10 higher each; in after the first of them, out after the third."""
    return numbered(bar_events(BARS), target(1 * MINUTE, 1.0), target(3 * MINUTE, 0.0))


def profit(machine: type, plan: Portfolio) -> float:
    return float(run(machine, plan, events()).equity[-1]) - 10_000.0


def both(plan: Portfolio) -> tuple[Portfolio, Portfolio]:
    found = scenarios.others(plan, MINUTE)
    return found["optimistic"], found["pessimistic"]


@pytest.mark.parametrize(
    ("costs", "optimistic", "base", "pessimistic"),
    [
        # in at 110 or a bar later at 120, out at 130 or at 140; slippage 1 % and 2 % of each
        (
            {"slippage": 0.01},
            130.0 - 110.0,
            130.0 * 0.99 - 110.0 * 1.01,
            140.0 * 0.98 - 120.0 * 1.02,
        ),
        # 1 is a quarter of the volume of a bar, 4: its root is a half, so impact costs 1 % and 2 %
        (
            {"impact": 0.02},
            130.0 - 110.0,
            130.0 * 0.99 - 110.0 * 1.01,
            140.0 * 0.98 - 120.0 * 1.02,
        ),
        # a fee of 1 % is paid in all of them
        (
            {"taker": 0.01},
            20.0 - 0.01 * (130.0 + 110.0),
            20.0 - 0.01 * (130.0 + 110.0),
            20.0 - 0.01 * (140.0 + 120.0),
        ),
        # 1 ms misses the next open already; then a bar more: in at 130, out at 150
        ({"latency": 1}, 130.0 - 110.0, 140.0 - 120.0, 150.0 - 130.0),
        # nothing is filled where the venue rejects all
        ({"rejection": 1.0}, 20.0, 0.0, 0.0),
        # at the closes that decided, 100 and 120; one bar late is never at such a close
        ({"fill_on": FillOn.CLOSE, "slippage": 0.01}, 20.0, 120 * 0.99 - 101.0, 137.2 - 122.4),
    ],
)
def test_each_scenario_is_what_one_calculates(
    costs: dict[str, Any], optimistic: float, base: float, pessimistic: float, machine: type
) -> None:
    plan = portfolio(**costs)
    best, worst = both(plan)
    assert profit(machine, best) == pytest.approx(optimistic, abs=1e-9)
    assert profit(machine, plan) == pytest.approx(base, abs=1e-9)
    assert profit(machine, worst) == pytest.approx(pessimistic, abs=1e-9)


def test_a_pessimist_is_stopped_at_the_worst_price_of_the_bar(machine: type) -> None:
    # in at 100, stop at 95: the bar falls to 90; the pessimist is in a bar later, at 100 too
    rows = [[100, 100, 100, 100]] * 3 + [[100, 100, 90, 100]]
    story = numbered(bar_events(rows), target(1 * MINUTE, 1.0))
    plan = portfolio(follower(stop_loss=0.05))
    best, worst = both(plan)
    for other, price in ((best, 95.0), (plan, 95.0), (worst, 90.0)):
        assert run(machine, other, story).logs["fills"]["price"][-1] == price


# ── in a backtest ─────────────────────────────────────────────────────────────────────────────

SETTINGS = [
    *("strategy=[external]", "universe.symbols=[X/USD]", "sizing=fixed", "sizing.quantity=1"),
    *("costs.taker=0", "costs.maker=0", "costs.slippage_bps=100", "risk=[]"),
    'account.cash="10000"',
]


def bars() -> dict[str, Any]:
    """Return the six bars as a table, by symbol."""
    columns = dict(zip(("open", "high", "low", "close", "volume"), np.array(BARS).T, strict=True))
    return {"X/USD": pa.table({"ts": START + MINUTE * np.arange(len(BARS)), **columns})}


def chosen(folder: Path, *given: str) -> Settings:
    """Return settings whose strategy follows a file of the two wishes."""
    path = folder / "targets.csv"
    path.write_text(f"ts,target\n{START + MINUTE},1\n{START + 3 * MINUTE},0\n", encoding="utf-8")
    return compose([*SETTINGS, f"strategy.external.path='{path}'", *given])


def test_a_result_has_all_three_side_by_side(tmp_path: Path) -> None:
    result = backtest(chosen(tmp_path), bars())
    assert list(result.scenarios) == ["optimistic", "base", "pessimistic"]
    equity = [found["final_equity"] for found in result.scenarios.values()]
    assert equity == pytest.approx([10_020.0, 10_017.6, 10_014.8], abs=1e-9)
    assert result.scenarios["base"] == {
        "final_equity": result.facts["final_equity"],
        **result.stats,
    }
    for found in result.scenarios.values():
        assert found.keys() == {"final_equity", *result.stats}
        assert found["trades"] == 1
    # 14.8 of 10,000, to the last position at 122.4
    assert result.scenarios["pessimistic"]["total_return"] == pytest.approx(0.00148, abs=1e-12)
    assert result.scenarios["pessimistic"]["avg_trade"] == pytest.approx(14.8 / 122.4, abs=1e-12)
    assert result.document()["scenarios"] == result.scenarios


def test_they_can_be_left_out(tmp_path: Path) -> None:
    result = backtest(chosen(tmp_path, "report.scenarios=false"), bars())
    assert result.scenarios == {}
    assert result.stats == backtest(chosen(tmp_path), bars()).stats


def test_the_progress_counts_every_event_of_all_three(tmp_path: Path) -> None:
    totals: list[int] = []
    told: list[int] = []

    @contextlib.contextmanager
    def watch(total: int, _label: str) -> Iterator[Callable[[int], None]]:
        totals.append(total)
        yield told.append

    backtest(chosen(tmp_path), bars(), watch)
    assert totals == [3 * (6 + 2)]  # six bars and two targets
    assert sum(told) == totals[0]


# ── fresh copies ──────────────────────────────────────────────────────────────────────────────


class InOnce(Strategy):
    """Long from the second bar that this object has seen to the fourth."""

    compiled = False

    def step(p: Any, s: object, bar: Bar, out: Out) -> None:
        p.seen = getattr(p, "seen", 0) + 1
        out.target = 1.0 if 2 <= p.seen < 4 else 0.0


def test_ordinary_python_begins_anew_in_each(tmp_path: Path) -> None:
    settings = chosen(tmp_path)
    one = settings.strategy["external"].model_copy(update={"strategy": InOnce()})
    result = backtest(settings.model_copy(update={"strategy": {"mine": one}}), bars())
    assert [found["trades"] for found in result.scenarios.values()] == [1, 1, 1]
    assert result.facts["warnings"][-2:] == [
        "mine ran as ordinary Python: slower by a factor of 100.",
        "Ordinary Python ran three times, once for each scenario: report.scenarios=false is three"
        " times as fast.",
    ]


def test_what_cannot_be_copied_is_named() -> None:
    strategy = InOnce()
    strategy.lock = threading.Lock()  # type: ignore[attr-defined]
    plan = portfolio(replace(follower("mine"), strategy=strategy))
    with pytest.raises(ConfigError) as caught:
        fresh(plan)
    golden("check/not_copied.txt", str(caught.value))


# ── a recording that begins in the middle of a run ────────────────────────────────────────────


def test_a_recording_that_begins_in_a_position_goes_on_from_it() -> None:
    plan = layout(portfolio(slippage=0.01))
    machine = Compiled(plan)
    replay(machine, events()[:3])  # bar, target, bar: in at 110 * 1.01 = 111.1
    start = identity(plan).encode() + machine.block.tobytes()
    recording = tape.Recording(events()[3:], {}, "", [], start)
    best, worst = both(plan.portfolio)
    for other, leaves_at in ((best, 130.0), (worst, 140.0 * 0.98)):
        begun = backtests.begin_as(other, plan, recording)
        done = replay(begun, recording.events)
        assert done.equity[-1] - 10_000.0 == pytest.approx(leaves_at - 111.1, abs=1e-9)


# ── in the terminal ───────────────────────────────────────────────────────────────────────────


def test_the_table_is_the_golden_one(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(*side_by_side(backtest(chosen(tmp_path), bars()).scenarios, "USD"))
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    golden("scenarios_table.txt", "\n".join(lines))


def test_there_is_no_table_without_scenarios() -> None:
    assert side_by_side({}, "USD") == []
