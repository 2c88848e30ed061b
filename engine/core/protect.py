"""Sets the prices at which a position is closed on its own."""

from engine.core.block import Core


def protect(core: Core, k: int) -> None:
    """Set stop and take of book `k`: the strategy's own prices, else ratios of its entry."""
    book = core.books[k]
    book.stop = book.wish.stop
    book.take = book.wish.take
    if book.stop == 0.0 and book.stop_loss > 0.0:
        book.stop = book.entry * (1.0 - book.stop_loss)
    if book.take == 0.0 and book.take_profit > 0.0:
        book.take = book.entry * (1.0 + book.take_profit)
