"""Generated bars are the same everywhere and look like a market."""

from pathlib import Path

import numpy as np
import pytest

from engine.feeds.files import read
from engine.feeds.generated import START, generate, is_generated, is_ours, write
from engine.feeds.quality import inspect

MINUTE = 60_000


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 42), ("same", 42), ("other", 43)):
        write(tmp_path / name, generate("BTC/USDT", 2_000, MINUTE, seed))
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert content["one"] == content["same"] != content["other"]


def test_the_first_bars_of_the_documentation() -> None:
    rows = generate("BTC/USDT", 130_000, MINUTE, 42)
    assert rows[:2].tolist() == [
        (START, 2387.77, 2387.78, 2386.43, 2386.98, 21.8824),
        (START + MINUTE, 2386.98, 2387.14, 2386.66, 2387.03, 11.2328),
    ]


def test_symbols_differ() -> None:
    one, other = (generate(symbol, 100, MINUTE, 42) for symbol in ("BTC/USDT", "ETH/USDT"))
    assert (one["close"] != other["close"]).any()


@pytest.mark.parametrize("span", [MINUTE, 60 * MINUTE, 1_440 * MINUTE])
@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/USDT", "SOL/USDT"])
def test_no_errors_and_some_gaps(symbol: str, span: int) -> None:
    rows = generate(symbol, 30_000, span, 42)
    findings = inspect(rows, span)
    assert [one.sentence for one in findings if one.severity == "error"] == []
    assert [one.code for one in findings if one.code == "gaps"] == ["gaps"]


def test_it_looks_like_a_market() -> None:
    rows = generate("BTC/USDT", 130_000, MINUTE, 42)
    assert len(rows) == 130_000
    assert rows["ts"][0] == START
    for name in ("open", "high", "low", "close"):
        assert (rows[name] == np.round(rows[name], 2)).all()
    jumps = rows["open"][1:] != rows["close"][:-1]
    assert 0.01 < jumps.mean() < 0.05
    moves = np.diff(np.log(rows["close"]))
    assert 3e-4 < moves.std() < 3e-3
    size = np.abs(moves - moves.mean())
    assert np.corrcoef(size[:-10], size[10:])[0, 1] > 0.05  # calm and wild times cluster
    assert abs(np.corrcoef(moves[:-1], moves[1:])[0, 1]) < 0.05  # the direction does not
    assert 1.2 < rows["high"].max() / rows["low"].min() < 20


def test_a_written_file_reads_back(tmp_path: Path) -> None:
    rows = generate("BTC/USDT", 100, MINUTE, 42)
    path = tmp_path / "new folder" / "btc.parquet"
    write(path, rows)
    assert (read(path).rows == rows).all()
    assert [one.name for one in path.parent.iterdir()] == ["btc.parquet"]


def test_only_generated_files_are_ours_to_replace(tmp_path: Path) -> None:
    path = tmp_path / "btc.parquet"
    assert (is_ours(path), is_generated(path)) == (True, False)
    write(path, generate("BTC/USDT", 100, MINUTE, 42))
    assert (is_ours(path), is_generated(path)) == (True, True)
    path.write_text("precious")
    assert (is_ours(path), is_generated(path)) == (False, False)
