"""What holds perpetuals open, and when the venue closes them.

`docs/guide/perpetuals.md` has worked examples.
"""

from engine.core.block import Core
from engine.core.fill import settle
from engine.core.log import log_order
from engine.core.order import Waiting, cancel
from engine.core.records import Bar, Reason, Status


def liquidate(core: Core, s: int, bar: Bar, reached: float) -> None:
    """Close the positions of perpetual `s` where a price of an event leaves too little margin.

    They are closed at the liquidation price, or at the open where that lies beyond it. An isolated
    position loses its margin and no more: what a gap costs beyond is the venue's insurance. A cross
    one can leave the account below zero.
    """
    symbol = core.symbols[s]
    is_long = symbol.position > 0.0
    price = liquidation_price(core, s)
    if reached > price if is_long else reached < price:
        return
    price = min(price, bar.open) if is_long else max(price, bar.open)
    if symbol.isolated != 0:
        gone = (symbol.cost - symbol.margin) / (symbol.position * symbol.contract_size)
        price = max(price, gone) if is_long else min(price, gone)
    for k in range(symbol.book_first, symbol.book_end):
        book = core.books[k]
        if book.position != 0.0:
            cancel(core, k, Waiting.ALL, Reason.LIQUIDATION)
            core.account.orders += 1
            order, quantity = core.account.orders, -book.position
            units = abs(quantity) * symbol.contract_size
            fee = units * price * symbol.liquidation
            if symbol.isolated != 0:
                lost = (book.entry - price) * book.position * symbol.contract_size
                fee = min(fee, max(book.margin - lost, 0.0))
            log_order(core, k, order, Status.PLACED, quantity, price, Reason.LIQUIDATION)
            status, reason = Status.FILLED, Reason.LIQUIDATION
            settle(core, k, order, status, quantity, bar.ts, price, fee, 0.0, reason)


def liquidation_price(core: Core, s: int) -> float:
    """Return the price at which the venue closes the position of perpetual `s`.

    There balance + position x price - cost = maintenance x |position| x price, where `balance` is
    the margin of an isolated position, and for a cross one what the account has for it. A long
    position that can lose its whole price has one at or below 0.
    """
    symbol = core.symbols[s]
    units = symbol.position * symbol.contract_size
    slope = units - symbol.maintenance * abs(units)
    return (symbol.cost - _balance(core, s)) / slope


def _balance(core: Core, s: int) -> float:
    """Return what can be lost on symbol `s`: its own margin, or all that no other position needs.

    Isolated margins are out of reach of a cross position, and so is what spot is worth.
    """
    if core.symbols[s].isolated != 0:
        return core.symbols[s].margin
    balance = core.account.cash
    for j in range(len(core.symbols)):
        other = core.symbols[j]
        if j == s or other.position == 0.0 or other.leverage == 0.0:
            continue
        if other.isolated != 0:
            balance -= other.margin
        else:
            least = other.maintenance * abs(other.position) * other.price * other.contract_size
            balance += other.value - least
    return balance
