"""The one loop: events in, state changed, logs appended. A backtest passes a million events, live
passes what has just arrived; nothing else moves the state.

Pure: no clock, no input or output, no randomness. Only + - x / and comparisons decide, so that the
result is the same to the last bit compiled, interpreted, in one batch and one event at a time.
"""

import math
from collections.abc import Sequence
from typing import Any

from engine.core.bar import close_due, extend
from engine.core.block import Core
from engine.core.command import obey
from engine.core.exits import concerns, leave
from engine.core.ledger import fund, mark
from engine.core.margin import liquidate
from engine.core.match import match
from engine.core.reach import meet_levels
from engine.core.records import Bar, Event, Failure, Kind
from engine.core.signal import consider
from engine.core.stretch import is_idle, walk_on
from engine.core.tick import step_on_tick

Curve = Any  # floats that can be written by index


def advance(core: Core, events: Sequence[Event], first: int, last: int, equity: Curve) -> int:
    """Process events[first:last]; return the index of the first one not processed.

    Writes the account's equity after event i to equity[i]. Returns early when the logs must be
    emptied (`core.log.rows`) or when a user's function failed (`core.account.failure`, the failed
    event then counts as not processed; where `isolate` is set, only that book is left out).

    History moves prices and strategies, and neither orders nor fills anything.

    Fills come before decisions: an order can be filled by the next event at the earliest.

        field of the state             written by
        account ts seq                 advance, stretch.walk_on, stretch.mark_bars
        account history                advance
        account cash                   ledger.post, ledger.fund
        account fees                   ledger.post
        account value equity           ledger.mark, ledger.add_up, ledger.fund, stretch.mark_bars
        account margin                 ledger.add_up
        account orders                 order.place, exits.reduce, match.again, ask.rest
        account killed, book paused    command.obey
        account failure failed_*       signal.fail, risk.deny
        book step                      signal.fail (-1)
        symbol price price_ts          ledger.mark, stretch.mark_bars
        symbol position cost margin    ledger.add_up
        symbol value                   ledger.add_up, ledger.mark, stretch.mark_bars
        symbol volume room             advance.fill_and_protect, fill.execute (room)
        series *                       bar.gather, bar.close_bar
        watched bars in users' states  bar.keep
        book out                       users' steps, advance.on_target, signal.consider (tag)
        book wish                      signal.consider
        book position … funding        ledger.post, ledger.fund (funding), fill.settle (grown_seq)
        book stop take … due           protect (best: follow, fill.settle), exits (rung …, roi)
        book inside                    match.rest, reach.fill_level
        book wins … lost, volatilities sizing.learn, sizing.measure
        book orders, working orders    order.place, order.cancel, match
        levels, as users see them too  ask, reach, resting
        rule_view, intent              risk.deny (scratch for users' checks)
        log, signals … trades          log
    """
    account, log = core.account, core.log
    i = first
    while i < last:
        if log.rows > log.rows_max:
            return i
        event = events[i]
        account.ts = event.ts
        account.seq = event.seq
        account.history = event.history
        if event.kind <= Kind.TICK and event.history == 0:
            fill_and_protect(core, event)
        if is_idle(core, event):
            i = walk_on(core, events, i, last, equity)
        else:
            act(core, event)
            i += 1
        equity[i - 1] = account.equity
        if account.failure != Failure.NONE:
            return i - 1 + account.isolate
    return last


def fill_and_protect(core: Core, event: Event) -> None:
    """Fill what the prices of a bar or a tick reach, and leave positions that they end.

    Orders are filled at the open, which is when the bar began; it becomes known at its close.
    """
    s, bar = event.symbol, event.bar
    symbol = core.symbols[s]
    if core.account.is_bounded != 0:
        symbol.volume = bar.volume / symbol.contract_size
        share = core.account.share_max
        symbol.room = symbol.volume * share if share > 0.0 else math.inf
    if symbol.leverage > 0.0 and symbol.position != 0.0:
        liquidate(core, s, bar, bar.open)
    for k in range(symbol.book_first, symbol.book_end):
        if core.books[k].orders > 0:
            match(core, k, bar)
        if core.books[k].resting > 0:
            trade(core, k, bar)
        elif core.books[k].position != 0.0 and concerns(core, k, bar):
            leave(core, k, bar)
    if symbol.leverage > 0.0 and symbol.position != 0.0:
        liquidate(core, s, bar, bar.low if symbol.position > 0.0 else bar.high)


def act(core: Core, event: Event) -> None:
    """Do what an event asks for, once what it fills is filled."""
    if event.kind <= Kind.TICK:
        on_prices(core, event)
    elif event.kind == Kind.TIMER:
        close_due(core, event.ts)
    elif event.kind == Kind.TARGET:
        on_target(core, event)
    elif event.kind == Kind.FUNDING:
        fund(core, event)
    else:
        obey(core, event)


def on_prices(core: Core, event: Event) -> None:
    """Value a symbol at the close of a bar or tick, and show it to who waits for it."""
    mark(core, event.symbol, event.bar.close)
    extend(core, event.symbol, event)
    if event.kind == Kind.TICK:
        step_on_tick(core, event.symbol)


def trade(core: Core, k: int, bar: Bar) -> None:
    """Take book `k` through the prices of an event where orders rest at its levels.

    What adds to a position fills before its exits, the stop among them, are looked at; what is left
    once they have closed it can open another one.
    """
    book = core.books[k]
    for _ in range(2):
        meet_levels(core, k, bar)
        if book.position != 0.0 and concerns(core, k, bar):
            leave(core, k, bar)
        if book.position != 0.0 or book.resting == 0:
            return


def on_target(core: Core, event: Event) -> None:
    """Take a row of an `external` strategy as its wish."""
    symbol = core.symbols[event.symbol]
    for k in range(symbol.book_first, symbol.book_end):
        book = core.books[k]
        if book.instance == event.instance and book.step >= 0:
            book.out.target = event.bar.open
            book.out.take = event.bar.high
            book.out.stop = event.bar.low
            consider(core, k)
