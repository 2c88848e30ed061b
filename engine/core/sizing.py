"""Turns a target exposure into a quantity on the instrument's lot grid. (`docs/guide/sizing.md`)"""

import math

from engine.core.block import Core
from engine.core.grid import whole_lots
from engine.core.protect import stop_at, tighter
from engine.core.records import Bar, Reason, Sizing

_YEAR = 365.0 * 86_400_000.0  # ms


def sized(core: Core, k: int, target: float, at: float, equity: float) -> float:
    """Return the position that book `k` should have for a target that is entered at a price.

    `equity` is what there will be then: what is closed for it first has costs of its own.

    `fixed`: target x quantity. `equity`: target x ratio x equity / price, where `ratio` already
    leaves out the reserve, the fee and the slippage of the order, so that it can pay for itself.
    `notional`: target x money / price. The others are like `equity`, with a ratio that follows from
    the distance of the stop, from the volatility, or from the closed trades.
    """
    book = core.books[k]
    symbol = core.symbols[book.symbol]
    if book.sizing == Sizing.FIXED:
        quantity = target * book.quantity
    else:
        price = at * symbol.contract_size
        if book.sizing == Sizing.NOTIONAL:
            quantity = target * book.notional / price
        else:
            quantity = target * exposure(core, k, target, at) * equity / price
    size = whole_lots(abs(quantity), symbol.lot)
    return size if quantity > 0.0 else -size


def exposure(core: Core, k: int, target: float, at: float) -> float:
    """Return the fraction of the equity that exposure 1 of book `k` stands for."""
    book = core.books[k]
    if book.sizing == Sizing.RISK:
        return by_risk(core, k, target, at)
    if book.sizing == Sizing.VOLATILITY:
        return by_volatility(core, k)
    if book.sizing == Sizing.KELLY:
        return by_kelly(core, k)
    return book.ratio


def unsized(core: Core, k: int, target: float, at: float) -> int:
    """Return the reason why no quantity follows from a target of book `k`, or Reason.NONE."""
    book = core.books[k]
    if book.sizing == Sizing.RISK and entry_stop(core, k, target, at) == 0.0:
        return Reason.NO_STOP
    if book.sizing == Sizing.VOLATILITY:
        volatility = core.volatilities[book.volatility]
        if volatility.count < volatility.length or volatility.variance == 0.0:
            return Reason.NO_VOLATILITY
    return Reason.NONE


def entry_stop(core: Core, k: int, target: float, price: float) -> float:
    """Return the stop of a position of book `k` that is entered at a price, 0.0 for none."""
    book = core.books[k]
    side = 1.0 if target > 0.0 else -1.0
    stop = stop_at(core, k, price, side)
    if book.trailing_distance > 0.0 and book.trailing_activation == 0.0:
        stop = tighter(stop, price * (1.0 - side * book.trailing_distance), side)
    return stop


def by_risk(core: Core, k: int, target: float, price: float) -> float:
    """Return the exposure that loses `aim` of the equity between a price and the stop."""
    book = core.books[k]
    distance = abs(price - entry_stop(core, k, target, price))
    if distance == 0.0:
        return book.ratio_max
    return min(book.aim * price / distance, book.ratio_max)


def by_volatility(core: Core, k: int) -> float:
    """Return the exposure whose value varies by `aim` of the equity in a year.

    The variance of a year is that of a bar times the bars of 365 days.
    """
    book = core.books[k]
    volatility = core.volatilities[book.volatility]
    bars = _YEAR / volatility.span
    return min(book.aim / math.sqrt(volatility.variance * bars), book.ratio_max)


def by_kelly(core: Core, k: int) -> float:
    """Return `aim` times the fraction of J. L. Kelly, of the trades that book `k` has closed.

    W - (1 - W) / R, with W the share of trades that won and R their average profit over the average
    loss of the others, each per money entered; source: Kelly, A New Interpretation of Information
    Rate (1956), for a bet that loses its stake. Before `trades_min` trades it is `ratio`.
    """
    book = core.books[k]
    trades = book.wins + book.losses
    if trades < book.trades_min:
        return book.ratio
    share = book.wins / trades
    fraction = share
    if book.losses > 0 and book.lost > 0.0:
        fraction = 0.0
        if book.wins > 0:
            payoff = (book.won / book.wins) / (book.lost / book.losses)
            fraction = share - (1.0 - share) / payoff
    return min(max(book.aim * fraction, book.ratio_min), book.ratio_max)


def learn(core: Core, k: int, was_long: bool) -> None:
    """Take note of the round trip that book `k` has just closed: its profit per money entered."""
    book = core.books[k]
    size = core.symbols[book.symbol].contract_size
    entered = (book.spent if was_long else book.earned) * size
    profit = (book.earned - book.spent) * size - book.paid + book.funding
    if profit > 0.0:
        book.wins += 1
        book.won += profit / entered
    else:
        book.losses += 1
        book.lost -= profit / entered


def measure(core: Core, v: int, bar: Bar) -> None:
    """Take a closed bar into a volatility: an exponential average of squared returns.

    alpha = 2 / (length + 1), or 1 / count as long as that is more: the first returns are averaged
    plainly. Source: RiskMetrics Technical Document (1996), which takes the mean return as 0 too.
    """
    volatility = core.volatilities[v]
    if volatility.close > 0.0:
        change = bar.close / volatility.close - 1.0
        volatility.count += 1
        weight = max(2.0 / (volatility.length + 1.0), 1.0 / volatility.count)
        volatility.variance += weight * (change * change - volatility.variance)
    volatility.close = bar.close


def is_below_min(core: Core, k: int, quantity: float, price: float) -> bool:
    """Return whether a quantity is worth less than an order of the symbol of book `k` may be."""
    symbol = core.symbols[core.books[k].symbol]
    return abs(quantity) * price * symbol.contract_size < symbol.notional_min
