"""Perpetuals on paper: their margin is kept, and their funding settled once, whatever happens."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.api import backtest, compose
from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.machine import Compiled
from engine.core.records import Event, Kind
from engine.feeds.funding import constant
from engine.live.recover import Place
from engine.research.parity import compare
from engine.settings import build
from tests.golden import golden
from tests.system.left import Held, different
from tests.unit.live.conftest import SMALL
from tests.unit.live.engines import (
    END,
    OVERRIDES,
    books,
    command,
    copied,
    holds,
    kill,
    refusal,
    said,
    trade,
)

HOUR = 3_600_000
START = 1_704_067_200_000  # 2024-01-01
SYMBOLS = (r"BTC/USDT\:USDT", r"ETH/USDT\:USDT", "ADA/USDT")
LINEAR = "kind: linear, leverage: 5.0"
INSTRUMENTS = f"{SYMBOLS[0]}: {{{LINEAR}}}, {SYMBOLS[1]}: {{{LINEAR}, margin: cross}}"
UNIVERSE = (f"universe.symbols=[{','.join(SYMBOLS)}]", f"universe.instruments={{{INSTRUMENTS}}}")
PERPETUAL = (
    *UNIVERSE,
    "strategy=[rsi_reversion,buy_and_hold]",
    "costs.funding_ratio=0.0001",
    "costs.funding_hours=1",
)
MORE = "strategy=[rsi_reversion,buy_and_hold,ema_cross]"  # is an edit
BOTH = ("BTC/USDT:USDT", "ETH/USDT:USDT")


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compile what is traded, since a running engine refuses to."""
    Compiled(layout(build(compose([*OVERRIDES, *PERPETUAL, MORE]))))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """Return what an engine holds that never stopped."""
    folder = tmp_path_factory.mktemp("undisturbed") / "var"
    trade(folder, END, *PERPETUAL)
    return holds(folder)


def postings(found: Held) -> list[tuple[Any, ...]]:
    """Return what was settled: symbol, time and amount."""
    return said(found, "posting", "buy_and_hold", "symbol", "ts", "amount")


def settled(found: Held) -> Counter[tuple[str, int]]:
    """Return how often each perpetual was settled at each hour of the market."""
    return Counter((symbol, (ts - START) // HOUR) for symbol, ts, _ in postings(found))


ONCE = Counter((symbol, hour) for symbol in BOTH for hour in range(1, 6))  # up to END, at 6


def account_of(found: Held) -> Any:
    """Return the account's row of the newest snapshot."""
    block = np.frombuffer(found.block, np.int64)
    return table_of(block, "account")[0]


# ── funding ───────────────────────────────────────────────────────────────────────────────────


def test_funding_is_settled_at_the_last_price_of_its_time(undisturbed: Held) -> None:
    assert settled(undisturbed) == ONCE
    block = np.frombuffer(undisturbed.block, np.int64)
    for symbol, book in books(undisturbed, "buy_and_hold").items():
        amounts = [float(amount) for name, _, amount in postings(undisturbed) if name == symbol]
        assert book["funding"] == sum(amounts)
        # a long of 0.01 pays 0.01 x price x 0.0001, and the price moves by less than a tenth
        price = table_of(block, "symbols")["price"][int(book["symbol"])]
        assert all(amount == pytest.approx(-1e-6 * price, rel=0.1) for amount in amounts)


@pytest.mark.parametrize("stop", ["02:59:59.999", "03:00", "03:00:00.001", "03:00:07", "03:59:59"])
def test_a_stop_settles_nothing_twice_and_loses_nothing(
    stop: str, tmp_path: Path, undisturbed: Held
) -> None:
    trade(tmp_path, f"2024-01-01T{stop}", *PERPETUAL)
    trade(tmp_path, END, *PERPETUAL)
    assert settled(holds(tmp_path)) == ONCE
    assert list(different(holds(tmp_path), undisturbed)) == []


@pytest.mark.parametrize("failpoint", ["commit.before:3", "commit.after:9", "commit.after:15"])
def test_a_kill_settles_nothing_twice_and_loses_nothing(
    failpoint: str, tmp_path: Path, undisturbed: Held
) -> None:
    same, edited = tmp_path / "same", tmp_path / "edited"
    kill(same, failpoint, END, *PERPETUAL, *SMALL)
    copied(same, edited)
    trade(same, END, *PERPETUAL, *SMALL)
    assert list(different(holds(same), undisturbed)) == []
    trade(edited, END, *PERPETUAL, *SMALL, MORE)
    assert settled(holds(edited)) == ONCE
    assert postings(holds(edited)) == postings(undisturbed)


def test_each_perpetual_is_settled_on_its_own() -> None:
    place = Place()
    events = np.zeros(3, Event.dtype)
    events["ts"] = START + 3 * HOUR
    events["kind"] = [Kind.TIMER, Kind.TICK, Kind.FUNDING]
    events["symbol"] = [0, 0, 1]
    place.move(events[:1], BOTH)
    assert [place.settled(symbol, 0) for symbol in BOTH] == [START + 3 * HOUR - 1] * 2
    place.move(events[1:], BOTH)  # all that was committed when it was killed
    assert (place.ts, place.count) == (START + 3 * HOUR, 2)
    due = [constant(0, 1e-4, 1.0, place.settled(symbol, 0), START + 5 * HOUR) for symbol in BOTH]
    assert [((events["ts"] - START) // HOUR).tolist() for events in due] == [[3, 4, 5], [4, 5]]


def test_a_command_beside_funding_is_obeyed_once(tmp_path: Path) -> None:
    trade(tmp_path, "2024-01-01T03:00:00.001", *PERPETUAL)  # its last event is a funding
    number = command(tmp_path, "pause", "buy_and_hold")
    trade(tmp_path, END, *PERPETUAL)
    found = holds(tmp_path)
    assert [row["command_id"] for row in found.tables["answer"]] == [number]
    assert [row["name"] for row in found.tables["breaker"]] == ["pause buy_and_hold"]
    assert settled(found) == ONCE


# ── paper is backtest ─────────────────────────────────────────────────────────────────────────


def test_paper_is_backtest(tmp_path: Path, undisturbed: Held) -> None:
    trade(tmp_path, "2024-01-01T02:30", *PERPETUAL)
    trade(tmp_path, END, *PERPETUAL)
    run = holds(tmp_path).tables["progress"][0]["run"]
    base = [word for word in OVERRIDES if not word.startswith(("mode=", "feed."))]
    journal = ["feed=journal", f"feed.run={run}", f"feed.directory={tmp_path}"]
    market = ["feed=synthetic", "feed.start='2024-01-01'", f"feed.end='{END}'"]
    settings = compose([*base, *PERPETUAL, *journal])
    assert compare(settings, tmp_path)["posting"] == len(undisturbed.tables["posting"])
    equity = float(account_of(undisturbed)["equity"])
    assert backtest(settings).facts["final_equity"] == equity  # and nothing is settled again
    tested = backtest(compose([*base, *PERPETUAL, *market]))
    assert tested.facts["final_equity"] == equity


# ── after an edit ─────────────────────────────────────────────────────────────────────────────


def test_what_is_held_keeps_its_margin_and_its_funding(tmp_path: Path) -> None:
    stop = "2024-01-01T02:30"
    trade(tmp_path / "same", stop, *PERPETUAL)
    copied(tmp_path / "same", tmp_path / "edited")
    trade(tmp_path / "edited", stop, *PERPETUAL, "costs.taker=0.002")
    same, edited = holds(tmp_path / "same"), holds(tmp_path / "edited")
    before, after = (books(found, "buy_and_hold") for found in (same, edited))
    for symbol in BOTH:
        assert before[symbol]["funding"] < 0.0
        # bought for value / leverage
        value = before[symbol]["position"] * before[symbol]["entry"]
        assert before[symbol]["margin"] == pytest.approx(value / 5.0, rel=1e-12)
        for name in ("position", "entry", "margin", "funding", "paid"):
            assert after[symbol][name] == before[symbol][name]
    ours, theirs = account_of(edited), account_of(same)
    assert (ours["cash"], ours["margin"]) == (theirs["cash"], theirs["margin"])
    assert ours["equity"] == pytest.approx(theirs["equity"], rel=1e-12)


def test_what_is_held_stays_what_it_is(tmp_path: Path) -> None:
    trade(tmp_path, "2024-01-01T02:30", *PERPETUAL)
    before = holds(tmp_path).tables
    universe, instruments, *rest = PERPETUAL
    larger = instruments.replace("5.0}", "5.0, contract_size: 2.0}")
    golden("live/other_instrument.txt", refusal(tmp_path, universe, larger, *rest))
    assert holds(tmp_path).tables == before
