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


def about(
    facts: Mapping[str, Any],
    stats: Mapping[str, float | None],
    trades: pa.Table,
    run: periods.Days,
) -> Iterator[str]:
    """Yield the warnings about a finished run: how little it rests on, and what its profit is."""
    if not len(run.ts):
        return
    yield from _little(stats, trades.num_rows, len(run.ts))
    made = facts["final_equity"] - facts["cash"]
    if made > 0.0:
        yield from _one_trade(facts["currency"], trades, made)
        yield from _one_month(periods.months(facts["cash"], run), made)
    yield from _fees(facts, made)
    still = [f"{row['strategy']} {row['symbol']}" for row in facts["open_positions"]]
    if still:
        yield (
            f"{_counted(len(still), 'position')} open at the end, valued at the last price:"
            f" {listed(still)}. What they made is in the final equity and in no trade."
        )


def _little(stats: Mapping[str, float | None], trades: int, days: int) -> Iterator[str]:
    if trades < TRADES_FEW:
        yield (
            f"{_counted(trades, 'trade')} closed: under {TRADES_FEW}, chance explains the figures"
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
    if exposure is not None and exposure < EXPOSURE_ENOUGH:
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


def _counted(count: int, what: str) -> str:
    return f"1 {what} was" if count == 1 else f"{count:,} {what}s were"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:,.0%}".replace("%", " %")
