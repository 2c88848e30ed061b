"""chanquant data check, chanquant data generate."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.__main__ import main
from engine.feeds.files import read
from engine.feeds.generated import generate
from engine.feeds.tape import Tape

GOLDEN = Path(__file__).parents[2] / "golden/data"

Make = Callable[..., dict[str, Any]]
Save = Callable[[str, dict[str, Any]], str]


@pytest.fixture
def typed(
    save: Save, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Return a way to type words after `chanquant data`: exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["data", *words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def files(bars: Make, trades: Make, save: Save) -> list[str]:
    """Write a good file, one with warnings, one with errors, and trades; return their names."""
    gap, bad = bars(30, step=3_600_000), bars(5)
    gap["ts"][20:] += 4 * 3_600_000
    bad["close"][1] = float("nan")
    return [
        save("good.csv", bars(5)),
        save("gap.parquet", gap),
        save("bad.parquet", bad),
        save("trades[b].parquet", trades(0, 7, 9)),
    ]


Typed = Callable[..., tuple[int, str, str]]


def test_check_for_people(typed: Typed, files: list[str]) -> None:
    code, shown, complained = typed("check", *files, "gone.parquet")
    assert (code, complained) == (3, "")
    assert shown == (GOLDEN / "check.txt").read_text()


def test_check_for_programs(typed: Typed, files: list[str]) -> None:
    code, shown, complained = typed("check", "--json", *files, "gone.parquet")
    assert (code, complained) == (3, "")
    assert json.loads(shown) == json.loads((GOLDEN / "check.json").read_text())


def test_warnings_pass(typed: Typed, files: list[str]) -> None:
    assert typed("check", "good.csv", "gap.parquet")[0] == 0
    assert typed("check", "good.csv", "bad.parquet")[0] == 3
    assert typed("check", "trades[b].parquet")[0] == 0


def test_a_given_timeframe_wins_over_the_guess(typed: Typed, files: list[str]) -> None:
    assert typed("check", "gap.parquet", "timeframe=1h")[0] == 0
    code, shown, _ = typed("check", "gap.parquet", "timeframe=2h", "--json")
    assert code == 3
    assert [one["code"] for one in json.loads(shown)["files"][0]["findings"]] == [
        "misaligned",
        "gaps",
    ]


def test_generate_writes_what_a_tape_reads(typed: Typed) -> None:
    words = ("generate", "var/tape", "BTC/USDT:USDT", "ETH/USDT", "bars=200", "timeframe=5m")
    assert typed(*words, "seed=7")[0] == 0
    tape = Tape("5m", "var/tape/{symbol}_{timeframe}.parquet")
    recording = tape.load(("BTC/USDT:USDT", "ETH/USDT"), (300_000,))
    assert (recording.bars["ETH/USDT"] == generate("ETH/USDT", 200, 300_000, 7)).all()
    assert typed("check", *map(str, Path("var/tape").iterdir()))[0] == 0


def test_generate_once_more_gives_the_same_files(typed: Typed) -> None:
    assert typed("generate", "tape", "BTC/USDT", "bars=50")[0] == 0
    first = Path("tape/BTC_USDT_1m.parquet").read_bytes()
    code, shown, _ = typed("generate", "tape", "BTC/USDT", "bars=50", "--json")
    assert code == 0
    assert json.loads(shown) == {
        "files": [{"symbol": "BTC/USDT", "path": "tape/BTC_USDT_1m.parquet", "rows": 50}]
    }
    assert Path("tape/BTC_USDT_1m.parquet").read_bytes() == first


def test_generate_leaves_other_files_alone(typed: Typed, bars: Make, save: Save) -> None:
    Path("tape").mkdir()
    save("tape/BTC_USDT_1m.parquet", bars())
    code, _, complained = typed("generate", "tape", "ETH/USDT", "BTC/USDT", "bars=50")
    assert code == 2
    assert complained == (
        "tape/BTC_USDT_1m.parquet: must be free or a generated file, holds something else. Choose"
        " another folder.\n"
    )
    assert len(read(Path("tape/BTC_USDT_1m.parquet")).rows) == 5
    assert not Path("tape/ETH_USDT_1m.parquet").exists()


def test_wrong_words(typed: Typed) -> None:
    Path("taken").write_text("")
    lines = [
        (),
        ("chekc", "a.parquet"),
        ("check",),
        ("check", "timefrme=1m", "timeframe=1x"),
        ("generate", "tape"),
        ("generate", "bars=0", "seed=-1", "timeframe=m", "sed=1"),
        ("generate", "taken", "BTC/USDT"),
    ]
    told = []
    for words in lines:
        code, shown, complained = typed(*words)
        assert (code, shown) == (2, "")
        told.append(f"$ chanquant data {' '.join(words)}".rstrip() + f"\n{complained}")
    assert "\n".join(told) == (GOLDEN / "wrong_words.txt").read_text()
