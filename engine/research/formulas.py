"""Every statistic of a run: one small function each, its formula and source in its docstring.

The first paragraph of a docstring is what people read beside the figure. Ratios are fractions, a
year has 365 days. What cannot be defined (no trades, no variance, no losing trade) is None.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.research.figures import DAY_MS, Unit

DAYS_PER_YEAR = 365

RISK = "Return and risk"
TRADES = "Trades"
ACTIVITY = "Activity and costs"

Floats = NDArray[np.float64]
Formula = Callable[["Run"], float | None]


@dataclass(frozen=True)
class Run:
    """What the statistics are made from; arrays of one length each where names are grouped."""

    ts: NDArray[np.int64]  # ms, when each equity was known; the first one twice
    curve: Floats  # the starting cash, then the equity at each time
    drawdowns: Floats  # of the curve, 0 or less
    closes: Floats  # equity at the end of each UTC day
    returns: Floats  # of each UTC day
    profits: Floats  # of each trade, net of fees
    gains: Floats  # the same over the trade's own cost
    bars_held: NDArray[np.int64]
    notional: float  # value of all fills
    fees: float
    in_market_ms: int  # with at least one open position


@dataclass(frozen=True)
class Stat:
    """One statistic: where it is listed, how it is called and written, and what it means."""

    group: str
    label: str
    unit: Unit
    text: str
    of: Formula


STATS: dict[str, Stat] = {}


def _stat(group: str, label: str, unit: Unit) -> Callable[[Formula], Formula]:
    def register(function: Formula) -> Formula:
        text = " ".join((function.__doc__ or "").partition("\n\n")[0].split())
        STATS[function.__name__] = Stat(group, label, unit, text, function)
        return function

    return register


# ── return and risk ───────────────────────────────────────────────────────────────────────────


@_stat(RISK, "Total return", Unit.GAIN)
def total_return(run: Run) -> float | None:
    """What the account gained over the whole run, everything paid, open positions included.

    last equity / starting cash - 1. empyrical `cum_returns_final`.
    """
    return float(run.curve[-1] / run.curve[0] - 1.0)


@_stat(RISK, "Annual return", Unit.GAIN)
def cagr(run: Run) -> float | None:
    """The steady yearly rate (CAGR) that leads to the same end; says little below a year.

    (1 + total return) ^ (365 / days) - 1, days: UTC days of the run. empyrical `cagr`.
    None: no day, or a year of it is too large for a number.
    """
    if not len(run.returns):
        return None
    return float(np.power(run.curve[-1] / run.curve[0], DAYS_PER_YEAR / len(run.returns)) - 1.0)


@_stat(RISK, "Volatility, annual", Unit.SHARE)
def volatility(run: Run) -> float | None:
    """How far a year's return usually strays from its average: the size of the swings.

    std(r, ddof 1) x sqrt(365). empyrical `annual_volatility`. None: under two days.
    """
    if len(run.returns) < 2:
        return None
    return float(run.returns.std(ddof=1)) * math.sqrt(DAYS_PER_YEAR)


@_stat(RISK, "Sharpe ratio", Unit.RATIO)
def sharpe(run: Run) -> float | None:
    """Return per unit of swing, per year: above 1 is good, above 2 rare, below 0 loses money.

    mean(r) / std(r, ddof 1) x sqrt(365), no risk-free rate. Sharpe, "The Sharpe Ratio", 1994.
    None: under two days, or no variance.
    """
    ratio = _over(_mean(run.returns), _deviation(run.returns))
    return None if ratio is None else ratio * math.sqrt(DAYS_PER_YEAR)


@_stat(RISK, "Sortino ratio", Unit.RATIO)
def sortino(run: Run) -> float | None:
    """Like the Sharpe ratio, but only the swings below zero count as risk.

    mean(r) / sqrt(mean(min(r, 0)^2)) x sqrt(365), target 0. Sortino and Price, 1994; empyrical
    `sortino_ratio`. None: under two days, or no losing day.
    """
    if len(run.returns) < 2:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(run.returns, 0.0) ** 2)))
    ratio = _over(_mean(run.returns), downside)
    return None if ratio is None else ratio * math.sqrt(DAYS_PER_YEAR)


@_stat(RISK, "Calmar ratio", Unit.RATIO)
def calmar(run: Run) -> float | None:
    """The annual return over the worst drawdown: what a year paid for the deepest fall.

    cagr / |max drawdown|. Young, "Calmar Ratio", 1991, over the whole run. None: no drawdown.
    """
    return _over(cagr(run), abs(float(max_drawdown(run) or 0.0)))


@_stat(RISK, "Probabilistic Sharpe", Unit.SHARE)
def psr(run: Run) -> float | None:
    """How likely the true Sharpe ratio is above zero, given the length and shape of this run.

    Phi(s x sqrt(n - 1) / sqrt(1 - g3 s + (g4 - 1) / 4 s^2)), s: daily Sharpe ratio, g3 and g4:
    skewness and kurtosis of r, n: days. Bailey and Lopez de Prado, "The Sharpe Ratio Efficient
    Frontier", 2012. None: as for the Sharpe ratio.
    """
    deviation, count = _deviation(run.returns), len(run.returns)
    if deviation is None:
        return None
    ratio = float(run.returns.mean()) / deviation
    standard = (run.returns - run.returns.mean()) / run.returns.std()
    skewness, kurtosis = float(np.mean(standard**3)), float(np.mean(standard**4))
    spread = 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio
    if spread <= 0.0:
        return None
    score = ratio * math.sqrt(count - 1) / math.sqrt(spread)
    return 0.5 * (1.0 + math.erf(score / math.sqrt(2.0)))


@_stat(RISK, "Worst drawdown", Unit.SHARE)
def max_drawdown(run: Run) -> float | None:
    """The deepest fall from a high of the account, on every row of the equity, not only daily.

    min(equity / highest equity so far - 1), the starting cash is the first high. empyrical
    `max_drawdown`, which sees daily values. 0 where the account never fell.
    """
    return float(run.drawdowns.min())


@_stat(RISK, "Longest drawdown", Unit.DAYS)
def max_drawdown_days(run: Run) -> float | None:
    """The longest time the account waited below an earlier high, in days.

    From a high to the row that regains it, or to the end. backtesting.py `Max. Drawdown
    Duration`. 0 where the account never fell.
    """
    if not len(run.ts):
        return 0.0
    highs = np.flatnonzero(run.curve >= np.maximum.accumulate(run.curve))
    ends = np.append(highs[1:], len(run.curve))
    under = ends - highs > 1
    waits = run.ts[np.minimum(ends, len(run.ts) - 1)] - run.ts[highs]
    return float(waits[under].max(initial=0)) / DAY_MS


# ── trades ────────────────────────────────────────────────────────────────────────────────────


@_stat(TRADES, "Trades", Unit.COUNT)
def trades(run: Run) -> float | None:
    """Round trips from entry to exit. A position still open at the end is none."""
    return len(run.profits)


@_stat(TRADES, "Win rate", Unit.SHARE)
def win_rate(run: Run) -> float | None:
    """The part of the trades that made money after fees.

    trades with profit > 0 / trades. None: no trades.
    """
    return _mean(run.profits > 0.0)


@_stat(TRADES, "Profit factor", Unit.RATIO)
def profit_factor(run: Run) -> float | None:
    """Money won per unit of money lost: above 1 earns.

    sum of profits / |sum of losses|, in money: vectorbt `Profit Factor`, where backtesting.py
    takes the trades' returns. None: no losing trade.
    """
    won, lost = _won_and_lost(run)
    return _over(float(won.sum()), float(lost.sum()))


@_stat(TRADES, "Payoff ratio", Unit.RATIO)
def payoff_ratio(run: Run) -> float | None:
    """The average winning trade over the average losing one.

    mean profit of winners / |mean loss of losers|. quantstats `payoff_ratio`.
    None: no winning or no losing trade.
    """
    won, lost = _won_and_lost(run)
    return _over(_mean(won), _mean(lost))


@_stat(TRADES, "Expectancy", Unit.PROFIT)
def expectancy(run: Run) -> float | None:
    """What one trade earned on average, in account currency, after fees.

    mean profit = win rate x mean win - loss rate x mean loss. vectorbt `Expectancy`.
    None: no trades.
    """
    return _mean(run.profits)


@_stat(TRADES, "Best trade", Unit.GAIN)
def best_trade(run: Run) -> float | None:
    """The highest return of one trade on its own cost.

    max(profit / (entry price x quantity)). None: no trades.
    """
    return float(run.gains.max()) if len(run.gains) else None


@_stat(TRADES, "Worst trade", Unit.GAIN)
def worst_trade(run: Run) -> float | None:
    """The lowest return of one trade on its own cost.

    min(profit / (entry price x quantity)). None: no trades.
    """
    return float(run.gains.min()) if len(run.gains) else None


@_stat(TRADES, "Average trade", Unit.GAIN)
def avg_trade(run: Run) -> float | None:
    """The average return of a trade on its own cost.

    mean(profit / (entry price x quantity)), arithmetic: vectorbt `Avg Trade`, where
    backtesting.py takes the geometric mean. None: no trades.
    """
    return _mean(run.gains)


@_stat(TRADES, "Average bars held", Unit.RATIO)
def avg_bars_held(run: Run) -> float | None:
    """How many bars of its strategy's timeframe a trade lasted on average.

    mean(bars held). None: no trades.
    """
    return _mean(run.bars_held)


@_stat(TRADES, "System quality (SQN)", Unit.RATIO)
def sqn(run: Run) -> float | None:
    """How steady the profit per trade is: above 2 is good, above 3 excellent, below 0 loses.

    sqrt(trades) x mean(profit) / std(profit, ddof 1). Tharp, "Definitive Guide to Position
    Sizing", 2008, as in backtesting.py. None: under two trades, or no variance.
    """
    ratio = _over(_mean(run.profits), _deviation(run.profits))
    return None if ratio is None else math.sqrt(len(run.profits)) * ratio


@_stat(TRADES, "Kelly fraction", Unit.SHARE)
def kelly(run: Run) -> float | None:
    """The stake that would have grown fastest; far too bold to trade. Below 0: do not trade.

    win rate - (1 - win rate) / payoff ratio. Kelly, 1956, as in backtesting.py.
    None: no winning or no losing trade.
    """
    rate, payoff = win_rate(run), payoff_ratio(run)
    return None if rate is None or not payoff else rate - (1.0 - rate) / payoff


def _won_and_lost(run: Run) -> tuple[Floats, Floats]:
    """Return the profits of the winners and, positive, the losses of the losers."""
    return run.profits[run.profits > 0.0], -run.profits[run.profits < 0.0]


# ── activity and costs ────────────────────────────────────────────────────────────────────────


@_stat(ACTIVITY, "Time in the market", Unit.SHARE)
def exposure(run: Run) -> float | None:
    """The part of the time with at least one open position.

    time with a position / time of the run. backtesting.py `Exposure Time`, there in bars.
    None: a run of one moment.
    """
    return _over(float(run.in_market_ms), float(run.ts[-1] - run.ts[0]) if len(run.ts) else None)


@_stat(ACTIVITY, "Turnover", Unit.RATIO)
def turnover(run: Run) -> float | None:
    """How many times the account was traded over: bought and sold value per average equity.

    value of all fills / mean(equity at the end of each day), not annualised. None: no day.
    """
    return _over(run.notional, _mean(run.closes))


@_stat(ACTIVITY, "Fees", Unit.MONEY)
def fees(run: Run) -> float | None:
    """What the fills cost, in account currency, those of open positions included."""
    return run.fees


# ── arithmetic that knows what is undefined ───────────────────────────────────────────────────


def _deviation(values: Floats) -> float | None:
    """Return the sample deviation (ddof 1); None for under two values, or for equal ones.

    Values that differ by rounding alone are equal.
    """
    if len(values) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return None
    return float(values.std(ddof=1))


def _over(value: float | None, divisor: float | None) -> float | None:
    return None if value is None or not divisor else value / divisor


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
