"""Keeps the money: cash, positions, their value, and the present round trip of each book."""

from engine.core.block import Core


def mark(core: Core, s: int, price: float) -> None:
    """Value symbol `s` at `price`."""
    account, symbol = core.account, core.symbols[s]
    symbol.price = price
    symbol.price_ts = account.ts
    if symbol.position != 0.0:
        value = symbol.position * price * symbol.contract_size
        account.value += value - symbol.value
        account.equity = account.cash + account.value
        symbol.value = value


def post(core: Core, k: int, ts: int, quantity: float, price: float, fee: float) -> None:
    """Enter a fill of book `k`: its position, the account's cash, and the sums over books.

    The sums are added up anew rather than adjusted, so that a flat book leaves no rounding behind.
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
    if quantity > 0.0:
        book.entry = (book.entry * book.position + price * quantity) / (book.position + quantity)
    book.position += quantity
    book.paid += fee
    account.cash -= quantity * price * symbol.contract_size + fee
    account.fees += fee
    symbol.position = 0.0
    for j in range(symbol.book_first, symbol.book_end):
        symbol.position += core.books[j].position
    symbol.value = symbol.position * symbol.price * symbol.contract_size
    account.value = 0.0
    for j in range(len(core.symbols)):
        account.value += core.symbols[j].value
    account.equity = account.cash + account.value


def _open_round_trip(core: Core, k: int, ts: int) -> None:
    book = core.books[k]
    book.opened_at = ts
    book.opened_seq = core.account.seq
    book.opened_equity = core.account.equity
    book.entry = 0.0
    book.bought = 0.0
    book.spent = 0.0
    book.sold = 0.0
    book.earned = 0.0
    book.paid = 0.0
