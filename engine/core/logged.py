"""The rows of the logs: what goes out of the core. Units are those of `records`."""

from engine.core.compile.record import Record


class Log(Record):
    """How many rows each log holds since the shell last emptied them."""

    signals: int
    decisions: int
    denials: int
    orders: int
    fills: int
    postings: int
    trades: int
    rows: int  # of all logs together
    rows_max: int  # `advance` returns before an event when more are in use


class SignalRow(Record):
    """A strategy changed what it wants, or what it wants at a level."""

    ts: int
    seq: int
    book: int
    target: float  # exposure; of a level: to gain there, 0.0 to leave
    limit: float  # price of the level, 0.0 for a target
    stop: float
    take: float
    price: float
    tag: int


class DecisionRow(Record):
    """What risk said to the signal of the same book and seq."""

    ts: int
    seq: int
    book: int
    approved: int  # 1: `quantity` was ordered (0.0: there was nothing to do); 0: denied
    quantity: float
    denials: int  # rows of the denial log that belong to it


class DenialRow(Record):
    """One of the reasons of a denied decision."""

    ts: int
    seq: int
    book: int
    reason: int  # Reason
    measured: float
    limit: float


class OrderRow(Record):
    """A change of an order's status."""

    ts: int
    seq: int
    book: int
    id: int
    status: int  # Status
    quantity: float
    price: float  # last price when placed, fill price afterwards
    reason: int  # Reason


class FillRow(Record):
    """A fill, and the account right after it."""

    ts: int  # open time of the bar, or time of the tick, that filled it
    seq: int
    book: int
    order: int
    quantity: float
    price: float
    fee: float
    slippage: float  # money that the fill's price cost beyond that of the event
    paid: float  # what the account's cash lost by it: the fee, and what was bought or lost
    position: float  # of the book, afterwards
    cash: float  # afterwards
    reason: int  # Reason


class PostingRow(Record):
    """Money that moved without a fill."""

    ts: int
    seq: int
    book: int
    amount: float  # received by the account, negative where paid
    reason: int  # Reason


class TradeRow(Record):
    """A closed round trip of one book."""

    opened_at: int
    closed_at: int
    opened_seq: int
    seq: int
    book: int
    quantity: float  # entered, negative for a short
    entry: float  # average prices
    exit: float
    fees: float
    funding: float  # received, negative where paid
    profit: float  # net of fees and funding
    equity: float  # of the account at the entry
    reason: int  # Reason of the last exit
