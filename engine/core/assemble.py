"""Lays a portfolio out as a block: which rows there are, and what stands in them at the start."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.core.block import LOGS, TABLES, Words, allocate, table_of, tail_of, word_of
from engine.core.compile.declare import Part
from engine.core.compile.record import where
from engine.core.levels import levels_of
from engine.core.portfolio import Instance, Portfolio
from engine.core.protect import NEVER
from engine.core.records import ORDERS_PER_BOOK, RUNGS_MAX, Roi, Rung, Sizing
from engine.errors import ConfigError

LOG_ROWS = 1 << 16
_SAME = (  # fields of a book that are those of its instance
    *("sizing", "quantity", "notional", "aim", "trades_min", "stop_loss", "take_profit"),
    *("trailing_distance", "trailing_activation", "break_even_at", "break_even_offset"),
    *("time_stop", "ignores_opposite"),
)
CALLS = ("bar", "tick", "target")  # what a step can be called on, in the order of the books


@dataclass(frozen=True)
class Place:
    """Where a book comes from: one instance in one symbol; `on` is what its step is called on."""

    symbol: int
    span: int
    instance: int
    on: str


@dataclass(frozen=True, order=True)
class Line:
    """A series: bars of `span` ms of one symbol, that call books or that are watched.

    In this order those that are watched stand first in each symbol: on one event they are kept
    before a book is called.
    """

    symbol: int
    calls: bool
    span: int


@dataclass(frozen=True)
class Layout:
    """What the rows of a block stand for: the book of each row, and the part of each function."""

    portfolio: Portfolio
    books: tuple[Place, ...]
    parts: tuple[Part, ...]

    def book(self, k: int) -> tuple[Instance, str]:
        """Return the instance and the symbol of a book."""
        place = self.books[k]
        return self.portfolio.instances[place.instance], self.portfolio.symbols[place.symbol]

    def watches(self) -> list[tuple[Line, int, str]]:
        """Return each watch: what is watched, the book and its field, in the order of series."""
        symbols = self.portfolio.symbols
        return sorted(
            (Line(symbol, False, watched.span), k, watched.field)
            for k, place in enumerate(self.books)
            for watched in self.portfolio.instances[place.instance].watched
            for symbol in [symbols.index(watched.symbol) if watched.symbol else place.symbol]
        )

    def levels(self, k: int) -> tuple[str, int]:
        """Return where the strategy of a book keeps `Levels`, and how many: ("", 0) for none.

        Raises ConfigError where it keeps several.
        """
        strategy = self.parts[self.books[k].instance]
        found = levels_of(strategy)
        if len(found) > 1:
            raise ConfigError(
                f"{where(type(strategy))}: {type(strategy).__name__}.State: must have one Levels at"
                f" most, had {len(found)} ({', '.join(found)}). Keep all prices in one of them."
            )
        name, lengths = next(iter(found.items()), ("", (0,)))
        return name, max(getattr(strategy, n) if isinstance(n, str) else n for n in lengths)

    def series(self) -> list[Line]:
        """Return what each row of the table of series stands for."""
        calling = {Line(place.symbol, True, place.span) for place in self.books}
        return sorted(calling.union(line for line, _, _ in self.watches()))


def layout(portfolio: Portfolio) -> Layout:
    """Order the books by symbol and timeframe, and number the functions: steps, then checks."""
    symbols = portfolio.symbols
    books = sorted(
        (
            Place(symbols.index(symbol), instance.span, i, instance.strategy.on)
            for i, instance in enumerate(portfolio.instances)
            for symbol in instance.symbols
        ),
        key=lambda place: (place.symbol, place.span, CALLS.index(place.on)),
    )
    strategies = [instance.strategy for instance in portfolio.instances]
    return Layout(portfolio, tuple(books), (*strategies, *(rule for _, rule in portfolio.rules)))


def assemble(plan: Layout) -> tuple[Words, Words]:
    """Return the block at its start and an empty log."""
    portfolio = plan.portfolio
    series, watches = plan.series(), plan.watches()
    counts = {name: 1 for name, (_, single) in TABLES.items() if single and name not in LOGS}
    counts |= {
        "symbols": len(portfolio.instruments),
        "series": len(series),
        "watches": len(watches),
        "books": len(plan.books),
        "rungs": sum(len(one.ladder) for one in portfolio.instances),
        "roi": sum(len(one.roi) for one in portfolio.instances),
        "volatilities": len(volatilities(plan)),
        "rules": len(portfolio.rules),
        "working": len(plan.books) * ORDERS_PER_BOOK,
        "levels": sum(plan.levels(k)[1] for k in range(len(plan.books))),
    }
    users = [plan.parts[place.instance] for place in plan.books]
    users += [rule for _, rule in portfolio.rules]
    block = allocate(counts, sum(_user_words(user) for user in users))
    places = _lay_users(block, tail_of(counts), users)
    _account(block, portfolio)
    _symbols(block, plan, series)
    for f, line in enumerate(series):
        _series(block, plan, f, line, [watched for watched, _, _ in watches])
    _exits(block, plan)
    for k, place in enumerate(plan.books):
        _book(block, k, place, plan, next(places))
    for w, (_, k, field) in enumerate(watches):
        state = int(table_of(block, "books")["state"][k])
        table_of(block, "watches")[w] = state + word_of(users[k].StateRecord, field)
    for r in range(len(portfolio.rules)):
        params, state = next(places)
        table_of(block, "rules")[r] = (len(portfolio.instances) + r, params, state)
    return block, _log(counts["books"], counts["levels"], counts["rules"])


def _user_words(user: Part) -> int:
    return user.Params.words + user.StateRecord.words


def _lay_users(block: Words, offset: int, users: list[Part]) -> Iterator[tuple[int, int]]:
    """Write each user's parameters and state; yield the offsets of both."""
    for user in users:
        params, state = user.params_words(), user.state_words()
        block[offset : offset + len(params)] = params
        block[offset + len(params) : offset + len(params) + len(state)] = state
        yield offset, offset + len(params)
        offset += len(params) + len(state)


def _account(block: Words, portfolio: Portfolio) -> None:
    account = table_of(block, "account")
    account["cash"] = account["equity"] = portfolio.cash
    for name in ("taker", "maker", "slippage", "impact", "share_max", "queue_share", "by_limit"):
        account[name] = getattr(portfolio, name)
    for name in ("offset", "post_only", "good_for"):
        account[name] = getattr(portfolio, name)
    account["is_bounded"] = _is_bounded(portfolio)
    account["fill_on"] = portfolio.fill_on
    account["latency"] = portfolio.latency
    account["rejection"] = portfolio.rejection
    account["seed"] = portfolio.seed
    account["opposite_books"] = portfolio.opposite_books
    account["stop_through"] = portfolio.stop_through
    account["seq"] = account["failed_rule"] = -1


def _symbols(block: Words, plan: Layout, series: list[Line]) -> None:
    for s, instrument in enumerate(plan.portfolio.instruments):
        books = [k for k, place in enumerate(plan.books) if place.symbol == s]
        bars = [f for f, line in enumerate(series) if line.symbol == s]
        row = table_of(block, "symbols")[s : s + 1]
        row["book_first"], row["book_end"] = (books[0], books[-1] + 1) if books else (0, 0)
        row["series_first"], row["series_end"] = (bars[0], bars[-1] + 1) if bars else (0, 0)
        row["is_plain"] = _is_plain(plan, books, bars)
        row["tick"] = instrument.tick
        row["lot"] = instrument.lot
        row["notional_min"] = instrument.notional_min
        for name in ("contract_size", "leverage", "isolated", "maintenance", "liquidation"):
            row[name] = getattr(instrument, name)


def _is_plain(plan: Layout, books: list[int], series: list[int]) -> bool:
    """Return whether the bars of a symbol do nothing but call one step."""
    portfolio = plan.portfolio
    if len(books) != 1 or len(series) != 1 or _is_bounded(portfolio) or plan.levels(books[0])[1]:
        return False
    place = plan.books[books[0]]
    is_measured = portfolio.instances[place.instance].sizing == Sizing.VOLATILITY
    return place.on == "bar" and not is_measured


def _is_bounded(portfolio: Portfolio) -> bool:
    """Return whether fills depend on the volume."""
    return portfolio.share_max > 0.0 or portfolio.impact > 0.0 or portfolio.queue_share < 1.0


def _series(block: Words, plan: Layout, f: int, line: Line, watched: Sequence[Line]) -> None:
    row = table_of(block, "series")[f : f + 1]
    row["symbol"] = line.symbol
    row["span"] = line.span
    if line.calls:
        own = (line.symbol, line.span)
        books = [k for k, place in enumerate(plan.books) if (place.symbol, place.span) == own]
        calls = [plan.books[k].on for k in books]
        row["book_first"] = books[0]
        row["book_end"] = books[0] + calls.count("bar")
        row["tick_end"] = row["book_end"] + calls.count("tick")
        measured = [v for v, one in enumerate(volatilities(plan)) if one[:2] == own]
        if measured:
            row["volatility_first"], row["volatility_end"] = measured[0], measured[-1] + 1
    else:
        row["watch_first"] = watched.index(line)
        row["watch_end"] = row["watch_first"] + watched.count(line)


def volatilities(plan: Layout) -> list[tuple[int, int, int]]:
    """Return (symbol, span, length) of each volatility that is measured, in the order of series."""
    instances = plan.portfolio.instances
    return sorted(
        {
            (place.symbol, place.span, instances[place.instance].length)
            for place in plan.books
            if instances[place.instance].sizing == Sizing.VOLATILITY
        }
    )


def _exits(block: Words, plan: Layout) -> None:
    """Write the ladders and the tables by age of all instances, and what volatilities measure."""
    instances = plan.portfolio.instances
    rungs = [rung for one in instances for rung in _rungs(one)]
    table_of(block, "rungs")[:] = np.array(rungs, Rung.dtype)
    table_of(block, "roi")[:] = np.array([row for one in instances for row in one.roi], Roi.dtype)
    for v, (_, span, length) in enumerate(volatilities(plan)):
        row = table_of(block, "volatilities")[v : v + 1]
        row["span"], row["length"] = span, length


def _rungs(instance: Instance) -> Iterator[tuple[float, float]]:
    """Yield the rungs of an instance; the last one of a whole ladder leaves all that is left."""
    total = 0.0
    for at, share in instance.ladder:
        total += share
        yield at, 1.0 if total > 1.0 - 1e-9 else share


def _book(block: Words, k: int, place: Place, plan: Layout, offsets: tuple[int, int]) -> None:
    instances = plan.portfolio.instances
    instance = instances[place.instance]
    row = table_of(block, "books")[k : k + 1]
    row["instance"] = place.instance
    row["symbol"] = place.symbol
    row["span"] = place.span
    row["step"] = place.instance
    row["params"], row["state"] = offsets
    for name in _SAME:
        row[name] = getattr(instance, name)
    for name in ("ratio", "ratio_min", "ratio_max"):
        row[name] = _payable(plan.portfolio, instance, getattr(instance, name))
    if instance.sizing == Sizing.VOLATILITY:
        measured = (place.symbol, place.span, instance.length)
        row["volatility"] = volatilities(plan).index(measured)
    before = instances[: place.instance]
    row["rung_first"] = sum(len(one.ladder) for one in before)
    row["rung_end"] = row["rung_first"] + len(instance.ladder)
    row["roi_first"] = sum(len(one.roi) for one in before)
    row["roi_end"] = row["roi_first"] + len(instance.roi)
    field, count = plan.levels(k)
    if count:
        state = plan.parts[place.instance].StateRecord
        row["levels"] = row["state"] + word_of(state, field)
        row["room"] = state.dtype[field]["price"].shape[0]
    row["floor"], row["ceiling"], row["due"] = -math.inf, math.inf, NEVER
    row["level_first"] = sum(plan.levels(j)[1] for j in range(k))
    row["level_end"] = row["level_first"] + count


def _payable(portfolio: Portfolio, instance: Instance, ratio: float) -> float:
    """Return a fraction of the equity without reserve, fee and slippage: it pays for itself.

    Of more than the equity, which leverage allows, the equity pays the whole fee.
    """
    cost = (1.0 + portfolio.slippage) * (1.0 + portfolio.taker * max(ratio, 1.0))
    return ratio * (1.0 - instance.reserve_ratio) / cost


def _log(books: int, levels: int, rules: int) -> Words:
    """Return an empty log that holds the rows of at least one more event when `rows_max` is hit.

    At most a book sees all its orders rejected and placed again, leaves on each rung and what is
    left, is liquidated with what waits, and decides on two bars; a level is filled, taken back, and
    decided upon as often.
    """
    margin = books * (3 * ORDERS_PER_BOOK + 2 * RUNGS_MAX + 16 + 2 * rules)
    margin += levels * (32 + 2 * rules)
    rows = LOG_ROWS + margin
    log = allocate({"log": 1} | {name: rows for name in LOGS if name != "log"})
    np.copyto(table_of(log, "log")["rows_max"], LOG_ROWS)
    return log
