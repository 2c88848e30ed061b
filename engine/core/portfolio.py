"""What to trade, in plain values: the declaration that the block of the core is made from."""

import re
from dataclasses import dataclass

from engine.core.compile.declare import Rule, Strategy
from engine.core.records import FillOn, Reason, Sizing

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def parse_timeframe(text: str) -> int:
    """Return the milliseconds of a timeframe such as `1m`, `4h` or `1d`.

    Raises ValueError with a sentence where the text is none.
    """
    match = re.fullmatch(r"([1-9][0-9]*)([smhdw])", text)
    if not match:
        raise ValueError(f"must be a number and one of s m h d w, such as 1m or 4h, was {text!r}")
    return int(match[1]) * _UNITS_MS[match[2]]


@dataclass(frozen=True)
class Instrument:
    """A symbol and its grid; 0.0 means that prices or quantities are not rounded.

    A linear perpetual has a `leverage`, which is 0.0 for spot. `maintenance` and `liquidation` are
    fractions of a position's value: the least margin, and the fee where it is gone.
    """

    symbol: str
    tick: float = 0.0
    lot: float = 0.0
    notional_min: float = 0.0
    contract_size: float = 1.0
    leverage: float = 0.0
    isolated: bool = True
    maintenance: float = 0.0
    liquidation: float = 0.0


@dataclass(frozen=True)
class Watched:
    """Closed bars that an instance watches: the last one is kept in `field` of its state.

    `symbol` None stands for the symbol of each book, `span` is the timeframe in ms.
    """

    field: str
    symbol: str | None
    span: int


@dataclass(frozen=True)
class Instance:
    """One declared strategy with its book; `span` is its timeframe in ms.

    `ratio` is the equity that exposure 1 stands for, `reserve_ratio` the part of it left unused;
    for what the other sizings need see `records.Book`. `length` is in bars.
    `stop_loss` and the other exits are fractions of the fill price, 0.0 for none. `ladder` has rows
    (profit, share of what was entered), `roi` rows (ms since the entry, profit); both ascend.
    """

    name: str
    strategy: Strategy
    symbols: tuple[str, ...]
    span: int
    sizing: Sizing
    quantity: float = 0.0
    ratio: float = 0.0
    reserve_ratio: float = 0.0
    notional: float = 0.0
    aim: float = 0.0
    ratio_min: float = 0.0
    ratio_max: float = 0.0
    trades_min: int = 0
    length: int = 0
    stop_loss: float = 0.0
    take_profit: float = 0.0
    ladder: tuple[tuple[float, float], ...] = ()
    roi: tuple[tuple[int, float], ...] = ()
    trailing_distance: float = 0.0
    trailing_activation: float = 0.0
    break_even_at: float = 0.0
    break_even_offset: float = 0.0
    time_stop: int = 0  # ms
    ignores_opposite: bool = False

    @property
    def watched(self) -> tuple[Watched, ...]:
        """What the strategy's parameters say it watches."""
        return tuple(
            Watched(
                field,
                getattr(self.strategy, watch.symbol) if watch.symbol else None,
                parse_timeframe(getattr(self.strategy, watch.timeframe))
                if watch.timeframe
                else self.span,
            )
            for field, watch in self.strategy.watches.items()
        )

    @property
    def spans(self) -> set[int]:
        """The timeframes of what the strategy is called with and of what it watches, in ms."""
        return {self.span, *(watched.span for watched in self.watched)}


@dataclass(frozen=True)
class Portfolio:
    """All instances on one account; fees and `slippage` are fractions of the traded value.

    Slippage grows by `impact` x the root of the order's share in the bar's volume, of which no more
    than `share_max` can be filled (0.0: no bound), `queue_share` where a limit order is only
    touched. `by_limit` makes openings limit orders, `offset` (a fraction) better than the price,
    which live `good_for` ms (-1: for ever) and, where `post_only`, never take.

    The simulated venue fills an order `latency` ms after its decision at the earliest, and rejects
    a share `rejection` of them, drawn from `seed`. `stop_through` is the pessimist's market: a stop
    that is reached inside a bar fills at the bar's worst price.
    """

    instruments: tuple[Instrument, ...]
    instances: tuple[Instance, ...]
    rules: tuple[tuple[str, Rule], ...]
    cash: float
    taker: float = 0.0
    maker: float = 0.0
    slippage: float = 0.0
    impact: float = 0.0
    share_max: float = 0.0
    queue_share: float = 1.0
    by_limit: bool = False
    offset: float = 0.0
    post_only: bool = False
    good_for: int = -1
    fill_on: FillOn = FillOn.NEXT
    latency: int = 0
    rejection: float = 0.0
    seed: int = 0
    opposite_books: bool = False
    stop_through: bool = False

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, in the order of their index in the core."""
        return tuple(instrument.symbol for instrument in self.instruments)

    @property
    def spans(self) -> tuple[int, ...]:
        """The timeframes in use, in ms, ascending."""
        return tuple(sorted(set().union(*(instance.spans for instance in self.instances))))

    def reason(self, code: int) -> str:
        """Return the word for a reason code of the core or of one of the rules."""
        if code >= Reason.RULE:
            return type(self.rules[code - Reason.RULE][1]).reason
        return Reason(code).name.lower()
