from collections.abc import Callable
from typing import Any

import pytest

from engine.research import periods, warnings
from engine.research.columns import to_array
from engine.research.result import Result

Finished = Callable[..., Result]

DAY = 86_400_000


def told(result: Result) -> list[str]:
    facts = result.facts
    ts, equity = (to_array(result.equity[name]) for name in ("ts", "equity"))
    run = periods.days(facts["cash"], ts, equity)
    return list(warnings.about(facts, result.stats, result.trades, run))


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


def test_an_empty_run_has_no_warnings(finished: Finished) -> None:
    result = finished(1, [])
    assert told(Result(**vars(result) | {"equity": result.equity.slice(0, 0)})) == []
