"""What a reader of a result must know before the figures, one sentence each."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from engine.research import periods
from engine.research.columns import to_array
from engine.research.figures import Unit, listed, moments, shown

TRADES_FEW, TRADES_ENOUGH = 30, 100
DAYS_ENOUGH = 90
EXPOSURE_ENOUGH = 0.01
MOST = 0.5  # of the profit
# Of the cash: what is left must be multiplied by 100 to be what it was, and fees, lots and least
# amounts decide more than the strategy. One that shrinks by a share of itself never reaches 0.
LOST = 0.01


def about(
    facts: Mapping[str, Any],
    stats: Mapping[str, float | None],
    trades: pa.Table,
    ts: periods.Times,
    equity: periods.Floats,
) -> Iterator[str]:
    """Yield the warnings about a finished run: how little it rests on, and what its profit is.

    `ts` (ms) is when each `equity` was known.
    """
    if not len(ts):
        return
    yield from _lost(facts["cash"], trades, ts, equity)
    if facts["fill_on"] == "close":
        yield (
            "Orders were filled at the close that decided them (execution.fill_on=close), which no"
            " real order can reach: nobody can trade these figures."
        )
    run = periods.days(facts["cash"], ts, equity)
    yield from _little(stats, trades, len(run.ts))
    made = facts["final_equity"] - facts["cash"]
    if made > 0.0:
        yield from _one_trade(facts["currency"], trades, made)
        yield from _one_month(periods.months(facts["cash"], run), made)
    yield from _fees(facts, made)
    still = [f"{row['strategy']} {row['symbol']}" for row in facts["open_positions"]]
    if still:
        yield (
            f"{counted(len(still), 'position')} open at the end, valued at the last price:"
            f" {listed(still)}. What they made is in the final equity and in no trade."
        )


def better_though_worse(facts: Mapping[str, Any], pessimistic: float) -> Iterator[str]:
    """Yield a sentence where a run ended with more under worse conditions, at `pessimistic`."""
    if pessimistic > facts["final_equity"]:
        worse, base = (shown(end, Unit.MONEY) for end in (pessimistic, facts["final_equity"]))
        yield (
            f"Worse fills ended better: {worse} {facts['currency']} in the pessimistic scenario,"
            f" {base} in the base. A later fill met a better price, or an order was refused that"
            " would have lost: the difference is not what the costs took."
        )


def _lost(
    cash: float, trades: pa.Table, ts: periods.Times, equity: periods.Floats
) -> Iterator[str]:
    is_lost = equity < LOST * cash
    if is_lost.any():
        (lost,) = moments(ts[is_lost.argmax()][None])
        yield (
            f"The account was lost on {lost} UTC, when less than {_share(LOST, 1.0)} of it was"
            " left: nothing after that means anything."
        )
    liquidated = trades["exit_reason"].to_pylist().count("liquidation")
    if liquidated:
        yield f"{counted(liquidated, 'position')} liquidated."


def _little(stats: Mapping[str, float | None], closed: pa.Table, days: int) -> Iterator[str]:
    trades = closed.num_rows
    if trades < TRADES_FEW:
        yield (
            f"{counted(trades, 'trade')} closed: under {TRADES_FEW}, chance explains the figures"
            " as well as the strategy does."
        )
    elif trades < TRADES_ENOUGH:
        yield (
            f"{trades} trades were closed: under {TRADES_ENOUGH}, the figures may be far from those"
            " of the next ones."
        )
    if days < DAYS_ENOUGH:
        yield (
            f"The run covers {days} {'day' if days == 1 else 'days'}: under {DAYS_ENOUGH}, it has"
            " seen one kind of market."
        )
    exposure = stats["exposure"]
    is_within = to_array(closed["opened_at"]) == to_array(closed["closed_at"])
    if exposure is not None and exposure < EXPOSURE_ENOUGH and not is_within.any():
        yield (
            f"A position was open for {shown(exposure, Unit.SHARE)} of the time: the figures of"
            " return and risk are mostly those of cash."
        )


def _one_trade(currency: str, trades: pa.Table, made: float) -> Iterator[str]:
    profit = to_array(trades["profit"])
    if len(profit) < 2 or profit.max() <= MOST * made:
        return
    row = trades.slice(int(profit.argmax()), 1).to_pylist()[0]
    (closed,) = moments(np.array([row["closed_at"]]))
    rest = shown(made - row["profit"], Unit.PROFIT)
    yield (
        f"One trade made {_share(row['profit'], made)} of the profit: {row['strategy']} on"
        f" {row['symbol']}, closed {closed} UTC. Without it the run made {rest} {currency}."
    )


def _one_month(months: list[periods.Month], made: float) -> Iterator[str]:
    best = max(months, key=lambda month: month.profit)
    if len(months) > 1 and best.profit > MOST * made:
        yield f"One month made {_share(best.profit, made)} of the profit: {best.name}."


def _fees(facts: Mapping[str, Any], made: float) -> Iterator[str]:
    fees, currency = facts["fees"], facts["currency"]
    before = made + fees
    if before > 0.0 > made:
        yield (
            f"Fees turned a profit into a loss: {shown(before, Unit.PROFIT)} {currency} before"
            f" fees, {shown(made, Unit.PROFIT)} {currency} after them."
        )
    elif before > 0.0 and fees > MOST * before:
        yield f"Fees ate {_share(fees, before)} of the profit before fees."


def counted(count: int, what: str) -> str:
    """Return `1 trade was`, or `2 trades were`."""
    return f"1 {what} was" if count == 1 else f"{count:,} {what}s were"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:,.0%}".replace("%", " %")
