"""Takes many bars at once where nothing can happen but that a strategy changes its mind.

Most bars of a backtest are like that. What is done with them is what `advance` does with each, so
that the state behind them is the same; what is left out are the questions whose answer is known.
"""

from collections.abc import Sequence
from typing import Any

from engine.core.block import Core, is_news, walk
from engine.core.records import Event, Failure, Kind
from engine.core.signal import consider, fail


def is_idle(core: Core, event: Event) -> bool:
    """Return whether an event, what it fills being filled, is a bar that one book alone waits for.

    Nothing is at work in that book, and its position is none that a venue could liquidate.
    """
    if event.kind != Kind.BAR or event.history != 0:
        return False
    symbol = core.symbols[event.symbol]
    if symbol.is_plain == 0:
        return False
    book = core.books[symbol.book_first]
    if book.orders > 0 or book.step < 0 or event.span != book.span:
        return False
    return symbol.leverage == 0.0 or book.position == 0.0


def walk_on(core: Core, events: Sequence[Event], first: int, last: int, equity: Any) -> int:
    """Show an idle book its bars from `first` on, until one of them or its strategy says more.

    Returns the index behind the last one shown. What the strategy then wants is acted upon. Where
    the logs are to be emptied first, that is behind one bar.
    """
    account, k = core.account, core.symbols[events[first].symbol].book_first
    if core.log.rows > core.log.rows_max:
        last = first + 1
    shown = walk(core, k, events, first, last)
    end = first + abs(shown)
    mark_bars(core, events, first, end, equity)
    account.seq = events[end - 1].seq
    if shown < 0:
        fail(core, k, Failure.RAISED)
    elif is_news(core.books[k]):
        consider(core, k)
    return end


def mark_bars(core: Core, events: Sequence[Event], first: int, last: int, equity: Any) -> None:
    """Value one symbol at the close of each bar, as `ledger.mark` does."""
    account, symbol = core.account, core.symbols[events[first].symbol]
    if symbol.position == 0.0:
        worth = account.equity
        for i in range(first, last):
            equity[i] = worth
    else:
        position, size, cost = symbol.position, symbol.contract_size, symbol.cost
        before, total, cash = symbol.value, account.value, account.cash
        for i in range(first, last):
            worth = position * events[i].bar.close * size - cost
            total += worth - before
            before = worth
            equity[i] = cash + total
        symbol.value = before
        account.value = total
        account.equity = cash + total
    account.ts = events[last - 1].ts
    symbol.price = events[last - 1].bar.close
    symbol.price_ts = account.ts
