"""A configuration that is edited between two starts: what is unchanged goes on, what is new is
warm, what is held stays, and nothing is ordered on old events.
"""

from pathlib import Path

import pytest

from engine.api import compose
from engine.errors import ConfigError
from engine.research.parity import compare
from engine.store.tables import Row
from tests.golden import golden
from tests.system.left import Held, different, unsound
from tests.unit.live.conftest import SMALL, Seen
from tests.unit.live.engines import (
    END,
    OVERRIDES,
    STOP,
    books,
    copied,
    events,
    holds,
    kill,
    known,
    refusal,
    said,
    told,
    trade,
)

BEFORE = ("ema_cross", "rsi_reversion")
SYMBOLS = ("BTC/USDT", "ETH/USDT")
SIGNAL = ("symbol", "ts", "target", "price", "tag")
FILL = ("symbol", "ts", "quantity", "price", "fee", "position")

# what is edited → what is typed, which of those before it are unchanged, who begins anew
EDITS = {
    "a parameter": (["strategy.rsi_reversion.length=9"], ["ema_cross"], "rsi_reversion"),
    "a timeframe": (["strategy.rsi_reversion.timeframe=5m"], ["ema_cross"], "rsi_reversion"),
    "a new instance": (
        ["strategy=[ema_cross,rsi_reversion,buy_and_hold]"],
        BEFORE,
        "buy_and_hold",
    ),
    "a symbol more": (
        ["universe.symbols=[ADA/USDT,BTC/USDT,ETH/USDT]"],
        BEFORE,
        "ema_cross on ADA/USDT, rsi_reversion on ADA/USDT",
    ),
    "another order": (["universe.symbols=[ETH/USDT,BTC/USDT]"], BEFORE, ""),
    "an exit": (["strategy.rsi_reversion.exits.stop_loss=0.001"], ["ema_cross"], ""),
    "a rule more": (["risk=[order_notional,open_positions]"], BEFORE, ""),
}


def progress(found: Held) -> Row:
    """Return how far everything is committed."""
    assert found.progress is not None
    return found.progress


WHEN = [(edit, place) for edit in EDITS for place in ("stopped", "killed")]
WHEN += [("a symbol more", "killed early")]


@pytest.mark.parametrize(("edit", "place"), WHEN)
def test_what_is_unchanged_goes_on(
    edit: str, place: str, left: dict[str, Path], tmp_path: Path, undisturbed: Seen
) -> None:
    more, unchanged, _ = EDITS[edit]
    folder = copied(left[place], tmp_path / "var")
    before = holds(folder)
    trade(folder, END, *more)
    found, alone = holds(folder), undisturbed()
    assert list(unsound(found)) == []
    for instance in unchanged:
        state = known(found, instance)
        assert {symbol: state[symbol] for symbol in SYMBOLS} == known(alone, instance)
        for table, columns in (("signal", SIGNAL), ("fill", FILL)):
            rows = [row for row in said(found, table, instance, *columns) if row[0] in SYMBOLS]
            assert rows == said(alone, table, instance, *columns)
    orders = found.tables["order"][len(before.tables["order"]) :]
    assert all(row["ts"] > progress(before)["ts"] for row in orders)


@pytest.mark.parametrize(("edit", "place"), [when for when in WHEN if EDITS[when[0]][2]])
def test_what_is_new_is_warm(
    edit: str, place: str, left: dict[str, Path], tmp_path: Path, undisturbed: Seen
) -> None:
    more, _, begun = EDITS[edit]
    folder = copied(left[place], tmp_path / "var")
    before = progress(holds(folder))
    trade(folder, END, *more)
    found, always = holds(folder), undisturbed(edit, *more, "feed.start='2023-12-31T12:00'")
    new = {"ADA/USDT"} if "ADA" in begun else SYMBOLS
    ours, theirs = (
        [
            row
            for row in said(one, "signal", begun.split()[0], *SIGNAL)
            if row[0] in new and row[1] > before["ts"]
        ]
        for one in (found, always)
    )
    assert ours == theirs
    assert f"{begun}: began anew, warmed up on 12h." in events(found, "recovery")


@pytest.mark.parametrize("edit", ["a parameter", "a symbol more"])
def test_what_is_new_is_warm_to_the_last_bit(
    edit: str, left: dict[str, Path], undisturbed: Seen, tmp_path: Path
) -> None:
    more, _, begun = EDITS[edit]
    folder = copied(left["stopped"], tmp_path / "var")
    trade(folder, END, *more, "feed.history=3h")  # as much as the market had when it stopped
    found, always = holds(folder), undisturbed(f"{edit} from the beginning", *more)
    assert known(found, begun.split()[0]) == known(always, begun.split()[0])


# ── what is removed ───────────────────────────────────────────────────────────────────────────


def test_what_holds_something_must_stay(
    left: dict[str, Path], undisturbed: Seen, tmp_path: Path
) -> None:
    folder = copied(left["killed"], tmp_path / "var")
    before = holds(folder)
    edits = {
        "an instance removed": ["strategy=[rsi_reversion]"],
        "a symbol removed": ["universe.symbols=[ETH/USDT]"],
        "a symbol of one removed": ["strategy.ema_cross.symbols=[ETH/USDT]"],
    }
    text = "".join(f"== {edit}\n{refusal(folder, *more)}\n\n" for edit, more in edits.items())
    golden("live/removed.txt", text)
    assert holds(folder).tables == before.tables
    told(folder, "flatten", "ema_cross")
    trade(folder, STOP)  # until the orders are filled
    trade(folder, END, *edits["an instance removed"])
    found = holds(folder)
    assert list(unsound(found)) == []
    assert known(found, "rsi_reversion") == known(undisturbed(), "rsi_reversion")


# ── what was latched, and what was protected ──────────────────────────────────────────────────

MORE = "strategy=[ema_cross,rsi_reversion,buy_and_hold]"


def opened(found: Held, after: int) -> set[str]:
    """Return the instances that opened something behind an event."""
    rows = found.tables["fill"]
    return {r["instance"] for r in rows if r["seq"] > after and float(r["quantity"]) > 0.0}


@pytest.mark.parametrize(
    ("words", "paused", "free"),
    [
        (["pause"], {"ema_cross", "rsi_reversion", "buy_and_hold"}, set()),
        (["pause ema_cross"], {"ema_cross"}, {"rsi_reversion"}),
        (["pause", "resume rsi_reversion"], {"ema_cross", "buy_and_hold"}, {"rsi_reversion"}),
        (["pause ema_cross", "resume"], set(), {"ema_cross", "rsi_reversion"}),
        (["kill"], {"ema_cross", "rsi_reversion", "buy_and_hold"}, set()),
    ],
)
def test_what_is_latched_stays_latched(
    words: list[str], paused: set[str], free: set[str], left: dict[str, Path], tmp_path: Path
) -> None:
    folder = copied(left["stopped"], tmp_path / "var")
    for word in words:
        told(folder, *word.split())
    before = progress(holds(folder))["seq"]
    trade(folder, END, MORE, "strategy.rsi_reversion.length=6")
    after = opened(holds(folder), before)
    assert not after & paused
    assert after >= free


def test_an_edited_exit_protects_what_is_held_at_once(
    left: dict[str, Path], tmp_path: Path
) -> None:
    folder = copied(left["stopped"], tmp_path / "var")
    for ratio in (0.01, 0.02):
        trade(folder, STOP, f"strategy.ema_cross.exits.stop_loss={ratio}")
        held = [book for book in books(holds(folder), "ema_cross").values() if book["position"]]
        assert held
        assert all(book["stop"] == book["entry"] * (1.0 - ratio) for book in held)


@pytest.mark.parametrize("place", ["stopped", "killed"])
def test_a_stop_that_trails_stays_where_it_was(place: str, tmp_path: Path) -> None:
    trails = [f"strategy.{name}.exits.trailing={{distance: 0.5}}" for name in BEFORE]
    folder = tmp_path / "var"
    if place == "stopped":
        trade(folder, STOP, *trails)
    else:
        kill(folder, "journal.append.after:9", STOP, *trails, *SMALL)
    same, edited = (copied(folder, tmp_path / name) for name in ("same", "edited"))
    trade(same, STOP, *trails, *SMALL)
    trade(edited, STOP, *trails, *SMALL, "costs.taker=0.002")
    count = 0
    for name in BEFORE:
        before, after = (books(holds(folder), name) for folder in (same, edited))
        for symbol, book in after.items():
            assert book["best"] == before[symbol]["best"]
            assert book["stop"] == before[symbol]["stop"] == book["best"] * 0.5
            count += book["best"] > book["entry"]
    assert count


# ── and then ──────────────────────────────────────────────────────────────────────────────────


def test_the_next_start_without_an_edit_is_an_exact_replay(
    left: dict[str, Path], tmp_path: Path
) -> None:
    edited, killed = (copied(left["killed"], tmp_path / name) for name in ("edited", "killed"))
    more = ["strategy.rsi_reversion.length=9", *SMALL]
    trade(edited, END, *more)
    kill(killed, "journal.append.after:5", END, *more)
    trade(killed, END, *more)
    assert list(different(holds(killed), holds(edited))) == []
    assert list(unsound(holds(killed))) == []


def test_the_run_after_an_edit_can_be_replayed(left: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(left["killed"], tmp_path / "var")
    trade(folder, END, MORE)
    run = progress(holds(folder))["run"]

    def replayed(*more: str) -> dict[str, int]:
        overrides = [f"feed.run={run}", f"feed.directory={folder}"]
        base = [w for w in OVERRIDES if not w.startswith(("mode=", "feed."))]
        return compare(compose(["feed=journal", *base, *overrides, *more]), folder)

    counts = replayed(MORE)
    assert min(counts[name] for name in ("signal", "order", "fill", "equity")) > 0
    for other in ([], [MORE, "strategy.ema_cross.fast=5"]):
        with pytest.raises(ConfigError, match="must be replayed with the configuration and the"):
            replayed(*other)
