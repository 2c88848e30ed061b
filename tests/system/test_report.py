"""The report of a real run, opened in Chromium from disk, without a network."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from engine.__main__ import main

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000",
    "--enable-logging=stderr",
]  # fmt: skip


@pytest.fixture
def report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """Return the report of a backtest on a generated tape."""
    monkeypatch.chdir(tmp_path)
    assert main(["data", "generate", "var/tape", "BTC/USDT", "bars=20000"]) == 0
    capsys.readouterr()
    assert main(["backtest", "--json", "strategy=[ema_cross]"]) == 0
    folder: str = json.loads(capsys.readouterr().out)["folder"]
    return tmp_path / folder / "report.html"


def test_the_report_draws_its_charts_without_a_network(report: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}/profile", "--dump-dom", f"file://{report}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    page = done.stdout
    assert len(re.findall(r'class="main-svg"', page)) >= 3  # equity and drawdown, price
    assert "Total return" in page
    refused = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert refused == []
