"""The rows of the core: what comes in, and what is kept. What goes out is in `logged`.

All times are UTC milliseconds, all money is in the account's currency, all quantities are in base
units, signed (positive is long). Numbers are 8-byte words; a whole number that stands for a word
(a kind, a status, a reason) is named in one of the tuples or enumerations below.
"""

import enum
from typing import Any

from engine.core.compile.declare import Watch
from engine.core.compile.record import Record


class Kind(enum.IntEnum):
    """Kinds of events, and what each says in `bar`."""

    BAR = 1  # a closed bar of `span` ms, known at its close
    TICK = 2  # a trade print: four times its price, its amount as volume; span is 0
    TIMER = 3  # time has passed, which closes the bars that are due: nothing
    TARGET = 4  # a row of `external` for `instance`: open = target, high = take, low = stop
    PAUSE = 5  # a person's word about `instance` and `symbol`, -1 for all: ts = the command's id
    RESUME = 6
    CLOSE = 7
    FLATTEN = 8  # close and pause
    KILL = 9  # flatten all, and open nothing until REARM
    REARM = 10
    FUNDING = 11  # holders of a perpetual pay each other: open = rate, paid by longs where above 0


class Reason(enum.IntEnum):
    """Why the core itself ordered, denied or refused. A rule's reason is RULE + its index."""

    NONE = 0
    SIGNAL = 1
    STOP_LOSS = 2
    TAKE_PROFIT = 3
    SHORT_ON_SPOT = 4
    BELOW_LOT = 5
    BELOW_NOTIONAL_MIN = 6
    TOO_MANY_ORDERS = 7
    INSUFFICIENT_FUNDS = 8
    NOTHING_LEFT = 9
    PAUSED = 10
    KILLED = 11
    COMMAND = 12
    REJECTED = 13
    NO_PRICE = 14
    OPPOSITE_BOOK = 15
    LIQUIDATION = 16
    FUNDING = 17
    EXPIRED = 18
    POST_ONLY = 19
    NO_VOLUME = 20
    TRAILING = 21
    BREAK_EVEN = 22
    ROI = 23
    TIME_STOP = 24
    OPPOSITE_SIGNAL = 25
    STOP_WRONG_SIDE = 26
    TAKE_WRONG_SIDE = 27
    NO_STOP = 28
    NO_VOLATILITY = 29
    FAILED = 30
    RULE = 100


class Status(enum.IntEnum):
    """States of an order; each change is one row of the order log."""

    PLACED = 1
    FILLED = 2
    REFUSED = 3
    CANCELED = 4
    PARTIAL = 5  # some of it was filled, the rest waits


class Failure(enum.IntEnum):
    """Why `advance` stopped before the last event."""

    NONE = 0
    RAISED = 1
    NOT_A_NUMBER = 2
    OUT_OF_RANGE = 3
    LEVEL = 4  # what is asked for at one of its levels


class Sizing(enum.IntEnum):
    """How a target exposure becomes a quantity."""

    FIXED = 1
    EQUITY = 2
    NOTIONAL = 3
    RISK = 4
    VOLATILITY = 5
    KELLY = 6


class FillOn(enum.IntEnum):
    """At which price an order that a closed bar caused is filled."""

    NEXT = 1  # the next event of the symbol
    CLOSE = 2  # the close that caused it


ORDERS_PER_BOOK = 8
OPENINGS_PER_BOOK = 4  # the other rows stay free for orders that reduce
RUNGS_MAX = 8  # of a ladder


# ── in ────────────────────────────────────────────────────────────────────────────────────────


class Bar(Record):
    """Prices and volume of one stretch of time."""

    ts: int  # when it opened
    open: float
    high: float
    low: float
    close: float
    volume: float


def watch(symbol: str | None = None, timeframe: str | None = None) -> Any:
    """Declare a field of a strategy's state that holds the last closed bar of another series.

    Each names the text parameter that says which one; what is not named is the instance's own.
    Before the first bar has closed, all of it is 0. The core writes it, a step only reads it.
    """
    return Watch(Bar, symbol, timeframe)


class Event(Record):
    """One thing that happened, in the order of `seq`."""

    ts: int  # when it was known
    seq: int
    kind: int  # Kind
    symbol: int  # index of the symbol
    instance: int  # index of the instance (TARGET)
    span: int  # length of the bar in ms (BAR)
    history: int  # 1: the state advances, nothing is ordered
    bar: Bar


# ── kept ──────────────────────────────────────────────────────────────────────────────────────


class Account(Record):
    """The one account that all books share."""

    ts: int  # of the present event
    seq: int  # of the present event
    history: int  # 1 while the present event is history
    cash: float
    value: float  # of all positions at the last prices: what spot would bring, what others gained
    equity: float  # cash + value
    margin: float  # of the cash, what holds perpetuals open
    fees: float  # paid so far
    orders: int  # placed so far: the last order id
    taker: float  # fee of an order that takes, as a fraction …
    maker: float  # … and of one that rests until the price comes to it
    slippage: float  # of an order that takes, as a fraction of the price …
    impact: float  # … and as much more, where it is as large as the bar's volume
    is_bounded: int  # 1: fills depend on the volume
    share_max: float  # of a bar's volume that orders can fill, 0.0 for no bound
    queue_share: float  # of a bar's volume that an order gets whose price is only touched
    by_limit: int  # 1: openings are limit orders …
    offset: float  # … so far below the price, above it for shorts, as a fraction
    post_only: int  # 1: a limit order that would take is canceled
    good_for: int  # ms after which a limit order expires, -1 for never
    fill_on: int  # FillOn
    latency: int  # ms from a decision to the earliest fill
    rejection: float  # share of orders that the simulated venue rejects …
    seed: int  # … and what decides which
    opposite_books: int  # 1: books of one symbol may hold against each other
    killed: int  # 1: nothing is opened
    stop_through: int  # 1: a stop inside a bar fills at the bar's worst price
    isolate: int  # 1: an instance that fails is left out; 0: `advance` stops
    failure: int  # Failure
    failed_book: int
    failed_rule: int  # index, or -1 where a strategy failed


class Symbol(Record):
    """One instrument: its grid, its last price, and what all books hold of it."""

    book_first: int
    book_end: int
    series_first: int
    series_end: int
    is_plain: int  # 1: its bars are of one timeframe, and concern one book and nothing else
    tick: float  # price step, 0.0 where prices are not rounded
    lot: float  # quantity step, 0.0 where quantities are not rounded
    notional_min: float
    contract_size: float
    leverage: float  # of a perpetual: its value over the margin that opens it; 0.0 for spot
    isolated: int  # 1: a position can lose its own margin and no more
    maintenance: float  # value x this is the least margin, below which the venue closes …
    liquidation: float  # … for this fee, as a fraction of the value
    price: float  # last, 0.0 before the first event
    price_ts: int
    volume: float  # of the present event, where fills depend on it …
    room: float  # … and how much of it can still be filled
    position: float  # sum of the books
    cost: float  # of a perpetual: sum of position x entry, which its value is counted from
    margin: float  # sum of the books
    value: float  # position at the last price, less cost


class Series(Record):
    """Bars of one timeframe of one symbol, and the books that are called with them.

    Bars that are watched are a series of their own, which stands before those that call a book.
    """

    symbol: int
    span: int  # timeframe in ms
    book_first: int  # books that are called when a bar closes …
    book_end: int
    tick_end: int  # … and behind them those that are called on each tick
    watch_first: int  # watches that a closed bar is copied to
    watch_end: int
    volatility_first: int
    volatility_end: int
    closes: int  # when the forming bar's time is over
    count: int  # events in the forming bar, 0 for none
    bar: Bar  # the forming bar


class Volatility(Record):
    """How much the closes of a series vary: an exponential average over `length` bars."""

    span: int  # of the bars, ms
    length: int
    count: int  # returns seen so far
    close: float  # the last one, 0.0 before the first
    variance: float  # average of squared returns


class Rung(Record):
    """A part of a position that is closed at a profit of its own."""

    at: float  # profit, a fraction of the entry price
    share: float  # of all that was entered; 1.0: what is left


class Roi(Record):
    """The profit that is enough from an age on."""

    age: int  # ms since the position was opened
    ratio: float  # profit, a fraction of the entry price


class Out(Record):
    """What a strategy wants; holds its present wishes until it writes others."""

    target: float  # exposure in [-1, 1]
    stop: float  # price, 0.0 for none
    take: float  # price, 0.0 for none
    tag: int  # why, a key of the class's `tags`


class Wish(Record):
    """What a strategy has asked for and been heard."""

    target: float
    stop: float
    take: float


class Book(Record):
    """What one instance wants and holds in one symbol."""

    instance: int
    symbol: int
    span: int  # timeframe of the bars that it is shown, ms
    step: int  # index of the step function, -1 after it failed
    paused: int  # 1: nothing is opened
    params: int  # word offsets in the block
    state: int
    sizing: int  # Sizing
    quantity: float  # Sizing.FIXED
    ratio: float  # Sizing.EQUITY: equity per exposure 1, reserve and costs taken off
    notional: float  # Sizing.NOTIONAL: money per exposure 1
    aim: float  # what RISK may lose, how much VOLATILITY varies in a year, how much of KELLY
    ratio_min: float  # Sizing.KELLY: least equity per exposure 1, like `ratio`
    ratio_max: float  # the most
    trades_min: int  # Sizing.KELLY: closed trades until `ratio` is replaced
    volatility: int  # Sizing.VOLATILITY: row of the volatilities
    stop_loss: float  # fractions of the fill price, 0.0 for none
    take_profit: float
    trailing_distance: float  # of the stop from the best price, a fraction, 0.0 for none
    trailing_activation: float  # profit from which on it trails, a fraction of the entry price
    break_even_at: float  # profit that moves the stop to the entry, 0.0 for never …
    break_even_offset: float  # … and so much beyond it
    time_stop: int  # ms after which a position is closed, 0 for never
    ignores_opposite: int  # 1: a signal against the position does not close it …
    kept: float  # … and the target that it is kept for since, 0.0 for none
    rung_first: int  # of the ladder
    rung_end: int
    roi_first: int
    roi_end: int
    wish: Wish  # what the strategy last asked for
    out: Out  # what it asks for now
    position: float  # negative: short
    entry: float  # average price of the position
    margin: float  # that holds it open, 0.0 for spot
    stop: float  # live prices, 0.0 for none
    take: float
    stop_reason: int  # Reason: which of the exits has set the stop
    grown_seq: int  # of the event whose fill last made the position larger
    best: float  # price since then, 0.0 without a position
    trailing: float  # where the trailing stop is, 0.0 where it does not trail yet
    break_even: float  # the same of the break-even stop
    rung: int  # how many of the ladder are gone
    rung_left: float  # of the next one, what the volume has left of it; 0.0 for all
    roi: int  # how many rows have come of age
    floor: float  # nothing happens to the position, if any, while prices stay above it …
    ceiling: float  # … and below this …
    due: int  # … before this time
    inside: int  # seq of the event inside which a limit order entered, not at its open
    orders: int  # how many of the book's order rows are working
    levels: int  # word offset of the strategy's `Levels` in the block, 0 where it has none …
    room: int  # … and the length of its arrays
    level_first: int  # rows of the levels
    level_end: int
    resting: int  # how many of them have an order at work
    opened_at: int  # of the present round trip: bar or tick time of its first fill
    opened_seq: int
    bought: float  # quantity bought so far in the present round trip
    spent: float  # the same x price
    sold: float
    earned: float
    paid: float  # fees of the round trip
    funding: float  # received in the round trip, negative where paid
    opened_equity: float
    wins: int  # closed round trips, and the sums of their profits per money entered
    losses: int
    won: float
    lost: float


class WatchRow(Record):
    """Where a strategy keeps the last closed bar of a series that it watches."""

    place: int  # word offset in the block, in the strategy's state


class RuleRow(Record):
    """One risk rule."""

    check: int  # index of the check function
    params: int
    state: int


class Order(Record):
    """An order that waits for its event, or for its price."""

    id: int
    seq: int  # of the event that caused it
    ts: int  # the earliest time it can be filled
    quantity: float  # that is not filled yet
    limit: float  # worst price, 0.0 for a market order
    expires: int  # time from which on it is canceled, 0 for never
    rests: int  # order.Rest
    reduces: int  # 1: it can only bring the position closer to zero
    reason: int  # Reason


# ── handed to users' code ─────────────────────────────────────────────────────────────────────


class View(Record):
    """What a rule may look at: the account and the symbol as they are now."""

    ts: int
    cash: float
    equity: float
    exposure: float  # absolute value of all positions, working orders counted as filled
    symbol_exposure: float  # the same of this symbol alone
    positions: int  # books that hold something, working orders counted as filled
    position: float  # of this book, likewise
    price: float
    price_age: int  # ms since the last price


class Intent(Record):
    """An opening that a rule is asked about."""

    instance: int
    symbol: int
    quantity: float  # signed change of the position
    price: float
    notional: float  # |quantity| x price x contract size
    measured: float  # written by the rule: what it measured
    limit: float  # written by the rule: what it allows
