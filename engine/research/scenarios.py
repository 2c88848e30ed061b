"""How else the same events could have been filled: better, and worse, than the costs say.

A result that is good only with no slippage, or only without a bar of delay, is not good. Everything
but the costs stays as it is: events, strategies, rules, sizes.
"""

from dataclasses import replace

from engine.core.portfolio import Portfolio
from engine.core.records import FillOn
from engine.research.fresh import fresh
from engine.research.result import Result

Figures = dict[str, float | None]  # final_equity and every statistic


def others(portfolio: Portfolio, span: int) -> dict[str, Portfolio]:
    """Return name → portfolio of what is played beside the base; bars of the feed last `span` ms.

    Raises ConfigError where an object of the user cannot be copied.
    """
    return {"optimistic": optimistic(portfolio), "pessimistic": pessimistic(portfolio, span)}


def compared(result: Result, found: dict[str, Figures]) -> Result:
    """Return the result with the figures of all scenarios, best to worst: the base is its own."""
    base = {"final_equity": result.facts["final_equity"], **result.stats}
    best, worst = found["optimistic"], found["pessimistic"]
    warnings = list(result.facts["warnings"])
    if not result.facts["compiled"]:
        warnings.append(
            "Ordinary Python ran three times, once for each scenario: report.scenarios=false is"
            " three times as fast."
        )
    return replace(
        result,
        facts=result.facts | {"warnings": warnings},
        scenarios={"optimistic": best, "base": base, "pessimistic": worst},
    )


def optimistic(portfolio: Portfolio) -> Portfolio:
    """Return the portfolio with fills that cost nothing but the fee: no slippage, no latency, and
    no order rejected.
    """
    return replace(fresh(portfolio), slippage=0.0, impact=0.0, latency=0, rejection=0.0)


def pessimistic(portfolio: Portfolio, span: int) -> Portfolio:
    """Return the portfolio with fills one bar of `span` ms later, twice the slippage, and stops
    inside a bar filled at its worst price.
    """
    return replace(
        fresh(portfolio),
        slippage=min(2.0 * portfolio.slippage, 1.0),
        impact=2.0 * portfolio.impact,
        latency=portfolio.latency + span,
        stop_through=True,
        fill_on=FillOn.NEXT,  # a fill at the close that decided would be no bar late
    )
