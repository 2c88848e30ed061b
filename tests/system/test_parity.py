"""Paper = backtest: thirty days of ten markets, killed on the way, say the same replayed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SYMBOLS = ["BTC", "ETH", "SOL", "BNB", "XRP", "DOGE", "ADA", "LTC", "DOT", "AVAX"]
INSTANCES = {
    "ema_slow": """
  _target_: engine.strategies.ema_cross.EmaCross
  timeframe: 15m
  fast: 20
  slow: 60
""",
    "rsi_fast": """
  _target_: engine.strategies.rsi_reversion.RsiReversion
  timeframe: 5m
  length: 7
  exits:
    stop_loss: 0.01
    take_profit: 0.02
""",
}
COMMITS = 1_500  # of thirty days, about
ENGINE = [sys.executable, "-m", "engine"]


@pytest.fixture
def typed(tmp_path: Path) -> list[str]:
    """Return what is typed behind each verb."""
    folder = tmp_path / "conf" / "strategy"
    folder.mkdir(parents=True)
    for name, text in INSTANCES.items():
        (folder / f"{name}.yaml").write_text(f"{name}:{text}")
    return [
        *("--config-dir", str(tmp_path / "conf")),
        f"universe.symbols=[{','.join(f'{symbol}/USDT' for symbol in SYMBOLS)}]",
        "strategy=[ema_cross,rsi_reversion,buy_and_hold,ema_slow,rsi_fast]",
        "strategy.ema_cross.timeframe=5m",
        "sizing.ratio=0.018",
        "risk.open_positions.count_max=30",
        "venue.latency_ms=200",
        "venue.rejection_ratio=0.02",
        "costs.taker=0.0002",
        f"store.directory={tmp_path / 'var'}",
        "feed.start='2024-01-01'",
        "feed.end='2024-01-31'",
        "feed.speed=null",
    ]


def engine(verb: str, typed: list[str], *words: str) -> str:
    """Return what a verb prints; it must succeed."""
    ran = subprocess.run(
        [*ENGINE, verb, *words, *typed], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def progress(path: Path) -> tuple[int, str]:
    """Return up to which event a store is committed, and by which run."""
    if not path.exists():
        return -1, ""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        try:
            found = connection.execute("select seq, run from progress").fetchone()
        except sqlite3.OperationalError:  # the tables are not there yet
            found = None
    connection.close()
    return found or (-1, "")


def test_a_run_that_was_killed_says_the_same_replayed(tmp_path: Path, typed: list[str]) -> None:
    path = tmp_path / "var" / "engine.db"
    engine("compile", typed, "mode=paper")
    armed = os.environ | {"CHANQUANT_FAILPOINT": f"commit.before:{COMMITS // 2}"}
    killed = subprocess.run([*ENGINE, "run", *typed], cwd=ROOT, env=armed, check=False)
    assert killed.returncode == -signal.SIGKILL
    killed_at, first = progress(path)
    engine("run", typed)
    ended_at, second = progress(path)
    assert killed_at < ended_at
    assert second != first

    told = json.loads(engine("parity", typed, second, "--json"))
    print(f"killed at event {killed_at} of {ended_at}; equal rows: {told['equal']}")
    assert told["equal"]["equity"] == 30 * 24 * 60
    assert told["equal"].pop("posting") == 0  # on paper there is no funding yet
    assert min(told["equal"].values()) > 100


def test_another_parameter_does_not_say_the_same(tmp_path: Path, typed: list[str]) -> None:
    short = [word.replace("2024-01-31", "2024-01-03") for word in typed]
    engine("run", short)
    _, run = progress(tmp_path / "var" / "engine.db")
    ran = subprocess.run(
        [*ENGINE, "parity", run, *short, "strategy.ema_cross.fast=11"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert ran.returncode == 3
    assert ran.stderr.count("is stored") >= 1
