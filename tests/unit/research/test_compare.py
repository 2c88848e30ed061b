import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.errors import ConfigError
from engine.research import compare
from engine.research.figures import Unit
from engine.research.result import Result
from tests.unit.research.test_report import Page

Finished = Callable[..., Result]
Captured = pytest.CaptureFixture[str]

FIRST = "account:\n  cash: '10000'\nstrategy:\n  ema_cross:\n    fast: 12\n    symbols: null\n"
SECOND = FIRST.replace("12", "20").replace("    symbols: null\n", "") + "risk: {}\n"


@pytest.fixture
def folders(finished: Finished, tmp_path: Path) -> tuple[Path, Path]:
    """Return the folders of two runs that differ in their trades and some keys."""
    runs = tmp_path / "a<b>", tmp_path / "b"
    one = finished(data_hash="1" * 64)
    two = finished(trades=[("ema_cross", "BTC/USD", 45, 70)], data_hash="2" * 64)
    for folder, result, config in zip(runs, (one, two), (FIRST, SECOND), strict=True):
        Result(**vars(result) | {"config": config}).save(folder, html=False)
    return runs


def test_what_differs_is_listed(folders: tuple[Path, Path]) -> None:
    pair = compare.compare(*map(compare.read, folders))
    assert pair.config == {
        "strategy.ema_cross.fast": ("12", "20"),
        "strategy.ema_cross.symbols": ("null", "–"),
        "risk": ("–", "{}"),
    }
    assert list(pair.stats["trades"]) == [2, 1]
    assert pair.warnings == [f"They read different data: {'1' * 64} and {'2' * 64}."]
    told = compare.document(pair)
    assert told["stats"]["trades"] == {"a": 2, "b": 1, "difference": -1}
    # a fee of 1 for each trade
    assert told["costs"]["fees"] == {"a": 2.0, "b": 1.0, "difference": -1.0}
    assert told["stats"]["sharpe"]["difference"] is None  # one day has no Sharpe ratio


@pytest.mark.parametrize(
    ("a", "b", "unit", "text"),
    [
        (0.10, 0.15, Unit.GAIN, "+5.00 pp"),
        (0.5, 0.25, Unit.SHARE, "-25.00 pp"),
        (1.5, 2.0, Unit.RATIO, "+0.50"),
        (100.0, 40.0, Unit.PROFIT, "-60.00"),
        (3, 3, Unit.COUNT, "0"),
        (None, 1.0, Unit.RATIO, "–"),
    ],
)
def test_differences_are_second_minus_first(
    a: float | None, b: float, unit: Unit, text: str
) -> None:
    assert compare.difference(a, b, unit)[0] == text


def test_the_page_has_both_runs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pair = compare.compare(*map(compare.read, folders))
    compare.write(pair, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    first, fall, second, _ = page.charts["both"]["data"]
    equity = pair.runs[1].equity["equity"].to_pylist()
    assert second["y"] == [value / 10_000 - 1 for value in equity]
    assert (first["yaxis"], fall["yaxis"]) == ("y", "y2")
    assert "strategy.ema_cross.fast 12 20" in page.text
    assert "Trades 2 1 −1" in page.text
    assert "Fees 2.00 1.00 −1.00 Slippage 0.50 0.50 0.00 Funding none none 0.00" in page.text
    assert "They read different data" in page.text
    assert "b" not in {tag for tag, _ in page.tags}  # of the folder's name
    same = compare.compare(pair.runs[0], pair.runs[0])
    compare.write(same, tmp_path / "same.html")
    text = Page((tmp_path / "same.html").read_text(encoding="utf-8")).text
    assert "None: both ran with the same configuration." in text
    assert "Read this first" not in text


def test_the_verb_compares_by_path_and_by_name(
    folders: tuple[Path, Path], tmp_path: Path, capsys: Captured
) -> None:
    where = f"report.directory={tmp_path}"
    assert main(["backtest", "compare", str(folders[0]), "b", "--json", where]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["a"], told["b"]) == (str(folders[0]), str(folders[1]))
    assert Path(told["page"]) == tmp_path / "compare-a<b>-b.html"
    assert Path(told["page"]).is_file()
    assert main(["backtest", "compare", "b", str(folders[0]), where]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"strategy\.ema_cross\.fast +20 +12", printed)
    assert re.search(r"Cost: funding +none +none", printed)
    assert "! They read different data" in printed


def test_what_cannot_be_compared_is_told(
    folders: tuple[Path, Path], tmp_path: Path, capsys: Captured
) -> None:
    for words in (["compare", "a"], ["compar", "a", "b"], ["nonsense"]):
        assert main(["backtest", *words]) == 2
        assert "must be followed by overrides" in capsys.readouterr().err
    assert (
        main(["backtest", "compare", str(folders[0]), "gone", f"report.directory={tmp_path}"]) == 2
    )
    assert f"{tmp_path}/gone: must hold result.json, config.yaml, equity.parquet" in (
        capsys.readouterr().err
    )
    file = folders[0] / "result.json"
    old = json.loads(file.read_text())
    del old["cash"]
    file.write_text(json.dumps(old))
    with pytest.raises(ConfigError, match="must have cash, has not: it is of another release"):
        compare.read(folders[0])
    for text in ("{", "7", "[7]", "null", '"text"'):
        file.write_text(text)
        with pytest.raises(ConfigError, match="must hold result"):
            compare.read(folders[0])
