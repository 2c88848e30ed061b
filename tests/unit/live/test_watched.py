"""A strategy that watches: killed, restarted and edited it sees what it would have seen."""

from pathlib import Path

import pytest

from engine.api import compose
from engine.core.assemble import layout
from engine.core.machine import Compiled
from engine.research.parity import compare
from engine.settings import build
from tests.system.left import Held, unsound
from tests.unit.live.conftest import SMALL
from tests.unit.live.engines import (
    END,
    OVERRIDES,
    copied,
    events,
    holds,
    kill,
    known,
    said,
    trade,
)

STOP = "2024-01-01T02:37:30"  # while longer bars are forming
SOON = "2024-01-01T02:50"
WATCHING = (
    "universe.symbols=[BTC/USDT,ETH/USDT,SOL/USDT]",
    "strategy=[pairs,multi_timeframe,rsi_reversion]",
    "strategy.pairs.length=20",
    "strategy.pairs.enter=1.5",
    "strategy.multi_timeframe.symbols=[ETH/USDT]",
    "strategy.multi_timeframe.trend_timeframe=15m",
    "strategy.multi_timeframe.trend=2",
)
INSTANCES = ("pairs", "multi_timeframe")
SIGNAL = ("symbol", "ts", "target", "price", "tag")


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compile what is traded, since a running engine refuses to."""
    everyone = "strategy=[pairs,multi_timeframe,rsi_reversion,ema_cross]"
    Compiled(layout(build(compose([*OVERRIDES, *WATCHING, everyone]))))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what an engine left that watches and stopped half way."""
    folder = tmp_path_factory.mktemp("stopped") / "var"
    trade(folder, STOP, *WATCHING)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """Return what an engine holds that watches and never stopped."""
    folder = tmp_path_factory.mktemp("undisturbed") / "var"
    trade(folder, END, *WATCHING)
    return holds(folder)


@pytest.mark.parametrize("place", ["stopped", "killed"])
def test_what_is_watched_goes_on(
    place: str, stopped: Path, undisturbed: Held, tmp_path: Path
) -> None:
    folder = tmp_path / "var"
    if place == "killed":
        kill(folder, "journal.append.after:5", END, *WATCHING, *SMALL)
    else:
        copied(stopped, folder)
    trade(folder, END, *WATCHING)
    found = holds(folder)
    assert list(unsound(found)) == []
    for instance in INSTANCES:
        assert len(said(found, "signal", instance, *SIGNAL)) > 5
        assert said(found, "signal", instance, *SIGNAL) == said(
            undisturbed, "signal", instance, *SIGNAL
        )
        assert known(found, instance) == known(undisturbed, instance)


def test_what_is_watched_goes_on_after_an_edit_of_another(stopped: Path, tmp_path: Path) -> None:
    # the last closed bar of 15m is that which was forming when it stopped
    folder, always = copied(stopped, tmp_path / "var"), tmp_path / "always"
    trade(folder, SOON, *WATCHING, "strategy=[pairs,multi_timeframe,rsi_reversion,ema_cross]")
    trade(always, SOON, *WATCHING)
    found = holds(folder)
    assert [line for line in events(found, "recovery") if "anew" in line] == [
        "ema_cross: began anew, warmed up on 12h."
    ]
    for instance in INSTANCES:
        assert known(found, instance) == known(holds(always), instance)


@pytest.mark.parametrize(
    ("edit", "begun"),
    [
        ("strategy.pairs.other=SOL/USDT", "pairs"),
        ("strategy.multi_timeframe.trend_timeframe=30m", "multi_timeframe"),
    ],
)
def test_who_watches_something_else_begins_anew(
    edit: str, begun: str, stopped: Path, tmp_path: Path
) -> None:
    folder = copied(stopped, tmp_path / "var")
    trade(folder, END, *WATCHING, edit)
    found = holds(folder)
    assert f"{begun}: began anew, warmed up on 12h." in events(found, "recovery")
    # what it then sees is what an engine sees that began as long before with the edited file
    always = tmp_path / "always"
    trade(always, END, *WATCHING, edit, "feed.start='2023-12-31T12:00'")
    stopped_at = max(row["ts"] for row in holds(stopped).tables["equity"])
    ours, theirs = (
        [row for row in said(one, "signal", begun, *SIGNAL) if row[1] > stopped_at]
        for one in (found, holds(always))
    )
    assert ours == theirs
    assert len(ours) > 1


def test_paper_is_backtest(stopped: Path) -> None:
    (run,) = [path.name for path in (stopped / "journal").iterdir()]
    base = [word for word in OVERRIDES if not word.startswith(("mode=", "feed."))]
    feed = ["feed=journal", f"feed.run={run}", f"feed.directory={stopped}"]
    counts = compare(compose([*feed, *base, *WATCHING]), stopped)
    assert min(counts[name] for name in ("signal", "order", "fill", "equity")) > 5
