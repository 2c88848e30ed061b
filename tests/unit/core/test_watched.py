"""What a strategy sees of other symbols and timeframes, and when. See docs/guide/watching.md."""

from typing import Any

import numpy as np
import pytest

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.compile.declare import Strategy, floats, ints
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Bar, Event, Kind, Sizing, watch
from engine.feeds.tape import interleave
from tests.market import MINUTE, bar_events, command, isolated, numbered, portfolio, run, state
from tests.market import one_by_one as in_single_calls
from tests.market import ticks as tick_events

ROWS = 2_048


class Seen(Strategy):
    """Keeps, at each call, the close of its bar and what it sees of the one it watches."""

    class State:
        watched: Bar
        own: Any = floats(ROWS)
        close: Any = floats(ROWS)
        ts: Any = ints(ROWS)
        count: int

    def step(p, s, bar, out):  # type: ignore[no-untyped-def]
        s.own[s.count] = bar.close
        s.close[s.count] = s.watched.close
        s.ts[s.count] = s.watched.ts
        s.count += 1


class Symbol(Seen):
    """Watches another symbol."""

    other: str = "Y/USD"

    class State(Seen.State):
        watched: Bar = watch(symbol="other")
        own: Any = floats(ROWS)
        close: Any = floats(ROWS)
        ts: Any = ints(ROWS)
        count: int


class Timeframe(Seen):
    """Watches another timeframe of its symbol."""

    timeframe_watched: str = "3m"

    class State(Seen.State):
        watched: Bar = watch(timeframe="timeframe_watched")
        own: Any = floats(ROWS)
        close: Any = floats(ROWS)
        ts: Any = ints(ROWS)
        count: int


class Both(Timeframe):
    """Watches another timeframe of another symbol."""

    other: str = "Y/USD"

    class State(Seen.State):
        watched: Bar = watch(symbol="other", timeframe="timeframe_watched")
        own: Any = floats(ROWS)
        close: Any = floats(ROWS)
        ts: Any = ints(ROWS)
        count: int


class OnTick(Timeframe):
    """Is called on each tick."""

    on = "tick"


def plan_of(
    strategy: Strategy, symbols: tuple[str, ...] = ("Y/USD", "X/USD"), span: int = MINUTE
) -> Portfolio:
    """Return a portfolio of one strategy that is called with the bars of X."""
    instance = Instance("it", strategy, ("X/USD",), span, Sizing.FIXED, 1.0)
    return portfolio(instance, symbols=symbols)


def seen(machine: Any, k: int = 0) -> list[str]:
    """Return what a book has seen so far: `own<watched@minute`, the latter `none` at the start."""
    part = machine.plan.book(k)[0].strategy
    at, record = int(table_of(machine.block, "books")["state"][k]), part.StateRecord
    row = machine.block[at : at + record.words].view(record.dtype)[0]
    return [
        f"{own:g}<{close:g}@{ts // MINUTE}" if close else f"{own:g}<none"
        for own, close, ts in list(zip(row["own"], row["close"], row["ts"], strict=True))[
            : row["count"]
        ]
    ]


def tell(machine: type, text: str, plan: Portfolio) -> None:
    """Play a story and compare what is seen on each event.

    Lines: `X 2 101` is the bar of minute 2 of X, known at its end; `X 2:30 101` a tick; `timer 3`
    the end of minute 2. Then what the calls on this event see: the close of the own bar, `<`, and
    close and minute of the last closed bar that is watched; `.` where nothing is called.
    """
    lines = [line.split() for line in text.strip().splitlines()]
    events = np.concatenate([_event(plan, line[:-1]) for line in lines])
    events["seq"] = np.arange(len(events))
    assert (np.diff(events["ts"]) >= 0).all(), "the story goes back in time"
    made, curve, told = machine(layout(plan)), np.empty(len(events)), []
    for i, line in enumerate(lines):
        before = len(seen(made))
        made.advance(events, i, i + 1, curve)
        told.append(" ".join([*line[:-1], ",".join(seen(made)[before:]) or "."]))
    assert told == [" ".join(line) for line in lines]
    assert run(machine, plan, events).machine.block.tobytes() == made.block.tobytes()


def _event(plan: Portfolio, words: list[str]) -> Any:
    if words[0] == "timer":
        return command(Kind.TIMER, int(words[1]) * MINUTE)
    symbol, price = plan.symbols.index(f"{words[0]}/USD"), float(words[2])
    minutes, _, seconds = words[1].partition(":")
    at = int(minutes) * MINUTE + int(seconds or 0) * 1_000
    if seconds:
        return tick_events((at, price), symbol=symbol)
    event = bar_events([[price] * 4], symbol=symbol)
    event["ts"], event["bar"]["ts"] = at + MINUTE, at
    return event


# ── another symbol ────────────────────────────────────────────────────────────────────────────


def test_what_stands_before_in_the_universe_is_seen_at_once(machine: type) -> None:
    tell(
        machine,
        """
        X 0 100  100<none
        Y 1  50  .
        X 1 101  101<50@1
        Y 2  51  .
        X 2 102  102<51@2
        """,
        plan_of(Symbol()),
    )


def test_what_stands_behind_is_seen_one_bar_later(machine: type) -> None:
    tell(
        machine,
        """
        X 0 100  100<none
        Y 0  50  .
        X 1 101  101<50@0
        Y 1  51  .
        X 2 102  102<51@1
        """,
        plan_of(Symbol(), ("X/USD", "Y/USD")),
    )


def test_in_a_gap_of_the_other_its_last_bar_stays(machine: type) -> None:
    tell(
        machine,
        """
        Y 0  50  .
        X 0 100  100<50@0
        X 1 101  101<50@0
        X 2 102  102<50@0
        Y 3  53  .
        X 3 103  103<53@3
        """,
        plan_of(Symbol()),
    )


def test_after_a_gap_of_its_own_the_others_last_bar_is_seen(machine: type) -> None:
    tell(
        machine,
        """
        Y 0  50  .
        X 0 100  100<50@0
        Y 1  51  .
        Y 2  52  .
        X 3 103  103<52@2
        Y 3  53  .
        """,
        plan_of(Symbol()),
    )


def test_ticks_of_the_other_are_seen_when_their_bar_is_closed(machine: type) -> None:
    # Y's first bar is closed by its tick of 1:05, behind X's of 1:02, which closes X's bar
    tell(
        machine,
        """
        Y 0:10  50  .
        X 0:20 100  .
        Y 0:30  51  .
        X 1:02 101  100<none
        Y 1:05  52  .
        Y 1:06  53  .
        X 1:30 102  .
        X 2:01 103  102<51@0
        """,
        plan_of(Symbol()),
    )


@pytest.mark.parametrize("symbols", [("Y/USD", "X/USD"), ("X/USD", "Y/USD")])
def test_a_timer_closes_what_is_watched_first(machine: type, symbols: tuple[str, ...]) -> None:
    tell(
        machine,
        """
        X 0:20 100  .
        Y 0:30  51  .
        timer 1     100<51@0
        X 1:30 101  .
        timer 2     101<51@0
        """,
        plan_of(Symbol(), symbols),
    )


def test_two_books_may_watch_each_other(machine: type) -> None:
    given: Any = {"span": MINUTE, "sizing": Sizing.FIXED, "quantity": 1.0}
    plan = portfolio(
        Instance("x", Symbol(other="Y/USD"), ("X/USD",), **given),
        Instance("y", Symbol(other="X/USD"), ("Y/USD",), **given),
        symbols=("X/USD", "Y/USD"),
    )
    x, y = ([[p] * 4 for p in (base, base + 1.0, base + 2.0)] for base in (100.0, 50.0))
    made = run(machine, plan, numbered(bar_events(x), bar_events(y, symbol=1))).machine
    assert seen(made, 0) == ["100<none", "101<50@0", "102<51@1"]
    assert seen(made, 1) == ["50<100@0", "51<101@1", "52<102@2"]


def test_two_books_may_watch_the_same(machine: type) -> None:
    given: Any = {"span": MINUTE, "sizing": Sizing.FIXED, "quantity": 1.0}
    plan = portfolio(
        Instance("x", Symbol(), ("X/USD",), **given),
        Instance("z", Symbol(), ("Z/USD",), **given),
        symbols=("Y/USD", "X/USD", "Z/USD"),
    )
    bars = [bar_events([[price] * 4], symbol=s) for s, price in enumerate((50.0, 100.0, 200.0))]
    made = run(machine, plan, numbered(*bars)).machine
    assert len(table_of(made.block, "series")) == 3
    assert seen(made, 0) == ["100<50@0"]
    assert seen(made, 1) == ["200<50@0"]


def test_each_symbol_of_an_instance_keeps_its_own(machine: type) -> None:
    both = Instance("it", Timeframe(), ("X/USD", "Y/USD"), MINUTE, Sizing.FIXED, 1.0)
    plan = portfolio(both, symbols=("X/USD", "Y/USD"))
    x, y = ([[base + i] * 4 for i in range(4)] for base in (100.0, 50.0))
    made = run(machine, plan, numbered(bar_events(x), bar_events(y, symbol=1))).machine
    assert seen(made, 0) == ["100<none", "101<none", "102<102@0", "103<102@0"]
    assert seen(made, 1) == ["50<none", "51<none", "52<52@0", "53<52@0"]


# ── another timeframe ─────────────────────────────────────────────────────────────────────────


def test_a_longer_bar_is_seen_with_the_one_that_completes_it(machine: type) -> None:
    tell(
        machine,
        """
        X 0 100  100<none
        X 1 101  101<none
        X 2 102  102<102@0
        X 3 103  103<102@0
        X 4 104  104<102@0
        X 5 105  105<105@3
        """,
        plan_of(Timeframe()),
    )


def test_a_longer_bar_whose_end_is_missing_is_seen_by_the_next_call(machine: type) -> None:
    # minute 2 is missing: the timer closes the longer bar, and no bar of a minute
    tell(
        machine,
        """
        X 0 100  100<none
        X 1 101  101<none
        timer 3  .
        X 3 103  103<101@0
        """,
        plan_of(Timeframe()),
    )


def test_a_longer_bar_without_a_timer_is_closed_by_the_next_event_before_the_call(
    machine: type,
) -> None:
    tell(
        machine,
        """
        X 0 100  100<none
        X 4 104  104<100@0
        """,
        plan_of(Timeframe()),
    )


def test_a_shorter_timeframe_is_seen_too(machine: type) -> None:
    tell(
        machine,
        """
        X 0 100  .
        X 1 101  .
        X 2 102  102<102@2
        X 3 103  .
        X 4 104  .
        timer 6  104<104@4
        """,
        plan_of(Timeframe(timeframe_watched="1m"), span=3 * MINUTE),
    )


def test_ticks_make_both_timeframes(machine: type) -> None:
    tell(
        machine,
        """
        X 0:10 100  .
        X 0:50 101  .
        X 1:10 102  101<none
        X 2:30 103  102<none
        X 3:00 104  103<103@0
        timer 4     104<103@0
        """,
        plan_of(Timeframe()),
    )


def test_who_is_called_on_ticks_sees_closed_bars_alone(machine: type) -> None:
    tell(
        machine,
        """
        X 0:10 100  100<none
        X 2:50 101  101<none
        X 3:00 102  102<101@0
        X 3:10 103  103<101@0
        """,
        plan_of(OnTick()),
    )


def test_another_timeframe_of_another_symbol(machine: type) -> None:
    tell(
        machine,
        """
        Y 0  50  .
        X 0 100  100<none
        Y 1  51  .
        X 1 101  101<none
        Y 2  52  .
        X 2 102  102<52@0
        X 3 103  103<52@0
        Y 4  54  .
        X 4 104  104<52@0
        X 5 105  105<52@0
        timer 6  .
        X 6 106  106<54@3
        """,
        plan_of(Both()),
    )


def test_the_whole_bar_is_kept(machine: type) -> None:
    rows = [[100, 103, 99, 101, 5], [101, 107, 100, 102, 6], [102, 104, 95, 103, 7]]
    made = run(machine, plan_of(Timeframe()), bar_events(rows, symbol=1)).machine
    at = int(table_of(made.block, "books")["state"][0])
    kept = made.block[at : at + Bar.words].view(Bar.dtype)[0].tolist()
    assert kept == (0, 100.0, 107.0, 95.0, 103.0, 18.0)  # first, max, min, last; 5 + 6 + 7


# ── all of it ─────────────────────────────────────────────────────────────────────────────────


def recorded(random: Any, bars: int, level: float) -> Any:
    """Return bars of a minute with a third of them missing."""
    kept = np.flatnonzero(random.random(bars) < 2 / 3)
    rows = np.zeros(len(kept), Bar.dtype)
    rows["ts"] = kept * MINUTE
    for name in ("open", "high", "low", "close"):
        rows[name] = level + kept  # says which minute it is of
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_a_market_with_gaps_is_seen_as_an_oracle_says(machine: type, seed: int) -> None:
    # the oracle: of the bars of Y that are over when a bar of X is, the last; Y stands first
    random = np.random.default_rng(seed)
    y, x = recorded(random, 500, 1_000.0), recorded(random, 500, 5_000.0)
    events = interleave([y, x], MINUTE, [MINUTE])
    last = np.searchsorted(y["ts"], x["ts"], side="right")
    expected = [
        f"{own:g}<{1_000 + y['ts'][i - 1] // MINUTE:g}@{y['ts'][i - 1] // MINUTE}"
        if i
        else f"{own:g}<none"
        for own, i in zip(x["close"], last, strict=True)
    ]
    assert seen(run(machine, plan_of(Symbol()), events).machine) == expected


@pytest.mark.parametrize("seed", range(3))
def test_a_longer_timeframe_is_seen_as_an_oracle_says(machine: type, seed: int) -> None:
    # the oracle: the last bar of Y in or before the last block of 3 minutes that is over, or, where
    # the block's end is missing, was over before: its timer comes behind the bars of its time
    random = np.random.default_rng(seed)
    y, x = recorded(random, 500, 1_000.0), recorded(random, 500, 5_000.0)
    events = interleave([y, x], MINUTE, [MINUTE, 3 * MINUTE])
    minutes, expected = set((y["ts"] // MINUTE).tolist()), []
    for own in (x["ts"] // MINUTE).tolist():
        end = (own + 1) // 3 * 3  # of the last block that is over when minute `own` is
        if end == own + 1 and own not in minutes:
            end -= 3
        known = [minute for minute in minutes if minute < end]
        if known:
            expected.append(f"{5_000 + own}<{1_000 + max(known)}@{max(known) // 3 * 3}")
        else:
            expected.append(f"{5_000 + own}<none")
    assert seen(run(machine, plan_of(Both()), events).machine) == expected


def test_one_by_one_in_one_batch_and_as_live_are_the_same() -> None:
    from engine.core.machine import Compiled, Interpreted

    random = np.random.default_rng(4)
    y, x = recorded(random, 500, 1_000.0), recorded(random, 500, 5_000.0)
    events = interleave([y, x], MINUTE, [MINUTE, 3 * MINUTE])
    whole = state(run(Compiled, plan_of(Both()), events))
    assert state(in_single_calls(Compiled, plan_of(Both()), events)) == whole
    assert state(run(Interpreted, plan_of(Both()), events)) == whole
    live = isolated(Compiled, plan_of(Both()), events, size=7)
    assert seen(live.machine) == seen(run(Compiled, plan_of(Both()), events).machine)


def test_history_fills_it_too(machine: type) -> None:
    rows = [[100.0 + i] * 4 for i in range(4)]
    events: Any = bar_events(rows, symbol=1)
    events["history"][:3] = 1
    assert events.dtype == Event.dtype
    made = run(machine, plan_of(Timeframe()), events).machine
    assert seen(made)[-1] == "103<102@0"


def test_who_watches_nothing_has_no_rows_for_it(machine: type) -> None:
    block = machine(layout(portfolio())).block
    assert len(table_of(block, "watches")) == 0
    assert table_of(block, "series")["watch_end"].tolist() == [0]


def test_a_watched_series_stands_before_those_that_call() -> None:
    lines = layout(plan_of(Timeframe())).series()
    assert [(line.symbol, line.calls, line.span // MINUTE) for line in lines] == [
        (1, False, 3),
        (1, True, 1),
    ]
    assert plan_of(Timeframe()).spans == (MINUTE, 3 * MINUTE)
