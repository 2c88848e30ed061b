"""The gate: what each target asks, what a value is worth beside it, and what is recorded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine import api
from engine.research import gate
from tests.test_docs import difference, read, table

FACTS = {
    "config_hash": "c0ffee" * 8,
    "data_hash": "deda" * 16,
    "code_version": "0.2.0+1a2b3c4",
    "run_id": "20180101-000000-c0ffeec0",
}
RANGE = """
from engine.core.compile.declare import Strategy

class Fade(Strategy):
    \"\"\"Trades nothing, in a range.\"\"\"

    kind = "range"

    class State:
        count: int

    def step(p, s, bar, out):
        s.count += 1
"""


def trades(*rows: tuple[str, float]) -> pa.Table:
    names, profits = zip(*rows, strict=True) if rows else ((), ())
    return pa.table(
        {"strategy": pa.array(names, pa.string()), "profit": pa.array(profits, pa.float64())}
    )


# ── targets ───────────────────────────────────────────────────────────────────────────────────


def test_the_targets_of_the_project_are_shipped() -> None:
    assert gate.targets(api.compose()) == {
        "sharpe": 1.5,
        "max_drawdown": -0.15,
        "profit_factor": 1.8,
        "trades": 100,
        "win_rate.ema_cross": 0.45,
    }


def test_a_win_rate_is_asked_by_the_kind_of_the_class(
    write: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("mine/__init__.py", "")
    write("mine/fade.py", RANGE)
    for name in ("fade", "other"):
        write(f"conf/strategy/{name}.yaml", f"{name}: {{_target_: mine.fade.Fade}}\n")
    monkeypatch.syspath_prepend(".")
    overrides = ("strategy=[ema_cross,fade,other]", "plugins=[mine]")
    found = gate.targets(api.compose(overrides))
    assert found["win_rate.ema_cross"] == 0.45
    assert found["win_rate.fade"] == found["win_rate.other"] == 0.60
    unasked = gate.targets(api.compose((*overrides, "gate.range_win_rate_min=null")))
    assert unasked == {name: found[name] for name in found if name[9:] not in ("fade", "other")}


def test_null_is_not_asked() -> None:
    keys = ("sharpe", "profit_factor", "trades", "trend_win_rate", "range_win_rate")
    nothing = [f"gate.{key}_min=null" for key in keys]
    assert gate.targets(api.compose(nothing)) == {"max_drawdown": -0.15}
    assert gate.targets(api.compose([*nothing, "gate.max_drawdown_max=null"])) == {}


# ── values ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "limit", "value", "is_passed"),
    [
        ("sharpe", 1.5, 1.51, True),
        ("sharpe", 1.5, 1.5, True),  # the limit itself is enough
        ("sharpe", 1.5, 1.49, False),
        ("sharpe", 0.0, -0.1, False),
        ("sharpe", 0.0, None, False),  # not defined
        ("max_drawdown", -0.15, -0.14, True),
        ("max_drawdown", -0.15, -0.15, True),
        ("max_drawdown", -0.15, -0.16, False),
        ("max_drawdown", -0.15, 0.0, True),
        ("trades", 100, 100, True),
        ("trades", 100, 99, False),
    ],
)
def test_a_value_passes_from_its_limit_on(
    name: str, limit: float, value: float | None, is_passed: bool
) -> None:
    kpi = gate.judge({name: limit}, {name: value, "fees": 1.0}, trades())
    assert kpi == {name: {"value": value, "limit": limit, "passed": is_passed}}
    assert gate.is_passed(kpi) == is_passed


def test_win_rates_are_those_of_each_instance() -> None:
    """Of a win 2 of 3 trades, of b 1 of 2 (0 is no win); c has traded nothing."""
    done = trades(("a", 1.0), ("b", 0.0), ("a", 2.0), ("b", 3.0), ("a", -9.0))
    asked = {"win_rate.a": 0.6, "win_rate.b": 0.6, "win_rate.c": 0.6}
    kpi = gate.judge(asked, {"win_rate": 0.9}, done)
    assert [row["value"] for row in kpi.values()] == [2 / 3, 0.5, None]
    assert [row["passed"] for row in kpi.values()] == [True, False, False]
    assert not gate.is_passed(kpi)


# ── records ───────────────────────────────────────────────────────────────────────────────────

TRADING = "7ade" * 16
KPI: dict[str, Any] = {"trades": {"value": 101, "limit": 100, "passed": True}}


def test_a_record_is_found_for_what_it_is_bound_to_alone(tmp_path: Path) -> None:
    assert gate.record_of(tmp_path, FACTS, TRADING) is None
    written = gate.write_record(tmp_path, FACTS, TRADING, KPI)
    record = gate.record_of(tmp_path, FACTS, TRADING)
    assert record is not None
    assert record == json.loads(written.read_text(encoding="utf-8"))
    assert record["kpi"] == KPI
    assert record["passed_at"].startswith("20")
    assert {key: record[key] for key in FACTS} == FACTS
    for key in gate.BINDING:
        assert gate.record_of(tmp_path, FACTS | {key: "f" * 64}, TRADING) is None
        alike = FACTS[key][:16] + "f" * 48  # the name of the file does not tell them apart
        known = gate.record_of(tmp_path, FACTS | {key: alike}, TRADING)
        assert key == "code_version" or known is None
    assert gate.record_of(tmp_path, FACTS, "f" * 64) is None


SAME = {  # what is typed beside mode=paper, or on another machine
    "another feed": ["feed=synthetic", "feed.start='2024-01-01'", "feed.end='2024-02-01'"],
    "another mode": ["mode=paper"],
    "another market": ["venue.latency_ms=200", "costs.funding_ratio=0.001"],
    "another place": ["store.directory=elsewhere", "report.png=false", "gate.trades_min=7"],
    "what is the default": ["strategy.ema_cross.timeframe=1m", "strategy.ema_cross.fast=12"],
}
OTHER = {
    "a parameter": ["strategy.ema_cross.fast=11"],
    "a timeframe": ["feed.timeframe=5m"],
    "a symbol more": ["universe.symbols=[BTC/USDT,ETH/USDT]"],
    "an instrument": ["universe.instruments={BTC/USDT: {lot: 0.1}}"],
    "an exit": ["strategy.ema_cross.exits.stop_loss=0.01"],
    "a sizing": ["sizing.ratio=0.1"],
    "a rule": ["risk.open_positions.count_max=3"],
    "an order of rules": ["risk=[open_positions,order_notional]"],
    "more rules": ["risk=[order_notional,open_positions]"],
    "another cost": ["costs.taker=0.002"],
    "another execution": ["execution.order=limit"],
    "more cash": ['account.cash="20000"'],
    "an instance more": ["strategy=[ema_cross,buy_and_hold]"],
}


def test_paper_has_the_trading_hash_of_its_backtest() -> None:
    plain = gate.trading_hash(api.compose([]))
    same = {name: gate.trading_hash(api.compose(typed)) for name, typed in SAME.items()}
    assert same == dict.fromkeys(SAME, plain)
    hashes = [api.compose(typed).config_hash for typed in SAME.values()]
    assert len(set(hashes)) > 3


def test_what_decides_trading_has_another_hash() -> None:
    other = {gate.trading_hash(api.compose(typed)) for typed in ([], *OTHER.values())}
    assert len(other) == 1 + len(OTHER)


def test_an_edit_of_code_that_is_not_the_engines_has_another_hash(
    write: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file of the package it is in; two classes beside another have one source each."""
    text = RANGE.replace("s.count += 1", "s.count += LEVEL").replace(
        "import Strategy", "import Strategy\nfrom edited.levels import LEVEL"
    )
    write("edited/__init__.py", "")
    write("edited/fade.py", text)
    write("edited/levels.py", "LEVEL = 1\n")
    write("alone.py", RANGE)
    for name, target in (("fade", "edited.fade.Fade"), ("alone", "alone.Fade")):
        write(f"conf/strategy/{name}.yaml", f"{name}: {{_target_: {target}}}\n")
    monkeypatch.syspath_prepend(".")
    fade = api.compose(("strategy=[fade]", "plugins=[edited]"))
    alone = api.compose(("strategy=[alone]", "plugins=[alone]"))
    plain = api.compose([])
    found = [[gate.trading_hash(one) for one in (fade, alone, plain)]]
    for file, edited in (
        ("edited/levels.py", "LEVEL = 2\n"),
        ("edited/fade.py", text.replace("+=", "-=")),
        ("alone.py", RANGE.replace("+=", "-=")),
    ):
        write(file, edited)
        found.append([gate.trading_hash(one) for one in (fade, alone, plain)])
    of_fade, of_alone, of_plain = (list(column) for column in zip(*found, strict=True))
    assert len(set(of_fade)) == 3
    assert of_fade[2] == of_fade[3]
    assert of_alone[0] == of_alone[1] == of_alone[2] != of_alone[3]
    assert len(set(of_plain)) == 1


def test_the_fields_of_a_record_are_documented(tmp_path: Path) -> None:
    record = json.loads(
        gate.write_record(tmp_path, FACTS, TRADING, KPI).read_text(encoding="utf-8")
    )
    assert not difference(table(read("gate.md"), "Records"), record)


def test_uncommitted_changes_are_said(tmp_path: Path) -> None:
    dirty = FACTS | {"code_version": "0.2.0+1a2b3c4-dirty"}
    for facts, committed in ((FACTS, True), (dirty, False)):
        written = gate.write_record(tmp_path, facts, TRADING, KPI)
        assert json.loads(written.read_text(encoding="utf-8"))["committed"] is committed


def test_a_record_that_was_cut_off_is_none_and_is_written_anew(tmp_path: Path) -> None:
    written = gate.write_record(tmp_path, FACTS, TRADING, KPI)
    text = written.read_text(encoding="utf-8")
    written.write_text(text[:100], encoding="utf-8")
    assert gate.record_of(tmp_path, FACTS, TRADING) is None
    assert gate.write_record(tmp_path, FACTS, TRADING, KPI) == written
    assert gate.record_of(tmp_path, FACTS, TRADING) is not None
    assert [path.name for path in written.parent.iterdir()] == [written.name]
