import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from engine.research import table
from engine.research.result import Result

Finished = Callable[..., Result]

GOLDEN = Path(__file__).parents[2] / "golden" / "backtest_table.txt"


def printed(result: Result, folder: Path | None = None) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(table.render(result, folder))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def test_the_table_is_the_golden_one(finished: Finished) -> None:
    trades = [
        ("ema_cross", "BTC/USD", 10, 40),
        ("rsi_reversion", "ETH/USD", 45, 70),
        ("ema_cross", "BTC/USD", 70, 71),
    ]
    result = finished(
        trades=trades,
        strategies=["ema_cross", "rsi_reversion"],
        symbols=["BTC/USD", "ETH/USD"],
        warnings=["3 minutes are missing.", "2 openings were denied: notional_above_limit."],
        open_positions=[{"strategy": "rsi_reversion", "symbol": "ETH/USD"}],
    )
    assert printed(result, Path("var/runs/20180101")) == GOLDEN.read_text(encoding="utf-8")


def test_no_figure_is_cut_on_a_terminal_of_80_columns(finished: Finished) -> None:
    trades = [("mean_reversion_of_the_four_hours", "BTC/USDT:USDT", 10, 40)]
    text = printed(finished(trades=trades, final_equity=123_456_789_012.0))
    assert "…" not in text
    assert "123,456,789,012.00" in text


def test_a_run_without_trades_has_no_lines_of_books(finished: Finished) -> None:
    text = printed(finished(trades=[]))
    assert "Win rate" in text
    assert "Strategy" not in text
    assert "None" not in text


def test_names_are_no_markup(finished: Finished) -> None:
    text = printed(finished(trades=[("[red]a[/red]", "[b]X", 10, 40)], warnings=["[/] broken"]))
    for name in ("[red]a[/red]", "[b]X", "[/] broken"):
        assert name in text


def test_many_books_end_in_a_count(finished: Finished) -> None:
    trades = [(f"s{number:02}", "BTC/USD", 10, 40) for number in range(23)]
    text = printed(finished(trades=trades))
    assert "s19" in text
    assert "s20" not in text
    assert "and 3 more in the report" in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "patience", "shows"),
    [(Terminal(), 0.0, True), (Terminal(), 60.0, False), (io.StringIO(), 0.0, False)],
)
def test_progress_shows_on_a_terminal_once_patience_ends(
    stderr: io.StringIO, patience: float, shows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setattr(table, "PATIENCE_SECONDS", patience)
    with table.progress(100, "BTC/USD [2018]") as advance:
        advance(40)
        advance(60)
    assert ("BTC/USD [2018]" in stderr.getvalue()) == shows
    assert ("100%" in stderr.getvalue()) == shows
    assert shows or not stderr.getvalue()


def test_the_bar_goes_away_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setattr(table, "PATIENCE_SECONDS", 0.0)
    with contextlib.suppress(ValueError), table.progress(10, "x") as advance:
        advance(5)
        raise ValueError("broken")
    assert stderr.getvalue().endswith("\x1b[1A\x1b[2K")  # the line of the bar is erased
