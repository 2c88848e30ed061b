"""What the open positions are worth at the last prices, and how much of it is allowed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.core.compile.declare import Rule
from engine.settings import Settings
from web.bars import MINUTE_MS, bars_of
from web.view import Mark, State, View

GROSS, COUNT = "gross_exposure_above_limit", "open_positions_at_limit"  # what such rules say


@dataclass(frozen=True)
class Holding:
    """What a book holds, in figures; quantities in base units, signed, money before fees.

    value     of the position at the last price, signed; None where no price is known
    profit    against the entry price, with `ratio`, the same as a fraction of what was paid
    stop      price, with `stop_away`: what the price must still move to it, as a fraction
    take      likewise
    orders    working orders of the book
    """

    instance: str
    symbol: str
    quantity: float
    entry: float
    mark: Mark | None
    value: float | None
    profit: float | None
    ratio: float | None
    stop: float | None
    stop_away: float | None
    take: float | None
    take_away: float | None
    opened_at: int
    orders: int
    paused: bool

    @property
    def is_open(self) -> bool:
        """Whether anything is held; else an order is working."""
        return self.quantity != 0.0

    @property
    def is_long(self) -> bool:
        """Whether it gains when the price rises."""
        return self.quantity > 0.0


@dataclass(frozen=True)
class Exposure:
    """The value of all positions as fractions of the equity; None where a price is not known."""

    gross: float | None
    net: float | None


def holdings(state: State, settings: Settings) -> list[Holding]:
    """Return every book that holds something or has a working order, the largest value first."""
    found = []
    for held in state.held:
        instrument = settings.universe.instrument(held.symbol)
        mark = state.marks.get(held.symbol)
        units = held.quantity * (instrument.contract_size or 1.0)
        paid = abs(units) * held.entry
        profit = units * (mark.price - held.entry) if mark and held.quantity else None
        found.append(
            Holding(
                held.instance,
                held.symbol,
                quantity=held.quantity,
                entry=held.entry,
                mark=mark,
                value=units * mark.price if mark else None,
                profit=profit,
                ratio=profit / paid if profit is not None and paid else None,
                stop=held.stop,
                stop_away=_away(held.stop, mark),
                take=held.take,
                take_away=_away(held.take, mark),
                opened_at=held.opened_at,
                orders=held.orders,
                paused=held.paused,
            )
        )
    return sorted(found, key=lambda one: (-abs(one.value or 0.0), one.instance, one.symbol))


def priced(view: View) -> State:
    """Return the state, with the journal's prices of what is held where the engine is not heard.

    What the store has are prices of the last snapshot, which may be hours old.
    """
    state = view.state
    if state.source == "stream":
        return state
    marks, bars = dict(state.marks), bars_of(view)
    for symbol in {held.symbol for held in state.held}:
        minutes = bars.of(symbol, MINUTE_MS, 1, state.ts + 1).bars
        if len(minutes):
            ts, close = int(minutes["ts"][-1]), float(minutes["close"][-1])
            known = marks.get(symbol)
            if known is None or known.ts < ts + MINUTE_MS:
                marks[symbol] = Mark(close, min(ts + MINUTE_MS - 1, state.ts))
    return replace(state, marks=marks)


def exposure(books: Iterable[Holding], equity: float | None) -> Exposure:
    """Return how much of the equity is in positions, gross and net."""
    values = [book.value for book in books if book.is_open]
    if not equity or equity <= 0.0 or None in values:
        return Exposure(None, None)
    known = [value for value in values if value is not None]
    return Exposure(sum(map(abs, known)) / equity, sum(known) / equity)


def open_profit(books: Iterable[Holding]) -> float | None:
    """Return the profit of all positions before fees, None where a price is not known."""
    profits = [book.profit for book in books if book.is_open]
    return None if None in profits else sum(profit for profit in profits if profit is not None)


def gross_limit(settings: Settings) -> float | None:
    """Return the largest gross exposure that a rule allows, None where none does."""
    return _limit(settings, GROSS, "ratio_max")


def count_limit(settings: Settings) -> float | None:
    """Return how many positions a rule allows, None where none does."""
    return _limit(settings, COUNT, "count_max")


def _limit(settings: Settings, reason: str, key: str) -> float | None:
    """Return the tightest limit of the rules that give this reason."""
    rules: Iterable[Rule] = settings.risk.values()
    return min((float(getattr(rule, key)) for rule in rules if rule.reason == reason), default=None)


def _away(price: float | None, mark: Mark | None) -> float | None:
    return price / mark.price - 1.0 if price and mark and mark.price else None
