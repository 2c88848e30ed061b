"""chanquant gate: what it prints, what it writes, and what it answers the shell."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.__main__ import main
from engine.feeds.generated import generate, write
from engine.feeds.tape import Tape
from engine.strategies import ema_cross
from engine.verbs.gate import line_of

LAX = (
    "gate.sharpe_min=null",
    "gate.max_drawdown_max=1",
    "gate.profit_factor_min=1e-9",
    "gate.trend_win_rate_min=1e-9",
    "gate.trades_min=1",
)
TAPE = "var/tape/BTC_USDT_1m.parquet"
NOTHING = tuple(f"gate.{key}=null" for key in ("sharpe_min", "max_drawdown_max", "trades_min"))
NOTHING += tuple(f"gate.{key}_min=null" for key in ("trend_win_rate", "profit_factor"))

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def tape(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand beside 3,000 bars that do not say that they are made up."""
    rows = generate("BTC/USDT", 3_000, 60_000, 1)
    (project / TAPE).parent.mkdir(parents=True)
    pq.write_table(pa.table({name: rows[name] for name in rows.dtype.names or ()}), project / TAPE)
    monkeypatch.setenv("COLUMNS", "120")


def answer(capsys: Captured, *typed: str) -> tuple[int, Any]:
    """Return the exit code and the document of the verb."""
    code = main(["gate", "--json", *typed])
    return code, json.loads(capsys.readouterr().out)


def test_a_run_that_misses_says_by_how_much(capsys: Captured, project: Path) -> None:
    code, found = answer(capsys, *LAX, "gate.trades_min=5000")
    row = found["kpi"]["trades"]
    assert code == 3
    assert not found["passed"]
    assert row["limit"] == 5_000
    assert row["value"] > 0
    assert row["missed_by"] == 5_000 - row["value"]
    assert [name for name, row in found["kpi"].items() if not row["passed"]] == ["trades"]
    assert main(["gate", *LAX, "gate.trades_min=5000"]) == 3
    lines = capsys.readouterr().out.splitlines()
    (told,) = [line.split() for line in lines if line.startswith("Trades")]
    missed = f"{5_000 - row['value']:,}"
    assert told == ["Trades", str(row["value"]), "5,000", "✗", "missed", "by", missed]
    assert "Not passed: 1 of 4 targets." in lines
    assert not (project / "var" / "gate").exists()
    assert found["record"] is None


@pytest.mark.parametrize(
    ("stat", "value", "limit", "told"),
    [
        ("profit_factor", 1.798, 1.8, "1.798 1.800 ✗ missed by 0.002"),
        ("profit_factor", 1.3, 1.8, "1.30 1.80 ✗ missed by 0.50"),
        ("sharpe", 1.5 - 1e-9, 1.5, "1.499999999 1.500000000 ✗ missed by 0.000000001"),
        ("sharpe", 1.4999, 1.5, "1.4999 1.5000 ✗ missed by 0.0001"),
        ("sharpe", 1.4951, 1.5, "1.495 1.500 ✗ missed by 0.005"),  # 1.50 1.50 by 0.00 to 2 places
        ("sharpe", -0.004, 0.0, "-0.004 0.000 ✗ missed by 0.004"),
        ("max_drawdown", -0.18, -0.15, "-18.00 % -15.00 % ✗ missed by 3.00 pp"),
        ("max_drawdown", -0.150004, -0.15, "-15.0004 % -15.0000 % ✗ missed by 0.0004 pp"),
        ("win_rate.a", 0.44999, 0.45, "44.999 % 45.000 % ✗ missed by 0.001 pp"),
        ("trades", 99, 100, "99 100 ✗ missed by 1"),
        ("sharpe", 1.504, 1.5, "1.50 1.50 ✓"),
        ("sharpe", 1.5, 1.5, "1.50 1.50 ✓"),
        ("sharpe", None, 1.5, "– 1.50 ✗ not defined"),
    ],
)
def test_a_miss_shows_as_many_digits_as_it_takes(
    stat: str, value: float | None, limit: float, told: str
) -> None:
    is_passed = value is not None and value >= limit
    cells = line_of(stat, {"value": value, "limit": limit, "passed": is_passed})[1:]
    assert " ".join(cell.plain for cell in cells) == told


def test_a_pass_is_recorded_once_for_each_version_of_the_code(
    capsys: Captured, project: Path
) -> None:
    code, first = answer(capsys, *LAX)
    assert (code, first["passed"], first["passed_before"]) == (0, True, None)
    assert first["unfit"] == []
    record = json.loads((project / first["record"]).read_text(encoding="utf-8"))
    assert {key: record[key] for key in ("config_hash", "data_hash", "code_version")} == {
        key: first[key] for key in ("config_hash", "data_hash", "code_version")
    }
    code, second = answer(capsys, *LAX)
    assert (code, second["passed_before"]) == (0, record["passed_at"])
    assert (second["record"] is None) == record["committed"]
    assert main(["gate", *LAX]) == 0
    printed = capsys.readouterr().out
    assert "Passed." in printed
    assert re.search(r"Passed before, on 20\d\d-\d\d-\d\dT", printed)
    assert len(list((project / "var" / "gate").iterdir())) == 1


def test_other_limits_are_another_configuration(capsys: Captured) -> None:
    answer(capsys, *LAX)
    code, found = answer(capsys, *LAX, "gate.trades_min=2")
    assert (code, found["passed_before"]) == (0, None)


def test_an_edit_of_a_plugin_must_pass_again(
    capsys: Captured, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(ema_cross.__file__).read_text(encoding="utf-8")
    plugin = project / "ours" / "cross.py"
    for file, text in (
        (plugin.with_name("__init__.py"), ""),
        (plugin, source),
        (project / "conf/strategy/ours.yaml", "ours: {_target_: ours.cross.EmaCross}\n"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(".")
    typed = (*LAX, "strategy=[ours]", "plugins=[ours]", "report.scenarios=false")
    found = [answer(capsys, *typed) for _ in range(2)]
    plugin.write_text(source + "\n# edited\n", encoding="utf-8")
    found += [answer(capsys, *typed) for _ in range(2)]
    assert [code for code, _ in found] == [0] * 4
    assert [one["passed_before"] is None for _, one in found] == [True, False, True, False]


def test_what_is_not_defined_is_missed(capsys: Captured) -> None:
    code = main(["gate", *LAX, "strategy=[buy_and_hold]"])
    told = capsys.readouterr().out
    assert code == 3
    assert re.search(r"Win rate of buy_and_hold +– +0\.00 % +✗ not defined", told)


def test_a_gate_that_asks_nothing_is_refused(capsys: Captured) -> None:
    assert main(["gate", *NOTHING]) == 2
    assert capsys.readouterr().err == (
        "gate: must ask something of the run, did not. Write gate.trades_min=100.\n"
    )


def test_a_folder_that_cannot_be_written_is_said(capsys: Captured, project: Path) -> None:
    (project / "file").touch()
    assert main(["gate", *LAX, "store.directory=file"]) == 2
    assert capsys.readouterr().err == (
        "store.directory: file/gate cannot be written (Not a directory). Choose another.\n"
    )


DAYS = ("feed.start='2024-01-01'", "feed.end='2024-01-03'")
MADE_UP = (
    "feed: must be a market that was recorded, was made up, which says nothing about any other."
    " Choose feed=tape and files of a venue."
)
AT_THE_CLOSE = (
    "execution.fill_on: must be next, was close: orders were filled at the price that decided them,"
    " which no real order can reach. Write execution.fill_on=next."
)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["execution.fill_on=close"], [AT_THE_CLOSE]),
        (["feed=synthetic", *DAYS], [MADE_UP]),
        (["feed=synthetic", *DAYS, "execution.fill_on=close"], [AT_THE_CLOSE, MADE_UP]),
        (["feed.path='generated/{symbol}_{timeframe}.parquet'"], [MADE_UP]),
    ],
)
def test_a_run_that_could_not_be_does_not_pass(
    capsys: Captured, project: Path, typed: list[str], told: list[str]
) -> None:
    rows = generate("BTC/USDT", 3_000, 60_000, 1)
    write(project / "generated/BTC_USDT_1m.parquet", rows)
    code, found = answer(capsys, *LAX, *typed)
    assert all(row["passed"] for row in found["kpi"].values())
    assert (code, found["passed"], found["unfit"], found["record"]) == (3, False, told, None)
    assert main(["gate", *LAX, *typed]) == 3
    printed = " ".join(capsys.readouterr().out.split())
    assert all(f"Not passed: {sentence}" in printed for sentence in told)
    assert "Passed." not in printed
    assert not (project / "var" / "gate").exists()


def test_one_file_that_is_made_up_is_enough(project: Path) -> None:
    paths = {s: project / f"{s}_USDT_1m.parquet" for s in ("BTC", "ETH")}
    for symbol, path in paths.items():
        write(path, generate(f"{symbol}/USDT", 100, 60_000, 1))
    pq.write_table(pq.read_table(paths["ETH"]).replace_schema_metadata(None), paths["ETH"])
    files = {f"{symbol}/USDT": str(path) for symbol, path in paths.items()}
    real = Tape(timeframe="1m", files={"ETH/USDT": files["ETH/USDT"]})
    assert not real.load(["ETH/USDT"], [60_000]).made_up
    assert Tape(timeframe="1m", files=files).load([*files], [60_000]).made_up


def test_a_backtest_has_the_same_answers(capsys: Captured) -> None:
    assert main(["backtest", "--json", "report.html=false", "gate.sharpe_min=null"]) == 0
    kpi = json.loads(capsys.readouterr().out)["kpi"]
    _, found = answer(capsys, "gate.sharpe_min=null")
    for row in found["kpi"].values():
        del row["missed_by"]
    assert found["kpi"] == kpi
    assert {*kpi} == {"max_drawdown", "profit_factor", "trades", "win_rate.ema_cross"}
