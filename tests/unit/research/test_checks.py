"""What `check` tells of strategies that are in order, and what it warns of."""

from pathlib import Path
from typing import Any

import pytest

from engine.compose import compose
from engine.core.compile.declare import Strategy
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Bar, Out, Sizing
from engine.errors import DataError
from engine.feeds.generated import generate, write
from engine.feeds.synthetic import Synthetic
from engine.feeds.tape import Tape
from engine.research.checks import Checked, check
from engine.research.warmup import WarmUp
from engine.settings import build, validate
from engine.strategies.buy_and_hold import BuyAndHold
from engine.strategies.ema_cross import EmaCross
from tests.golden import golden
from tests.market import MINUTE, portfolio

SYMBOL = "X/USD"


class Never(Strategy):
    """Wants nothing."""

    def step(p, s: object, bar: Bar, out: Out) -> None:
        return


class OnTicks(Strategy):
    """In on a tick with an odd time."""

    on = "tick"

    def step(p, s: object, bar: Bar, out: Out) -> None:
        out.target = 1.0 if bar.close > bar.open else 0.0


class Counts(Strategy):
    """In on every seventh bar since it was started."""

    class State:
        count: int

    def step(p, s: State, bar: Bar, out: Out) -> None:
        s.count += 1
        out.target = 1.0 if s.count % 7 == 0 else 0.0


def trading(strategy: Strategy, span: int = MINUTE) -> Portfolio:
    one = Instance("it", strategy, (SYMBOL,), span, Sizing.FIXED, 1.0)
    return portfolio(one, symbols=[SYMBOL])


def bars(folder: Path) -> Tape:
    write(folder / "bars.parquet", generate(SYMBOL, 2_000, MINUTE, 7))
    return Tape(files={SYMBOL: str(folder / "bars.parquet")})


def test_what_is_warned_of(tmp_path: Path) -> None:
    feed = bars(tmp_path)
    told = [
        *check(trading(Never()), None)[1],
        *check(trading(OnTicks()), feed)[1],
        *check(trading(Counts()), None)[1],
        *check(trading(EmaCross(), span=60 * MINUTE), Synthetic(history="1d"))[1],
        *check(trading(BuyAndHold()), Tape(files={SYMBOL: "var/none.parquet"}))[1],
        *check(trading(BuyAndHold()), Tape(path="var/{symbol}.csv"))[1],
    ]
    golden("check/warnings.txt", "\n".join(told))


def test_enough_history_and_files_that_are_there_are_no_warnings(tmp_path: Path) -> None:
    assert check(trading(EmaCross(), span=60 * MINUTE), Synthetic(history="30d"))[1] == []
    assert check(trading(EmaCross()), bars(tmp_path))[1] == []


def test_both_samples_are_told_of(tmp_path: Path) -> None:
    checked, _ = check(trading(EmaCross()), bars(tmp_path))
    assert [(one.of, one.calls) for one in checked] == [
        ("made-up prices", 3_000),
        ("the feed", 2_000),
    ]


def test_a_broken_file_of_the_feed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_text("ts,open,high,low,close,volume\n1704067200000,1,0,1,1,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="high"):
        check(trading(EmaCross()), Tape(files={SYMBOL: str(file)}))


def test_a_file_of_funding_with_a_hole_is_refused(tmp_path: Path) -> None:
    hour = 60 * MINUTE
    rows = generate(SYMBOL, 48, hour, 7)
    write(tmp_path / "bars.parquet", rows)
    begun, rates = int(rows["ts"][0]), tmp_path / "rates.csv"
    dues = [begun + n * 8 * hour for n in (0, 1, 2, 4, 5, 6)]  # the one after 24 hours is missing
    rates.write_text("ts,rate\n" + "".join(f"{ts},0.0001\n" for ts in dues), encoding="utf-8")
    overrides = [
        f"universe.symbols=[{SYMBOL}]",
        f"universe.instruments={{{SYMBOL}: {{kind: linear}}}}",
        *("feed=tape", "feed.timeframe=1h", f"feed.files={{{SYMBOL}: {tmp_path}/bars.parquet}}"),
        f"costs.funding_files={{{SYMBOL}: {rates}}}",
    ]
    settings = validate(compose(overrides))
    with pytest.raises(DataError, match="must have a rate at each full 8 hours"):
        check(build(settings), settings.feed, settings)
    check(build(settings), settings.feed)  # who does not ask is not told


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (WarmUp(180, 3, 40, 1.0), "needs about 180 bars of history, before that 3 of 40"),
        (WarmUp(23, 0, 40, 0.0), "needs about 23 bars of history"),
        (WarmUp(1, 0, 40, 0.0), "needs no history"),
        (WarmUp(0, 0, 0, 0.0), "needs no history"),
        (WarmUp(None, 2, 5, 1.0), "too few signals to say how much history it needs"),
        (WarmUp(None, 1_020, 4_000, 1.0, False), "depends on its start, to the end 1,020 of 4,000"),
    ],
)
def test_how_much_history_is_needed_in_words(found: WarmUp, told: str) -> None:
    one = Checked("it", "the feed", 3_000, 45, found)
    assert str(one) == f"it: 45 signals in 3,000 calls on the feed; {told}" + (
        " signals differ" if told[-1].isdigit() else ""
    )
    document: dict[str, Any] = one.document()
    assert document["history"]["differ"] == found.differ


def test_one_that_follows_a_file_needs_none() -> None:
    assert str(Checked("it", "the feed", 9, 9, None)) == "it: 9 signals in 9 calls on the feed"
