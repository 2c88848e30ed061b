"""Every statistic of a run: one small function each, its formula and source in its docstring.

The first paragraph of a docstring is what people read beside the figure. Ratios are fractions, a
year has 365 days. What cannot be defined (no trades, no variance, no losing trade) is NaN here and
null in a result; so is what rests on the equity of days where one ended with nothing. All of it is
compiled into one function (`stats.measure`), and also runs as ordinary Python.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.research.figures import DAY_MS, Unit
from engine.research.sums import (
    Floats,
    beyond_zero,
    deviation,
    extent,
    mean,
    over,
    shape,
    squares,
    total,
)

DAYS_PER_YEAR = 365

RISK = "Return and risk"
TRADES = "Trades"
ACTIVITY = "Activity and costs"

Formula = Callable[["Run"], float]


class Run(NamedTuple):
    """What the statistics are made from; arrays of one length each where names are grouped."""

    cash: float  # at the start
    ts: NDArray[np.int64]  # ms, when each equity was known
    equity: Floats
    closes: Floats  # equity at the end of each UTC day
    returns: Floats  # of each UTC day
    profits: Floats  # of each trade, net of fees
    won: Floats  # those above 0
    lost: Floats  # those below 0, as positive numbers
    gains: Floats  # the same over the trade's own cost
    bars_held: Floats
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


STATS: dict[str, Stat] = {}


def _stat(group: str, label: str, unit: Unit) -> Callable[[Formula], Formula]:
    def register(function: Formula) -> Formula:
        text = " ".join((function.__doc__ or "").partition("\n\n")[0].split())
        STATS[function.__name__] = Stat(group, label, unit, text)
        return function

    return register


def _last(run: Run) -> float:
    return float(run.equity[-1]) if len(run.equity) else run.cash


def _is_lost(run: Run) -> bool:
    """Return whether a day ended with nothing: the returns of that day and the next are NaN."""
    return extent(run.closes)[0] <= 0.0


# ── return and risk ───────────────────────────────────────────────────────────────────────────


@_stat(RISK, "Total return", Unit.GAIN)
def total_return(run: Run) -> float:
    """What the account gained over the whole run, everything paid, open positions included.

    last equity / starting cash - 1. empyrical `cum_returns_final`.
    """
    return _last(run) / run.cash - 1.0


@_stat(RISK, "Annual return", Unit.GAIN)
def cagr(run: Run) -> float:
    """The steady yearly rate (CAGR) that leads to the same end; says little below a year.

    (1 + total return) ^ (365 / days) - 1, days: UTC days of the run. empyrical `cagr`.
    NaN: no day, a lost account, or a year of it is too large for a number.
    """
    if not len(run.returns) or _is_lost(run):
        return math.nan
    return float(np.power(_last(run) / run.cash, DAYS_PER_YEAR / len(run.returns)) - 1.0)


@_stat(RISK, "Volatility, annual", Unit.SHARE)
def volatility(run: Run) -> float:
    """How far a year's return usually strays from its average: the size of the swings.

    std(r, ddof 1) x sqrt(365). empyrical `annual_volatility`. NaN: under two days.
    """
    if len(run.returns) < 2:
        return math.nan
    return math.sqrt(squares(run.returns) / (len(run.returns) - 1) * DAYS_PER_YEAR)


@_stat(RISK, "Sharpe ratio", Unit.RATIO)
def sharpe(run: Run) -> float:
    """Return per unit of swing, per year: above 1 is good, above 2 rare, below 0 loses money.

    mean(r) / std(r, ddof 1) x sqrt(365), no risk-free rate. Sharpe, "The Sharpe Ratio", 1994.
    NaN: under two days, or no variance.
    """
    return over(mean(run.returns), deviation(run.returns)) * math.sqrt(DAYS_PER_YEAR)


@_stat(RISK, "Sortino ratio", Unit.RATIO)
def sortino(run: Run) -> float:
    """Like the Sharpe ratio, but only the swings below zero count as risk.

    mean(r) / sqrt(mean(min(r, 0)^2)) x sqrt(365), target 0. Sortino and Price, 1994; empyrical
    `sortino_ratio`. NaN: under two days, or no losing day.
    """
    if len(run.returns) < 2:
        return math.nan
    losses = beyond_zero(run.returns, -1.0)
    for i in range(len(losses)):
        losses[i] *= losses[i]
    downside = math.sqrt(total(losses) / len(run.returns))
    return over(mean(run.returns), downside) * math.sqrt(DAYS_PER_YEAR)


@_stat(RISK, "Calmar ratio", Unit.RATIO)
def calmar(run: Run) -> float:
    """The annual return over the worst drawdown: what a year paid for the deepest fall.

    cagr / |max drawdown|. Young, "Calmar Ratio", 1991, over the whole run. NaN: no drawdown.
    """
    return over(cagr(run), abs(max_drawdown(run)))


@_stat(RISK, "Probabilistic Sharpe", Unit.SHARE)
def psr(run: Run) -> float:
    """How likely the true Sharpe ratio is above zero, given the length and shape of this run.

    Phi(s x sqrt(n - 1) / sqrt(1 - g3 s + (g4 - 1) / 4 s^2)), s: daily Sharpe ratio, g3 and g4:
    skewness and kurtosis of r, n: days. Bailey and Lopez de Prado, "The Sharpe Ratio Efficient
    Frontier", 2012. NaN: as for the Sharpe ratio.
    """
    ratio = over(mean(run.returns), deviation(run.returns))
    if math.isnan(ratio):
        return math.nan
    skewness, kurtosis = shape(run.returns)
    spread = 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio
    if not spread > 0.0:
        return math.nan
    score = ratio * math.sqrt(len(run.returns) - 1) / math.sqrt(spread)
    return 0.5 * (1.0 + math.erf(score / math.sqrt(2.0)))


@_stat(RISK, "Worst drawdown", Unit.SHARE)
def max_drawdown(run: Run) -> float:
    """The deepest fall from a high of the account, on every row of the equity, not only daily.

    min(equity / highest equity so far - 1), the starting cash is the first high. empyrical
    `max_drawdown`, which sees daily values. 0 where the account never fell.
    """
    high, low, deepest = run.cash, run.cash, 0.0
    for equity in run.equity:
        if equity > high:
            deepest = min(deepest, low / high - 1.0)  # divided once for each high, not each row
            high, low = equity, equity
        elif equity < low:
            low = equity
    return min(deepest, low / high - 1.0)


@_stat(RISK, "Longest drawdown", Unit.DAYS)
def max_drawdown_days(run: Run) -> float:
    """The longest time the account waited below an earlier high, in days.

    From a high to the row that regains it, or to the end. backtesting.py `Max. Drawdown
    Duration`. 0 where the account never fell.
    """
    if not len(run.ts):
        return 0.0
    high, since, longest, is_under = run.cash, run.ts[0], 0, False
    for i in range(len(run.ts)):
        if run.equity[i] < high:
            is_under = True
        else:
            if is_under:
                longest = max(longest, run.ts[i] - since)
            high, since, is_under = run.equity[i], run.ts[i], False
    if is_under:
        longest = max(longest, run.ts[-1] - since)
    return longest / DAY_MS


# ── trades ────────────────────────────────────────────────────────────────────────────────────


@_stat(TRADES, "Trades", Unit.COUNT)
def trades(run: Run) -> float:
    """Round trips from entry to exit. A position still open at the end is none."""
    return float(len(run.profits))


@_stat(TRADES, "Win rate", Unit.SHARE)
def win_rate(run: Run) -> float:
    """The part of the trades that made money after fees.

    trades with profit > 0 / trades. NaN: no trades.
    """
    return over(float(len(run.won)), float(len(run.profits)))


@_stat(TRADES, "Profit factor", Unit.RATIO)
def profit_factor(run: Run) -> float:
    """Money won per unit of money lost: above 1 earns.

    sum of profits / |sum of losses|, in money: vectorbt `Profit Factor`, where backtesting.py
    takes the trades' returns. NaN: no losing trade.
    """
    return over(total(run.won), total(run.lost))


@_stat(TRADES, "Payoff ratio", Unit.RATIO)
def payoff_ratio(run: Run) -> float:
    """The average winning trade over the average losing one.

    mean profit of winners / |mean loss of losers|. quantstats `payoff_ratio`.
    NaN: no winning or no losing trade.
    """
    return over(mean(run.won), mean(run.lost))


@_stat(TRADES, "Expectancy", Unit.PROFIT)
def expectancy(run: Run) -> float:
    """What one trade earned on average, in account currency, after fees.

    mean profit = win rate x mean win - loss rate x mean loss. vectorbt `Expectancy`.
    NaN: no trades.
    """
    return mean(run.profits)


@_stat(TRADES, "Best trade", Unit.GAIN)
def best_trade(run: Run) -> float:
    """The highest return of one trade on its own cost.

    max(profit / (entry price x quantity)). NaN: no trades.
    """
    return extent(run.gains)[1]


@_stat(TRADES, "Worst trade", Unit.GAIN)
def worst_trade(run: Run) -> float:
    """The lowest return of one trade on its own cost.

    min(profit / (entry price x quantity)). NaN: no trades.
    """
    return extent(run.gains)[0]


@_stat(TRADES, "Average trade", Unit.GAIN)
def avg_trade(run: Run) -> float:
    """The average return of a trade on its own cost.

    mean(profit / (entry price x quantity)), arithmetic: vectorbt `Avg Trade`, where
    backtesting.py takes the geometric mean. NaN: no trades.
    """
    return mean(run.gains)


@_stat(TRADES, "Average bars held", Unit.RATIO)
def avg_bars_held(run: Run) -> float:
    """How many bars of its strategy's timeframe a trade lasted on average.

    mean(bars held). NaN: no trades.
    """
    return mean(run.bars_held)


@_stat(TRADES, "System quality (SQN)", Unit.RATIO)
def sqn(run: Run) -> float:
    """How steady the profit per trade is: above 2 is good, above 3 excellent, below 0 loses.

    sqrt(trades) x mean(profit) / std(profit, ddof 1). Tharp, "Definitive Guide to Position
    Sizing", 2008, as in backtesting.py. NaN: under two trades, or no variance.
    """
    return over(mean(run.profits), deviation(run.profits)) * math.sqrt(len(run.profits))


@_stat(TRADES, "Kelly fraction", Unit.SHARE)
def kelly(run: Run) -> float:
    """The stake that would have grown fastest; far too bold to trade. Below 0: do not trade.

    win rate - (1 - win rate) / payoff ratio. Kelly, 1956, as in backtesting.py.
    NaN: no winning or no losing trade.
    """
    return win_rate(run) - over(1.0 - win_rate(run), payoff_ratio(run))


# ── activity and costs ────────────────────────────────────────────────────────────────────────


@_stat(ACTIVITY, "Time in the market", Unit.SHARE)
def exposure(run: Run) -> float:
    """The part of the time with at least one open position.

    time with a position / time of the run. backtesting.py `Exposure Time`, there in bars.
    NaN: a run of one moment.
    """
    if not len(run.ts):
        return math.nan
    return over(float(run.in_market_ms), float(run.ts[-1] - run.ts[0]))


@_stat(ACTIVITY, "Turnover", Unit.RATIO)
def turnover(run: Run) -> float:
    """How many times the account was traded over: bought and sold value per average equity.

    value of all fills / mean(equity at the end of each day), not annualised.
    NaN: no day, or a lost account.
    """
    if _is_lost(run):
        return math.nan
    return over(run.notional, mean(run.closes))


@_stat(ACTIVITY, "Fees", Unit.MONEY)
def fees(run: Run) -> float:
    """What the fills cost, in account currency, those of open positions included."""
    return run.fees


# ── all of them ───────────────────────────────────────────────────────────────────────────────


def write(run: Run, figures: Floats) -> None:
    """Write every statistic to `figures`, in the order of `STATS`."""
    values = (
        total_return(run),
        cagr(run),
        volatility(run),
        sharpe(run),
        sortino(run),
        calmar(run),
        psr(run),
        max_drawdown(run),
        max_drawdown_days(run),
        trades(run),
        win_rate(run),
        profit_factor(run),
        payoff_ratio(run),
        expectancy(run),
        best_trade(run),
        worst_trade(run),
        avg_trade(run),
        avg_bars_held(run),
        sqn(run),
        kelly(run),
        exposure(run),
        turnover(run),
        fees(run),
    )
    for i, value in enumerate(values):
        figures[i] = value
