"""Appends what happened to the logs that the shell empties."""

from engine.core.block import Core
from engine.core.records import Status


def log_signal(core: Core, k: int, tag: int) -> None:
    """Append that book `k` now wants another target."""
    log_wish(core, k, core.books[k].wish.target, 0.0, tag)


def log_wish(core: Core, k: int, target: float, limit: float, tag: int) -> None:
    """Append that book `k` now wants a target, or where `limit` is a price, so much at a level."""
    book = core.books[k]
    row = core.signals[core.log.signals]
    row.ts = core.account.ts
    row.seq = core.account.seq
    row.book = k
    row.target = target
    row.limit = limit
    row.stop = book.wish.stop
    row.take = book.wish.take
    row.price = core.symbols[book.symbol].price
    row.tag = tag
    core.log.signals += 1
    core.log.rows += 1


def log_decision(core: Core, k: int, approved: int, quantity: float, denials: int) -> None:
    """Append what became of the signal of book `k`."""
    row = core.decisions[core.log.decisions]
    row.ts = core.account.ts
    row.seq = core.account.seq
    row.book = k
    row.approved = approved
    row.quantity = quantity
    row.denials = denials
    core.log.decisions += 1
    core.log.rows += 1


def log_denial(core: Core, k: int, reason: int, measured: float, limit: float) -> None:
    """Append one reason why an opening of book `k` is denied."""
    row = core.denials[core.log.denials]
    row.ts = core.account.ts
    row.seq = core.account.seq
    row.book = k
    row.reason = reason
    row.measured = measured
    row.limit = limit
    core.log.denials += 1
    core.log.rows += 1


def log_order(
    core: Core, k: int, order: int, status: Status, quantity: float, price: float, reason: int
) -> None:
    """Append a new status of an order of book `k`."""
    row = core.orders[core.log.orders]
    row.ts = core.account.ts
    row.seq = core.account.seq
    row.book = k
    row.id = order
    row.status = status
    row.quantity = quantity
    row.price = price
    row.reason = reason
    core.log.orders += 1
    core.log.rows += 1


def log_fill(
    core: Core, k: int, order: int, ts: int, quantity: float, price: float, fee: float,
    slippage: float, paid: float, reason: int,
) -> None:  # fmt: skip
    """Append a fill of book `k` that is already in the ledger."""
    row = core.fills[core.log.fills]
    row.ts = ts
    row.seq = core.account.seq
    row.book = k
    row.order = order
    row.quantity = quantity
    row.price = price
    row.fee = fee
    row.slippage = slippage
    row.paid = paid
    row.position = core.books[k].position
    row.cash = core.account.cash
    row.reason = reason
    core.log.fills += 1
    core.log.rows += 1


def log_posting(core: Core, k: int, amount: float, reason: int) -> None:
    """Append money that book `k` brought or cost the account without a fill."""
    row = core.postings[core.log.postings]
    row.ts = core.account.ts
    row.seq = core.account.seq
    row.book = k
    row.amount = amount
    row.reason = reason
    core.log.postings += 1
    core.log.rows += 1


def log_trade(core: Core, k: int, ts: int, was_long: bool, reason: int) -> None:
    """Append the round trip that book `k` has just closed."""
    book = core.books[k]
    bought, sold = book.spent / book.bought, book.earned / book.sold
    moved = (book.earned - book.spent) * core.symbols[book.symbol].contract_size
    row = core.trades[core.log.trades]
    row.opened_at = book.opened_at
    row.closed_at = ts
    row.opened_seq = book.opened_seq
    row.seq = core.account.seq
    row.book = k
    row.quantity = book.bought if was_long else -book.sold
    row.entry = bought if was_long else sold
    row.exit = sold if was_long else bought
    row.fees = book.paid
    row.funding = book.funding
    row.profit = moved - book.paid + book.funding
    row.equity = book.opened_equity
    row.reason = reason
    core.log.trades += 1
    core.log.rows += 1
