"""Decides what becomes of a signal: an order, or a denial with every reason."""

from engine.core.block import Core, call
from engine.core.grid import is_same
from engine.core.log import log_decision, log_denial
from engine.core.order import Waiting, cancel, held_after, limit_price, place
from engine.core.records import OPENINGS_PER_BOOK, Failure, Reason
from engine.core.resting import exposed
from engine.core.sizing import is_below_min, sized, unsized


def decide(core: Core, k: int, former: float) -> None:
    """Order the difference between what book `k` should have and what it has or has ordered.

    `former` is the target before. Where a signal against the position was ignored, one that comes
    back to the target that it is kept for changes nothing. What would reduce the position by less
    than an order may be worth is left. Only openings can be denied: risk never stands between a
    position and its exit.
    """
    book, symbol = core.books[k], core.symbols[core.books[k].symbol]
    cancel(core, k, Waiting.RESTING, Reason.SIGNAL)  # it was another wish
    if is_ignored(core, k):
        ignore(core, k, former)
        return
    held = held_after(core, k)
    target, kept = book.wish.target, book.kept
    book.kept = 0.0
    denials = 0
    wanted = 0.0
    if target < 0.0 and symbol.leverage == 0.0:
        log_denial(core, k, Reason.SHORT_ON_SPOT, target, 0.0)
        denials += 1
    elif kept == target and held * target > 0.0:
        wanted = held
    elif target != 0.0 and symbol.price > 0.0:
        why = unsized(core, k, target, symbol.price)
        if why == Reason.NONE:
            equity = core.account.equity
            if held * target < 0.0:
                equity -= cost_to_close(core, k, held)
            wanted = sized(core, k, target, symbol.price, equity)
        else:
            log_denial(core, k, why, 0.0, 0.0)
            denials += 1
            wanted = held if held * target > 0.0 else 0.0
    if is_same(wanted, held):
        wanted = held
    closing = opening = 0.0
    if held == 0.0 or (held * wanted > 0.0 and abs(wanted) > abs(held)):
        opening = wanted - held
    elif held * wanted < 0.0:
        closing, opening = -held, wanted
    elif wanted == 0.0 or not is_below_min(core, k, wanted - held, symbol.price):
        closing = wanted - held
    if opening != 0.0 or (wanted == 0.0 and target != 0.0 and denials == 0):
        left = exposed(core, k, held + closing, opening)
        by_limit = core.account.by_limit != 0
        price = limit_price(core, book.symbol, opening) if by_limit else symbol.price
        denials += deny(core, k, opening, price, left)
        if book.orders >= OPENINGS_PER_BOOK:
            log_denial(core, k, Reason.TOO_MANY_ORDERS, book.orders, OPENINGS_PER_BOOK)
            denials += 1
    if denials != 0:
        opening = 0.0
    approved = closing != 0.0 or denials == 0
    log_decision(core, k, 1 if approved else 0, closing + opening, denials)
    if closing != 0.0:
        place(core, k, closing, 1, Reason.SIGNAL)
    if opening != 0.0:
        place(core, k, opening, 0, Reason.SIGNAL)


def cost_to_close(core: Core, k: int, held: float) -> float:
    """Return the fee and the slippage of leaving what book `k` holds at the last price."""
    account, symbol = core.account, core.symbols[core.books[k].symbol]
    return abs(held) * symbol.price * symbol.contract_size * (account.slippage + account.taker)


def ignore(core: Core, k: int, former: float) -> None:
    """Keep the position of book `k` against its signal, for the target that it had before."""
    book = core.books[k]
    if book.kept == 0.0:
        book.kept = former
    log_denial(core, k, Reason.OPPOSITE_SIGNAL, book.wish.target, 0.0)
    log_decision(core, k, 0, 0.0, 1)


def is_ignored(core: Core, k: int) -> bool:
    """Return whether book `k` keeps its position against the signal: to leave it, or to turn."""
    book = core.books[k]
    against = book.position * book.wish.target <= 0.0
    return book.ignores_opposite != 0 and book.position != 0.0 and against


def deny(core: Core, k: int, quantity: float, price: float, held: float) -> int:
    """Log every reason against an opening of book `k` at a price; return how many there are.

    `held` is what is left of the book before it opens, with what rests on the same side.
    """
    book, intent = core.books[k], core.intent
    symbol = core.symbols[book.symbol]
    notional = abs(quantity) * price * symbol.contract_size
    denials = 0
    if core.account.killed != 0:
        log_denial(core, k, Reason.KILLED, 1.0, 0.0)
        denials += 1
    if book.paused != 0:
        log_denial(core, k, Reason.PAUSED, 1.0, 0.0)
        denials += 1
    if symbol.price == 0.0 or symbol.price < symbol.tick:
        log_denial(core, k, Reason.NO_PRICE, 0.0, 0.0)
        return denials + 1
    if quantity == 0.0:
        log_denial(core, k, Reason.BELOW_LOT, 0.0, symbol.lot)
        return denials + 1
    if is_below_min(core, k, quantity, price):
        log_denial(core, k, Reason.BELOW_NOTIONAL_MIN, notional, symbol.notional_min)
        denials += 1
    denials += _deny_prices(core, k, quantity, price)
    against = _against(core, k, quantity)
    if against != 0.0 and core.account.opposite_books == 0:
        log_denial(core, k, Reason.OPPOSITE_BOOK, against, 0.0)
        denials += 1
    _look(core, k, held)
    intent.instance = book.instance
    intent.symbol = book.symbol
    intent.quantity = quantity
    intent.price = price
    intent.notional = notional
    for r in range(len(core.rules)):
        rule = core.rules[r]
        intent.measured = 0.0
        intent.limit = 0.0
        answer = call(core, rule.check, rule.params, rule.state, core.rule_view, intent)
        if answer < 0:
            core.account.failure = Failure.RAISED
            core.account.failed_book = k
            core.account.failed_rule = r
        if answer != 0:
            log_denial(core, k, Reason.RULE + r, intent.measured, intent.limit)
            denials += 1
    return denials


def _deny_prices(core: Core, k: int, quantity: float, price: float) -> int:
    """Log which of the strategy's own prices an opening of book `k` would find reached already."""
    wish = core.books[k].wish
    side = 1.0 if quantity > 0.0 else -1.0
    denials = 0
    if wish.stop > 0.0 and side * price <= side * wish.stop:
        log_denial(core, k, Reason.STOP_WRONG_SIDE, wish.stop, price)
        denials += 1
    if wish.take > 0.0 and side * price >= side * wish.take:
        log_denial(core, k, Reason.TAKE_WRONG_SIDE, wish.take, price)
        denials += 1
    return denials


def _against(core: Core, k: int, quantity: float) -> float:
    """Return what another book of the symbol holds or has ordered against an opening; else 0.0."""
    symbol = core.symbols[core.books[k].symbol]
    if symbol.leverage > 0.0:
        for j in range(symbol.book_first, symbol.book_end):
            holds = exposed(core, j, held_after(core, j), -quantity) if j != k else 0.0
            if holds * quantity < 0.0:
                return holds
    return 0.0


def _look(core: Core, k: int, held: float) -> None:
    """Fill in what rules may look at; `held` is what is left of book `k` before it opens."""
    account, book, view = core.account, core.books[k], core.rule_view
    view.ts = account.ts
    view.cash = account.cash
    view.equity = account.equity
    view.exposure = 0.0
    view.symbol_exposure = 0.0
    view.positions = 0
    view.position = held
    view.price = core.symbols[book.symbol].price
    view.price_age = account.ts - core.symbols[book.symbol].price_ts
    for s in range(len(core.symbols)):
        symbol = core.symbols[s]
        position = 0.0
        for j in range(symbol.book_first, symbol.book_end):
            holds = held if j == k else exposed(core, j, held_after(core, j), 0.0)
            position += holds
            if holds != 0.0:
                view.positions += 1
        exposure = abs(position) * symbol.price * symbol.contract_size
        view.exposure += exposure
        if s == book.symbol:
            view.symbol_exposure = exposure
