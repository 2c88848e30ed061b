"""A secret that a part was given is in nothing that the program writes or prints."""

from pathlib import Path

import pytest

from engine.__main__ import main

CANARY = "canary-7d1f0b"
SHY = """
from engine.core.compile.declare import Strategy
from engine.secret import Secret


class Shy(Strategy):
    token: Secret | None = None

    class State:
        count: int

    def step(p, s, bar, out):
        s.count += 1
        out.target = 1.0 if s.count % 20 < 10 else 0.0
"""
CHOSEN = ["plugins=[shy]", "strategy=[mine]"]
PAPER = ["mode=paper", "feed.start='2024-01-01'", "feed.end='2024-01-01T03:00'", "feed.speed=null"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a user's folder with a strategy that was given a secret."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TOKEN", CANARY)
    (tmp_path / "shy.py").write_text(SHY)
    (tmp_path / "conf/strategy").mkdir(parents=True)
    (tmp_path / "conf/strategy/mine.yaml").write_text(
        "mine:\n  _target_: shy.Shy\n  token: ${secret:TOKEN}\n"
    )
    return tmp_path


def test_a_secret_is_in_nothing_that_is_written_or_printed(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "generate", "var/tape", "BTC/USDT", "ETH/USDT", "bars=2000"]) == 0
    for verb in ("show", "check", "backtest"):
        assert main([verb, *CHOSEN]) == 0, verb
    assert main(["backtest", "--json", *CHOSEN]) == 0
    assert main(["compile", *CHOSEN, *PAPER]) == 0
    assert main(["run", *CHOSEN, *PAPER, "telemetry.port=null"]) == 0
    main(["status", *CHOSEN, *PAPER])
    assert main(["check", *CHOSEN, "strategy.mine.lenght=5"]) == 2  # told what is wrong
    printed = "".join(capfd.readouterr())
    assert "***" in printed
    assert CANARY not in printed
    files = [path for path in project.rglob("*") if path.is_file()]
    assert len(files) > 12
    holding = [str(path) for path in files if CANARY.encode() in path.read_bytes()]
    assert holding == []
