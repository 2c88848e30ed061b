"""The report of a real run, opened in Chromium from disk, without a network."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from engine.__main__ import main

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000",
    "--enable-logging=stderr",
]  # fmt: skip


TRADED = ["strategy=[ema_cross,rsi_reversion]", "universe.symbols=[BTC/USDT]"]


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """Return the folder of a backtest on a generated tape, which stands below the working one."""
    monkeypatch.chdir(tmp_path)
    assert main(["data", "generate", "var/tape", "BTC/USDT", "bars=20000"]) == 0
    capsys.readouterr()
    assert main(["backtest", "--json", *TRADED]) == 0
    name: str = json.loads(capsys.readouterr().out)["folder"]
    return tmp_path / name


def opened(page: Path, profile: Path) -> str:
    """Return a page as Chromium has made it; nothing may have been refused or have failed."""
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", f"file://{page}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    return done.stdout


def drawn(page: str) -> set[str]:
    """Return which charts of a page plotly.js has drawn."""
    charts = re.findall(r'<div id="(\w+)" class="chart[^"]*js-plotly-plot"', page)
    assert len(re.findall(r'class="main-svg"', page)) >= len(charts)
    return set(charts)


def test_the_report_draws_its_charts_without_a_network(folder: Path, tmp_path: Path) -> None:
    page = opened(folder / "report.html", tmp_path / "profile")
    # 20,000 minutes are 14 days: too few for the moving window of 90.
    assert drawn(page) == {"equity", "price", "daily", "traded"}
    for text in ("Total return", "EMA 12, ema_cross", "RSI 14, rsi_reversion", "By hour of entry"):
        assert text in page, text


def test_two_runs_are_compared_without_a_network(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backtest", "--json", *TRADED, "strategy.ema_cross.fast=5"]) == 0
    other: str = json.loads(capsys.readouterr().out)["folder"]
    assert main(["backtest", "compare", str(folder), Path(other).name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    page = opened(tmp_path / told["page"], tmp_path / "profile")
    assert drawn(page) == {"both"}
    assert "strategy.ema_cross.fast" in page


@pytest.fixture
def looked_at(folder: Path) -> Iterator[Callable[[int], Page]]:
    """Return how to open the report of a run in a window of a width."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def look(width: int) -> Page:
            page = browser.new_page(viewport={"width": width, "height": 900}, offline=True)
            page.goto(f"file://{folder / 'report.html'}")
            page.wait_for_selector(".main-svg")
            return page

        yield look
        browser.close()


def test_no_width_of_a_window_makes_the_page_scroll_sideways(
    looked_at: Callable[[int], Page],
) -> None:
    for width in (360, 768, 1400):
        page = looked_at(width)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.close()


def test_no_width_of_a_window_presses_a_chart_or_puts_its_legend_on_the_dates(
    looked_at: Callable[[int], Page],
) -> None:
    for width in (360, 1400):
        page = looked_at(width)
        for chart in ("#equity", "#price"):
            dates, legend = (edges(page, f"{chart} {part}") for part in (".xtick", ".legend"))
            assert max(date["bottom"] for date in dates) <= legend[0]["top"], (chart, width)
            assert max(date["height"] for date in dates) < 34, (chart, width)  # two lines, level
            whole = edges(page, chart)[0]
            assert legend[0]["bottom"] <= whole["bottom"]
            assert edges(page, f"{chart} .nsewdrag")[0]["height"] > 130, (chart, width)
            assert legend[0]["top"] - whole["top"] > 250, (chart, width)
        page.close()


def test_limits_and_scenarios_fit_a_phone(looked_at: Callable[[int], Page]) -> None:
    page = looked_at(360)
    tables, rooms = edges(page, ".fits"), edges(page, ".scroll:has(.fits)")
    assert len(tables) == 2
    for table, room in zip(tables, rooms, strict=True):
        assert table["right"] <= room["right"]


def test_the_share_of_a_large_cost_stays_in_its_panel(looked_at: Callable[[int], Page]) -> None:
    for width in (360, 1400):
        page = looked_at(width)
        page.eval_on_selector_all(
            "dd > :first-child:has(+ .share)",
            "amounts => amounts.forEach((one) => { one.textContent = '−1,234,567,890,123.45'; })",
        )
        (panel,) = edges(page, "section:has(.share)")
        shares = edges(page, ".share")
        assert shares
        assert max(share["right"] for share in shares) < panel["right"], width
        page.close()


def edges(page: Page, selector: str) -> list[dict[str, float]]:
    """Return the rectangles of the elements of a page."""
    script = "found => found.map((one) => one.getBoundingClientRect().toJSON())"
    found: list[dict[str, float]] = page.eval_on_selector_all(selector, script)
    return found
