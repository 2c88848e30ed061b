import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.api import backtest, compose
from engine.research import warnings
from engine.research.columns import to_array
from engine.research.result import Result
from tests.unit.research.test_report import Page

Finished = Callable[..., Result]

DAY = 86_400_000


def told(result: Result) -> list[str]:
    ts, equity = (to_array(result.equity[name]) for name in ("ts", "equity"))
    return list(warnings.about(result.facts, result.stats, result.trades, ts, equity))


def trades(count: int, first: int = 45) -> list[tuple[str, str, int, int]]:
    """Return as many trades, each over one rising bar in a swing of its own."""
    return [("a", "X", first + 57 * i, first + 57 * i + 5) for i in range(count)]


@pytest.mark.parametrize(
    ("count", "start"),
    [
        (1, "1 trade was closed: under 30,"),
        (29, "29 trades were closed: under 30,"),
        (30, "30 trades were closed: under 100,"),
        (99, "99 trades were closed: under 100,"),
        (100, None),
    ],
)
def test_few_trades_say_little(finished: Finished, count: int, start: str | None) -> None:
    found = told(finished(6_000, trades(count)))
    about = [sentence for sentence in found if " closed: under" in sentence]
    assert [sentence.startswith(start or "?") for sentence in about] == [True] * bool(start)


def test_a_short_run_says_so(finished: Finished) -> None:
    assert any(
        s.startswith("The run covers 89 days: under 90") for s in told(finished(89, [], span=DAY))
    )
    assert not any(s.startswith("The run covers") for s in told(finished(90, [], span=DAY)))
    assert any(s.startswith("The run covers 1 day:") for s in told(finished(300, [])))


def test_one_trade_and_one_month_that_make_the_profit_are_named(finished: Finished) -> None:
    result = finished(180, [("a", "X", 45, 70), ("b", "Y", 160, 161)], span=DAY)
    first, second = result.trades["profit"].to_pylist()
    assert first > 0.5 * (first + second) > 0
    found = told(result)
    share = f"{first / (first + second):.0%}".replace("%", " %")
    assert (
        f"One trade made {share} of the profit: a on X, closed 2018-03-12 00:00 UTC."
        f" Without it the run made {second:+,.2f} USD."
    ) in found
    assert f"One month made {share} of the profit: 2018-03." in found


def test_profit_that_is_spread_is_not_told(finished: Finished) -> None:
    found = told(finished(400, trades(6), span=DAY))
    assert not [s for s in found if s.startswith("One ")]


@pytest.mark.parametrize(
    ("final", "fees", "expected"),
    [
        (10_040.0, 60.0, "Fees ate 60 % of the profit before fees."),
        (10_050.0, 50.0, None),  # half of it is not more than half
        (9_990.0, 60.0, "Fees turned a profit into a loss: +50.00 USD before fees, -10.00 USD"),
        (9_900.0, 60.0, None),  # it lost before fees too
    ],
)
def test_fees_that_eat_the_profit_are_told(
    finished: Finished, final: float, fees: float, expected: str | None
) -> None:
    found = [s for s in told(finished(final_equity=final, fees=fees)) if s.startswith("Fees")]
    assert [s.startswith(expected or "?") for s in found] == [True] * bool(expected)


def test_what_is_open_and_an_idle_account_are_told(finished: Finished) -> None:
    position: dict[str, Any] = {"strategy": "a", "symbol": "X"}
    result = finished(300, [("a", "X", 10, 12)], open_positions=[position])  # 2 of 299 bars
    found = told(result)
    assert any(s.startswith("1 position was open at the end") and "a X" in s for s in found)
    assert any(s.startswith("A position was open for 0.67 % of the time") for s in found)
    assert not any("of the time" in s for s in told(finished(300, [("a", "X", 10, 13)])))


def test_trades_within_a_bar_are_not_called_idle(finished: Finished) -> None:
    """They count as no time in the market, for how long they were open is not known."""
    found = told(finished(300, [("a", "X", 10, 10), ("a", "X", 20, 21)]))
    assert not any("of the time" in sentence for sentence in found)


def perpetual(close: list[float], *given: str) -> Any:
    """Return a run that buys at the second of some hours, each of one price."""
    ts = [1_704_067_200_000 + 3_600_000 * i for i in range(len(close))]
    bars = dict.fromkeys(("open", "high", "low", "close"), close)
    x = r"X/USD\:USD"
    typed = [
        *(f"universe.symbols=[{x}]", "strategy=[buy_and_hold]", "risk=[]", "feed.timeframe=1h"),
        *("sizing=fixed", "sizing.quantity=1.0", "costs=free", 'account.cash="50"', *given),
    ]
    tape = {"X/USD:USD": {"ts": ts, **bars, "volume": [1e6] * len(close)}}
    return backtest(compose(typed), tape)


def declared(more: str) -> str:
    return rf"universe.instruments={{X/USD\:USD: {{kind: linear, leverage: 4, {more}}}}}"


def test_a_lost_account_is_told_before_all_else() -> None:
    result = perpetual([100.0, 100.0, 20.0, 20.0, 90.0], declared("margin: cross"))
    assert result.facts["warnings"][:2] == [
        "The account was lost on 2024-01-01 03:00 UTC, when less than 1 % of it was left: nothing"
        " after that means anything.",
        "1 position was liquidated.",
    ]
    told = perpetual([100.0, 100.0, 90.0, 90.0], declared("margin: cross")).facts["warnings"]
    assert not [s for s in told if s.startswith("The account was lost") or "liquidated" in s]


@pytest.mark.parametrize(("price", "is_lost"), [(50.4, True), (50.5, False)])  # 0.4, 0.5 of 50
def test_an_account_of_which_next_to_nothing_is_left_is_lost(price: float, is_lost: bool) -> None:
    """It need not reach 0: one that shrinks by a share each time never does."""
    result = perpetual([100.0, 100.0, 60.0, price, 90.0], declared("margin: cross"))
    lost = "The account was lost on 2024-01-01 04:00 UTC, when less than 1 % of it was left: "
    found = result.facts["warnings"]
    assert not [sentence for sentence in found if "liquidated" in sentence]
    assert found[0].startswith(lost) == is_lost


def test_a_lost_account_has_a_report(tmp_path: Path) -> None:
    """Returns of the days behind the loss are not defined."""
    days = [100.0 + hour % 7 for hour in range(96)]
    result = perpetual([*days, *[20.0] * 72], declared("margin: cross"))
    assert result.stats["sharpe"] is None
    result.save(tmp_path / "run")
    text = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8")).text
    assert "The account was lost on 2024-01-05 01:00 UTC" in text
    assert not re.search(r"\bnan\b", text)


def test_fills_at_the_close_that_decided_are_told() -> None:
    fair, unfair = (
        perpetual([100.0, 100.0, 90.0, 90.0], declared("margin: cross"), f"execution.fill_on={on}")
        for on in ("next", "close")
    )
    assert [s for s in unfair.facts["warnings"] if s not in fair.facts["warnings"]] == [
        "Orders were filled at the close that decided them (execution.fill_on=close), which no real"
        " order can reach: nobody can trade these figures."
    ]


def test_one_refusal_is_told_in_the_singular() -> None:
    result = perpetual(
        [100.0, 100.0, 300.0, 300.0], declared("leverage_max: 4"), "sizing.quantity=9"
    )
    assert "1 order was refused: insufficient_funds." in result.facts["warnings"]


def test_worse_fills_that_end_better_are_told() -> None:
    """One bar later it was cheaper."""
    falls = perpetual([100.0, 100.0, 99.0, 98.0, 98.0], declared("margin: cross"))
    ends = [falls.scenarios[name]["final_equity"] for name in ("pessimistic", "base")]
    assert ends == pytest.approx([49.0, 48.0])
    assert (
        "Worse fills ended better: 49.00 USD in the pessimistic scenario, 48.00 in the base. A"
        " later fill met a better price, or an order was refused that would have lost: the"
        " difference is not what the costs took."
    ) in falls.facts["warnings"]
    rises = perpetual([100.0, 100.0, 101.0, 102.0, 102.0], declared("margin: cross"))
    assert not [s for s in rises.facts["warnings"] if s.startswith("Worse fills")]


def test_an_empty_run_has_no_warnings(finished: Finished) -> None:
    result = finished(1, [])
    assert told(Result(**vars(result) | {"equity": result.equity.slice(0, 0)})) == []
