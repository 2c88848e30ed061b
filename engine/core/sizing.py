"""Turns a target exposure into a quantity on the instrument's lot grid."""

import math

from engine.core.block import Core
from engine.core.records import Sizing


def sized(core: Core, k: int) -> float:
    """Return the position that book `k` should have for its present target.

    `fixed`: target x quantity. `equity`: target x ratio x equity / price, where `ratio` already
    leaves out the reserve, the fee and the slippage of the order, so that it can pay for itself.
    """
    account, book = core.account, core.books[k]
    symbol = core.symbols[book.symbol]
    if book.sizing == Sizing.FIXED:
        quantity = book.wish.target * book.quantity
    else:
        price = symbol.price * symbol.contract_size
        quantity = book.wish.target * book.ratio * account.equity / price
    if symbol.lot == 0.0:
        return quantity
    lots = math.floor(abs(quantity) / symbol.lot + 1e-9)
    return lots * symbol.lot if quantity > 0.0 else -lots * symbol.lot
