"""Paper = backtest with all of it on: each feature did occur, and says the same replayed."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from engine.feeds.generated import generate, write
from tests.playing import Playing
from tests.system.test_parity import ENGINE, ROOT, engine, progress
from tests.ticking import Ticking

UNIVERSE = """
symbols: ["BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT", "XRP/USDT:USDT", "ADA/USDT"]
instruments:
  "BTC/USDT:USDT": {kind: linear, leverage: 5.0, tick: 0.1, lot: 0.0001, notional_min: "10"}
  "ETH/USDT:USDT": {kind: linear, leverage: 10.0, margin: cross, contract_size: 0.1, lot: 0.001}
  "SOL/USDT:USDT": {kind: linear, leverage: 3.0, tick: 0.001}
  "XRP/USDT:USDT": {kind: linear, leverage: 125.0, liquidation_ratio: 0.0125}
"""
INSTANCES = {
    "macd_kelly": """
  _target_: engine.strategies.macd.Macd
  symbols: ["SOL/USDT:USDT"]
  timeframe: 3m
  shorts: true
  sizing: {kind: kelly, ratio: 0.05, trades_min: 8}
  exits:
    trailing: {distance: 0.002, activation: 0.001}
    time_stop_minutes: 25.0
""",
    "donchian_risk": """
  _target_: engine.strategies.donchian.Donchian
  symbols: ["BTC/USDT:USDT", "ADA/USDT"]
  timeframe: 5m
  shorts: true
  sizing: {kind: risk, loss_ratio: 0.001, ratio_max: 0.1}
  exits:
    take_profit_ladder: [{at: 0.001, share: 0.3}, {at: 0.003, share: 0.4}]
    break_even: {at: 0.002, offset: 0.0005}
""",
    "bollinger_volatility": """
  _target_: engine.strategies.bollinger.Bollinger
  symbols: ["ETH/USDT:USDT"]
  shorts: true
  sizing: {kind: volatility, volatility_ratio: 0.05, length: 120}
  exits:
    stop_loss: 0.003
    roi: {0: 0.004, 10: 0.001, 30: 0.0005}
""",
    "supertrend_fixed": """
  _target_: engine.strategies.supertrend.Supertrend
  symbols: ["ADA/USDT"]
  timeframe: 3m
  sizing: {kind: fixed, quantity: 3000.0}
  exits:
    take_profit: 0.006
    stop_loss: 0.004
    opposite_signal: ignore
""",
    "pairs_notional": """
  _target_: engine.strategies.pairs.Pairs
  symbols: ["BTC/USDT:USDT"]
  other: "ETH/USDT:USDT"
  shorts: true
  sizing: {kind: notional, notional: "4000"}
""",
    "two_timeframes": """
  _target_: engine.strategies.multi_timeframe.MultiTimeframe
  symbols: ["SOL/USDT:USDT", "ADA/USDT"]
  trend_timeframe: 15m
  trend: 10
""",
    "leveraged": """
  _target_: engine.strategies.ema_cross.EmaCross
  symbols: ["XRP/USDT:USDT"]
  timeframe: 5m
  sizing: {kind: notional, notional: "3000"}
""",
    "grid": """
  _target_: engine.strategies.grid.Grid
  symbols: ["ADA/USDT"]
  count: 5
  spacing: 0.001
  sizing: {kind: equity, ratio: 0.02}
  exits: {stop_loss: 0.02}
""",
    "dca": """
  _target_: engine.strategies.dca.Dca
  symbols: ["SOL/USDT:USDT"]
  count: 4
  spacing: 0.001
  sizing: {kind: equity, ratio: 0.02}
  exits: {take_profit: 0.001}
""",
    "ticking": f"""
  _target_: {Ticking.__module__}.Ticking
  symbols: ["XRP/USDT:USDT", "ETH/USDT:USDT"]
  ratio: 0.002
  sizing: {{kind: equity, ratio: 0.03}}
  exits:
    time_stop_minutes: 5.0
""",
}
LIMITS = (
    "execution.order=limit",
    "costs.maker=-0.0001",
    "costs.volume_share_max=0.2",
    "costs.impact_bps=3.0",
    "costs.spread_bps=1.0",
)
WAYS = {
    "market orders": [
        "costs.volume_share_max=0.2",
        "costs.spread_bps=2.0",
        "costs.impact_bps=5.0",
        "venue.latency_ms=300",
        "venue.rejection_ratio=0.03",
    ],
    "market orders at the close": ["execution.fill_on=close", "costs.volume_share_max=0.5"],
    "limit orders": [
        *LIMITS,
        "execution.limit_offset_bps=3.0",
        "execution.good_for_seconds=60.0",
        "execution.queue_share=0.3",
        "venue.latency_ms=100",
        "venue.rejection_ratio=0.02",
    ],
    "limit orders that only make": [*LIMITS, "execution.post_only=true", "costs.taker=0.0002"],
}
ALWAYS = {
    *("fill signal", "fill stop_loss", "fill take_profit", "fill trailing", "fill break_even"),
    *("fill roi", "fill time_stop", "fill liquidation", "posting funding"),
    *("short", "margin", "kelly", "funding paid", "funding received", "funding of a trade"),
    *("denial opposite_book", "denial opposite_signal", "denial short_on_spot"),
    *("level entered", "level left"),
    *("denial no_volatility", "order partial signal", "order canceled no_volume"),
    *(f"trade {name}" for name in INSTANCES),
}
OCCUR = {
    "market orders": {"order refused rejected", "order partial stop_loss"},
    "market orders at the close": set[str](),
    "limit orders": {
        *("order canceled expired", "order refused rejected", "order canceled signal"),
        *("rebate", "partial rebate"),
    },
    "limit orders that only make": {
        *("order canceled post_only", "order canceled signal", "rebate", "partial rebate"),
    },
}
DAYS = 4
SYMBOLS = yaml.safe_load(UNIVERSE)["symbols"]
Feed = Callable[[Path], list[str]]
KILLS = [  # each piece of the market is committed at least once: 30 of bars, more of ticks
    *("commit.before:10", "journal.append.after:2", "snapshot.after:1", "recover.replayed:1"),
    *("commit.inside:6", "journal.sync.after:5", "report.before:30", "journal.rotate.inside:1"),
    *("send.after:5", "commit.after:4", "recover.after:1"),
]
FACTS = {  # what no single word of a row says
    "level entered": """select count(*) from signal
        where "limit" is not null and target != '0.0'""",
    "level left": """select count(*) from signal where "limit" is not null and target = '0.0'""",
    "short": "select count(*) from fill where cast(position as real) < 0",
    "margin": "select count(*) from fill where abs(paid * 2) < abs(quantity * price)",
    "rebate": "select count(*) from fill where cast(fee as real) < 0",
    "partial rebate": """select count(*) from fill join "order" using (seq, order_id)
        where status = 'partial' and cast(fee as real) < 0""",
    "funding of a trade": "select count(*) from trade where cast(funding as real) != 0",
    "funding received": "select count(*) from posting where cast(amount as real) > 0",
    "funding paid": "select count(*) from posting where cast(amount as real) < 0",
    "kelly": "select count(*) > 8 from trade where instance = 'macd_kelly'",  # trades_min
}


@pytest.fixture
def typed(tmp_path: Path) -> list[str]:
    """Return what is typed behind each verb."""
    folder = tmp_path / "conf"
    for group in ("strategy", "universe"):
        (folder / group).mkdir(parents=True)
    (folder / "universe" / "mixed.yaml").write_text(UNIVERSE)
    for name, text in INSTANCES.items():
        (folder / "strategy" / f"{name}.yaml").write_text(f"{name}:{text}")
    return [
        *("--config-dir", str(folder)),
        "plugins=[tests]",
        "universe=mixed",
        f"strategy=[{','.join(INSTANCES)}]",
        "risk.open_positions.count_max=10",
        "costs.funding_ratio=0.0003",
        "costs.funding_hours=1.0",
        "store.snapshot_events=30000",
        "store.segment_mb=2.0",
        f"store.directory={tmp_path / 'var'}",
    ]


def ticks(_folder: Path) -> list[str]:
    """Return what is typed for a market of ticks."""
    return ["feed.start='2024-01-01'", f"feed.end='2024-01-0{1 + DAYS}'", "feed.speed=null"]


def bars(folder: Path) -> list[str]:
    """Write a market of bars, and return what is typed for it."""
    for seed, symbol in enumerate(SYMBOLS):
        name = symbol.replace("/", "_").replace(":", "_")
        write(folder / f"{name}_1m.parquet", generate(symbol, DAYS * 24 * 60, 60_000, seed))
    declared = folder / "conf" / "feed" / "playing.yaml"
    declared.parent.mkdir()
    path = f"{folder}/{{symbol}}_{{timeframe}}.parquet"
    declared.write_text(f'_target_: {Playing.__module__}.Playing\npath: "{path}"\n')
    return [
        "feed=playing",
        "strategy.supertrend_fixed.sizing.quantity=2.0",  # its symbol is dearer here
        "strategy.bollinger_volatility.exits.roi={0: 0.002, 10: 0.0002, 30: -0.002}",
    ]


NOT_ON_BARS = {"trade ticking", "denial opposite_signal"}  # nothing is called on ticks; too few
CASES = [  # those that take too long for each change are run by `make soak`
    ("market orders", ticks),
    ("limit orders", bars),
    *(pytest.param(way, ticks, marks=pytest.mark.soak) for way in WAYS if way != "market orders"),
    pytest.param("market orders", bars, marks=pytest.mark.soak),
]


def occurred(path: Path) -> Iterator[str]:
    """Yield what has happened, by the rows of a store."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for words in (
            "'fill', reason from fill",
            """'order', status, reason from "order" """,
            "'denial', reason from denial",
            "'posting', reason from posting",
            "'trade', instance from trade",
        ):
            yield from map(" ".join, connection.execute(f"select distinct {words}"))
        for fact, question in FACTS.items():
            if connection.execute(question).fetchone()[0]:
                yield fact


@pytest.mark.parametrize(("way", "feed"), CASES)
def test_all_of_it_says_the_same_replayed(
    way: str, feed: Feed, tmp_path: Path, typed: list[str]
) -> None:
    path, words = tmp_path / "var" / "engine.db", [*typed, *WAYS[way], *feed(tmp_path)]
    engine("compile", words, "mode=paper")
    for failpoint in KILLS if feed is ticks else KILLS[:5]:  # bars are fewer
        armed = os.environ | {"CHANQUANT_FAILPOINT": failpoint}
        command = [*ENGINE, "run", *words]
        ran = subprocess.run(command, cwd=ROOT, env=armed, capture_output=True, check=False)
        assert ran.returncode == -signal.SIGKILL, (failpoint, ran.stderr)
    engine("run", words)
    wanted = ALWAYS | OCCUR[way]
    assert wanted - (NOT_ON_BARS if feed is bars else set()) <= set(occurred(path))

    _, last = progress(path)
    told = json.loads(engine("parity", words, last, "--json"))["equal"]
    print(f"{way}: equal rows: {told}")
    assert min(told["signal"], told["fill"], told["posting"], told["trade"]) > 20
    assert feed is bars or told["equity"] == DAYS * 24 * 60  # bars need few timers
    with closing(sqlite3.connect(path)) as connection:
        for table, count in told.items():
            assert connection.execute(f'select count(*) from "{table}"').fetchone() == (count,)
