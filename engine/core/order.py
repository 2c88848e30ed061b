"""Places orders and keeps the working ones of each book, oldest first."""

from engine.core.block import Core
from engine.core.fill import execute
from engine.core.log import log_order
from engine.core.records import ORDERS_PER_BOOK, Failure, FillOn, Reason, Status


def place(core: Core, k: int, quantity: float) -> None:
    """Place a market order of book `k` for the next event of its symbol."""
    account, book = core.account, core.books[k]
    price = core.symbols[book.symbol].price
    account.orders += 1
    log_order(core, k, account.orders, Status.PLACED, quantity, price, Reason.SIGNAL)
    if account.fill_on == FillOn.CLOSE:
        execute(core, k, account.orders, quantity, account.ts, price, Reason.SIGNAL)
        return
    if book.orders == ORDERS_PER_BOOK:
        account.failure = Failure.ORDERS_FULL
        account.failed_book = k
        return
    order = core.working[k * ORDERS_PER_BOOK + book.orders]
    order.id = account.orders
    order.seq = account.seq
    order.ts = account.ts
    order.quantity = quantity
    book.orders += 1


def working_quantity(core: Core, k: int) -> float:
    """Return the signed quantity of all working orders of book `k`."""
    quantity = 0.0
    for q in range(core.books[k].orders):
        quantity += core.working[k * ORDERS_PER_BOOK + q].quantity
    return quantity
