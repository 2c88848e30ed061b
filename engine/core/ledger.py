"""Keeps the money: cash, positions, their value, and the present round trip of each book.

Spot is bought with cash and worth its price. A perpetual costs nothing but its fee, is held by a
margin that stays in the account, and is worth what it has gained since its entry.
"""

from engine.core.block import Core
from engine.core.log import log_posting
from engine.core.records import Event, Reason


def mark(core: Core, s: int, price: float) -> None:
    """Value symbol `s` at `price`."""
    account, symbol = core.account, core.symbols[s]
    symbol.price = price
    symbol.price_ts = account.ts
    if symbol.position != 0.0:
        value = symbol.position * price * symbol.contract_size - symbol.cost
        account.value += value - symbol.value
        account.equity = account.cash + account.value
        symbol.value = value


def post(core: Core, k: int, ts: int, quantity: float, price: float, fee: float) -> float:
    """Enter a fill of book `k`: its position, the account's cash, and the sums over books.

    Returns what the cash lost by it. An order never carries a position across zero.
    """
    account, book = core.account, core.books[k]
    symbol = core.symbols[book.symbol]
    if book.position == 0.0:
        _open_round_trip(core, k, ts)
    if quantity > 0.0:
        book.bought += quantity
        book.spent += quantity * price
    else:
        book.sold -= quantity
        book.earned -= quantity * price
    held = book.position
    is_opening = held * quantity >= 0.0
    gained = 0.0
    if is_opening:
        book.entry = (book.entry * held + price * quantity) / (held + quantity)
    else:
        gained = (book.entry - price) * quantity * symbol.contract_size
    book.position = held + quantity
    if symbol.leverage == 0.0:
        paid = quantity * price * symbol.contract_size + fee
    else:
        paid = fee - gained
        if is_opening:
            book.margin += abs(quantity) * price * symbol.contract_size / symbol.leverage
        else:
            book.margin = book.margin * (book.position / held)
    book.paid += fee
    account.cash -= paid
    account.fees += fee
    add_up(core, book.symbol)
    return paid


def add_up(core: Core, s: int) -> None:
    """Sum the books of symbol `s`, and all symbols, after a fill.

    The sums are added up anew rather than adjusted, so that a flat book leaves no rounding behind.
    """
    account, symbol = core.account, core.symbols[s]
    symbol.position = 0.0
    symbol.margin = 0.0
    cost = 0.0
    for j in range(symbol.book_first, symbol.book_end):
        book = core.books[j]
        symbol.position += book.position
        symbol.margin += book.margin
        cost += book.position * book.entry
    symbol.cost = cost * symbol.contract_size if symbol.leverage > 0.0 else 0.0
    symbol.value = symbol.position * symbol.price * symbol.contract_size - symbol.cost
    account.value = 0.0
    account.margin = 0.0
    for j in range(len(core.symbols)):
        account.value += core.symbols[j].value
        account.margin += core.symbols[j].margin
    account.equity = account.cash + account.value


def fund(core: Core, event: Event) -> None:
    """Settle the funding of a perpetual: position x last price x rate, longs pay where above 0.

    Nothing is due from books that are flat, and nothing on history.
    """
    account, symbol, rate = core.account, core.symbols[event.symbol], event.bar.open
    if account.history != 0 or symbol.leverage == 0.0:
        return
    for k in range(symbol.book_first, symbol.book_end):
        book = core.books[k]
        if book.position != 0.0:
            amount = -book.position * symbol.price * symbol.contract_size * rate
            book.funding += amount
            account.cash += amount
            log_posting(core, k, amount, Reason.FUNDING)
    account.equity = account.cash + account.value


def free(core: Core) -> float:
    """Return the cash that no margin binds; cross positions that lose bind more of it."""
    account = core.account
    if account.margin == 0.0:
        return account.cash
    lost = 0.0
    for j in range(len(core.symbols)):
        symbol = core.symbols[j]
        if symbol.leverage > 0.0 and symbol.isolated == 0:
            lost += symbol.value
    return account.cash - account.margin + min(lost, 0.0)


def _open_round_trip(core: Core, k: int, ts: int) -> None:
    book = core.books[k]
    book.opened_at = ts
    book.opened_seq = core.account.seq
    book.opened_equity = core.account.equity
    book.entry = 0.0
    book.margin = 0.0
    book.bought = 0.0
    book.spent = 0.0
    book.sold = 0.0
    book.earned = 0.0
    book.paid = 0.0
    book.funding = 0.0
