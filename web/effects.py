"""What an action will do, in figures, from how the engine is now."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.settings import Settings
from engine.store import latches
from engine.store.tables import Row
from web.commands import Wish
from web.view import Held, State

_CLOSING = ("close", "flatten", "kill")


@dataclass(frozen=True)
class Sale:
    """The end of a position, at market.

    quantity  base units, above zero
    value     in `quote`, at the last price; None where that is not known
    profit    in `quote`, against the entry price, before fees; None where it is not known
    """

    instance: str
    symbol: str
    is_buy: bool
    quantity: float
    currency: str
    value: float | None
    profit: float | None
    quote: str


@dataclass(frozen=True)
class Effect:
    """What will happen.

    sales     of each position that ends
    orders    working orders: of those, all are canceled by close, flatten and kill, and by pause
              those that open
    released  the latches that are released by resume and rearm, as the store has them
    already   instances that are paused, of those that would be
    """

    sales: tuple[Sale, ...]
    orders: int
    released: tuple[Row, ...]
    already: tuple[str, ...]

    @property
    def value(self) -> float | None:
        """What is sold or bought together, None where a price is not known."""
        values = [sale.value for sale in self.sales]
        return sum(value for value in values if value is not None) if None not in values else None


def effect(wish: Wish, state: State, settings: Settings, stand: Mapping[str, Row]) -> Effect:
    """Return what a wish would do now; `stand` is latch → row, as `queries.latches` says."""
    books = [held for held in state.held if _concerns(wish, held)]
    closes = wish.action in _CLOSING
    return Effect(
        sales=tuple(
            _sale(held, state, settings) for held in books if closes and held.quantity != 0.0
        ),
        orders=sum(held.orders for held in books) if closes or wish.action == "pause" else 0,
        released=tuple(row for row in latches.in_force(stand.values()) if _releases(wish, row)),
        already=tuple(
            sorted({held.instance for held in books if held.paused})
            if wish.action in ("pause", "flatten")
            else ()
        ),
    )


def _concerns(wish: Wish, held: Held) -> bool:
    return wish.instance in (None, held.instance) and wish.symbol in (None, held.symbol)


def _releases(wish: Wish, latch: Row) -> bool:
    """Tell whether a wish releases a latch: all that it holds must be of the wish's place."""
    word, *places = str(latch["name"]).split()
    if wish.action == "rearm":
        return word == "kill"
    wished = {place for place in (wish.instance, wish.symbol) if place is not None}
    return wish.action == "resume" and word == "pause" and wished <= set(places)


def _sale(held: Held, state: State, settings: Settings) -> Sale:
    """Return what closing a book means at the last price."""
    mark = state.marks.get(held.symbol)
    units = held.quantity * (settings.universe.instrument(held.symbol).contract_size or 1.0)
    return Sale(
        instance=held.instance,
        symbol=held.symbol,
        is_buy=held.quantity < 0.0,
        quantity=abs(held.quantity),
        currency=held.symbol.partition("/")[0],
        value=None if mark is None else abs(units) * mark.price,
        profit=None if mark is None else units * (mark.price - held.entry),
        quote=settings.universe.quote(held.symbol),
    )
