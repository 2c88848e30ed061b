"""What the bytes of a block stand for, so that a later start can take over what is still the same.

A block is restored as it is where the portfolio, the functions and the records are those that made
it (`identity`). After an edit of the configuration or a new release, each book whose class, layout
and parameters are unchanged takes over what its strategy knows (`carry_over`); the others begin
anew and are warmed up. The ledger is taken over for every book (`restore_ledger`).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.core.assemble import Layout, Place, assemble, volatilities
from engine.core.block import LOGS, PLACES, TABLES, Core, Words, table_of
from engine.core.compile.declare import Part
from engine.core.ledger import add_up
from engine.core.levels import Level
from engine.core.machine import Machine, Rows
from engine.core.protect import protect
from engine.core.records import ORDERS_PER_BOOK, Kind
from engine.core.resting import forget, tell_level, tell_position
from engine.errors import ConfigError

_KNOWN = ("wish", "out", "kept")  # of a book: what its strategy has asked for
_MARKET = {
    "series": ("closes", "count", "bar"),
    "symbols": ("price", "price_ts"),
    "volatilities": ("count", "close", "variance"),
}
_HELD = (
    *("position", "entry", "margin", "stop", "take", "orders", "resting", "funding"),
    *("opened_at", "opened_seq", "bought", "spent", "sold", "earned", "paid", "opened_equity"),
    *("grown_seq", "inside", "best", "rung", "rung_left", "wins", "losses", "won", "lost"),
)
_OWNED = ("ts", "seq", "cash", "fees", "orders", "killed")  # of the account


def sections(plan: Layout) -> dict[str, Any]:
    """Return what the rows of a block stand for, as JSON can hold it."""
    block = assemble(plan)[0]
    held = [name for name in TABLES if name not in LOGS]
    return {
        "symbols": list(plan.portfolio.symbols),
        "instances": [instance.name for instance in plan.portfolio.instances],
        "books": [_book_key(plan, place) for place in plan.books],
        "series": [[plan.portfolio.symbols[line.symbol], line.span] for line in plan.series()],
        "volatilities": [
            [plan.portfolio.symbols[symbol], *measured] for symbol, *measured in volatilities(plan)
        ],
        "rules": [[name, *_part_key(rule)] for name, rule in plan.portfolio.rules],
        "words": [part.StateRecord.words for part in plan.parts],
        "tables": {
            name: [*block[PLACES[name] : PLACES[name] + 2].tolist(), _shape(TABLES[name][0].dtype)]
            for name in held
        },
    }


def _book_key(plan: Layout, place: Place) -> list[Any]:
    instance = plan.portfolio.instances[place.instance]
    symbol = plan.portfolio.symbols[place.symbol]
    watched = [f"{w.field} {w.symbol or symbol} {w.span}" for w in instance.watched]
    return [instance.name, symbol, place.span, place.on, *_part_key(instance.strategy), *watched]


def _part_key(part: Part) -> list[str]:
    """Return class, layout of the state, and parameters."""
    kind = type(part)
    params = hashlib.sha256(part.params_words().tobytes()).hexdigest()
    return [f"{kind.__module__}.{kind.__qualname__}", repr(kind.StateRecord.dtype.descr), params]


def _shape(dtype: np.dtype[Any]) -> list[list[Any]]:
    """Return the fields of a record as JSON can hold them."""
    return [
        [name, _shape(dtype[name]) if dtype[name].names else dtype[name].str]
        for name in dtype.names or ()
    ]


def _dtype(shape: list[list[Any]]) -> np.dtype[Any]:
    return np.dtype([(name, _dtype(k) if isinstance(k, list) else k) for name, k in shape])


@dataclass(frozen=True)
class Former:
    """A stored block and what its rows stood for, whatever release wrote it."""

    block: Words
    sections: Mapping[str, Any]

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return what a row of a table was then."""
        return _dtype(self.sections["tables"][name][2])

    def table(self, name: str) -> Rows:
        """Return a table, shape (rows,), of its own dtype."""
        offset, rows, _ = self.sections["tables"][name]
        dtype = self.dtype(name)
        return self.block[offset : offset + rows * dtype.itemsize // 8].view(dtype)


# ── what strategies know ──────────────────────────────────────────────────────────────────────


def carry_over(former: Former, plan: Layout, block: Words) -> list[int]:
    """Take over what unchanged strategies and rules know; return the books that begin anew."""
    now = sections(plan)
    fresh = _carry_books(former, plan, block, now["books"])
    for table, names in _MARKET.items():
        before = former.sections.get(table, [])
        for i, key in enumerate(now[table]):
            if key in before:
                _copy(former.table(table)[before.index(key)], _row(block, table, i), names)
    for r, key in enumerate(now["rules"]):
        if key in former.sections["rules"]:
            old = former.table("rules")[former.sections["rules"].index(key)]
            new = _row(block, "rules", r)
            words = plan.parts[int(new["check"])].StateRecord.words
            _carry_state(former, int(old["state"]), block, int(new["state"]), words)
    return fresh


def _carry_books(former: Former, plan: Layout, block: Words, keys: list[Any]) -> list[int]:
    fresh = []
    before = {
        tuple(key): book
        for key, book in zip(former.sections["books"], former.table("books"), strict=True)
    }
    for k, key in enumerate(keys):
        old = before.get(tuple(key))
        if old is None or old["step"] < 0:  # one that failed has missed what came after
            fresh.append(k)
            continue
        new = _row(block, "books", k)
        _copy(old, new, _KNOWN)
        words = plan.parts[plan.books[k].instance].StateRecord.words
        _carry_state(former, int(old["state"]), block, int(new["state"]), words)
    return fresh


def copy_fresh(
    former: Former, warm: Words, plan: Layout, block: Words, fresh: Iterable[int]
) -> None:
    """Copy what the books of `fresh` know from a warm block, and the bars and prices new to it."""
    for k in fresh:
        old, new = _row(warm, "books", k), _row(block, "books", k)
        _copy(old, new, (*_KNOWN, "step"))
        words = plan.parts[plan.books[k].instance].StateRecord.words
        at = int(new["state"])
        block[at : at + words] = warm[at : at + words]
    now = sections(plan)
    for table, names in _MARKET.items():
        for i, key in enumerate(now[table]):
            if key not in former.sections.get(table, []):
                _copy(_row(warm, table, i), _row(block, table, i), names)


def _carry_state(former: Former, old: int, block: Words, new: int, words: int) -> None:
    block[new : new + words] = former.block[old : old + words]


def _row(block: Words, name: str, i: int) -> Any:
    return table_of(block, name)[i]


def _copy(source: Any, target: Any, names: Iterable[str]) -> None:
    """Copy the fields of a row that both releases have."""
    for name in names:
        if name in source.dtype.names and name in target.dtype.names:
            target[name] = source[name]


# ── what books hold ───────────────────────────────────────────────────────────────────────────


def restore_ledger(
    former: Former,
    account: bytes,
    positions: Mapping[tuple[str, str], bytes],
    machine: Machine,
) -> None:
    """Put what the store says is held and owed into a machine.

    account    the account's row as `progress.account` has it
    positions  (instance, symbol) → the book's row, working orders and levels, as bytes

    Raises ConfigError where something is held that no book of the plan can hold.
    """
    plan, block = machine.plan, machine.block
    source = np.frombuffer(account, former.dtype("account"))[0]
    _copy(source, _row(block, "account", 0), _OWNED)
    books = {}
    for k in range(len(plan.books)):
        instance, symbol = plan.book(k)
        books[instance.name, symbol] = k
    instances = {instance for instance, _ in books}
    problems = []
    others = _other_instruments(former, machine)
    for key, words in positions.items():
        book, orders, levels = _apart(former, words)
        if key in books and key[1] in others and book["position"] != 0.0:
            problems.append(_otherwise(*key, float(book["position"])))
        elif key in books:
            k = books[key]
            _copy(book, _row(block, "books", k), _HELD)
            for q in range(int(book["orders"])):
                target = _row(block, "working", k * ORDERS_PER_BOOK + q)
                _copy(orders[q], target, orders.dtype.names or ())
            new = _row(block, "books", k)
            rows = table_of(block, "levels")[new["level_first"] : new["level_end"]]
            if levels["order"]["id"][len(rows) :].any():
                problems.append(_fewer_levels(*key, len(levels), len(rows)))
            for level, target in zip(levels, rows, strict=False):
                _copy(level, target, levels.dtype.names or ())
        elif book["position"] != 0.0 or book["orders"] or levels["order"]["id"].any():
            problems.append(_left_behind(*key, float(book["position"]), key[0] in instances))
    if problems:
        raise ConfigError(*problems)
    core = Core(block, machine.log, ())
    for s in range(len(core.symbols)):
        add_up(core, s)


def _apart(former: Former, words: bytes) -> tuple[Any, Rows, Rows]:
    """Return the book's row, its working orders and its levels; a former release had no levels."""
    tables = former.sections["tables"]
    orders = former.dtype("working")
    size, end = former.dtype("books").itemsize, ORDERS_PER_BOOK * orders.itemsize
    levels = former.dtype("levels") if "levels" in tables else Level.dtype
    return (
        np.frombuffer(words[:size], former.dtype("books"))[0],
        np.frombuffer(words[size : size + end], orders),
        np.frombuffer(words[size + end :], levels),
    )


def restore_best(former: Former, since: Iterable[Rows], plan: Layout, block: Words) -> None:
    """Put the best price of each position that is held into a block: stops follow it.

    The store has it as of the position's last order, the snapshot as of its own last event; `since`
    are the events that came after that.
    """
    before = {
        tuple(key[:2]): book
        for key, book in zip(former.sections["books"], former.table("books"), strict=True)
    }
    for k, place in enumerate(plan.books):
        instance, symbol = plan.book(k)
        book, old = _row(block, "books", k), before.get((instance.name, symbol))
        if book["position"] == 0.0 or book["best"] == 0.0:
            continue
        side = 1.0 if book["position"] > 0.0 else -1.0
        prices = [float(book["best"])]
        if old is not None and old["grown_seq"] == book["grown_seq"] and old["best"] > 0.0:
            prices.append(float(old["best"]))
        for events in since:
            seen = (events["symbol"] == place.symbol) & (events["kind"] <= Kind.TICK)
            seen &= (events["seq"] >= book["grown_seq"]) & (events["seq"] > book["inside"])
            prices += events["bar"]["high" if side > 0.0 else "low"][seen].tolist()
        book["best"] = max(prices, key=lambda price: side * price)


def protect_again(
    former: Former,
    positions: Mapping[tuple[str, str], bytes],
    machine: Machine,
    fresh: Iterable[int],
) -> None:
    """Set the stops and takes of what is held anew: their ratios may have been edited.

    A strategy that began anew may not know the prices that it had asked for (`positions`, as in
    `restore_ledger`); they stay, as its own, until it asks for others. So do those of a position
    that is kept against its signals: history, which holds nothing, has not kept them.
    """
    core = Core(machine.block, machine.log, ())
    for k, book in enumerate(core.books):
        instance, symbol = machine.plan.book(k)
        if book.position == 0.0:
            continue
        asked = _apart(former, positions[instance.name, symbol])[0]["wish"]
        was_meant = asked["target"] * book.position > 0.0
        if book.ignores_opposite != 0 and was_meant and book.wish.target * book.position <= 0.0:
            book.wish.stop, book.wish.take = asked["stop"], asked["take"]
            book.kept = book.kept or asked["target"]
        elif k in fresh:
            for name in ("stop", "take"):
                if getattr(book.out, name) == 0.0:
                    setattr(book.wish, name, asked[name])
                    setattr(book.out, name, asked[name])
        protect(core, k)


def tell_again(machine: Machine, fresh: Iterable[int]) -> None:
    """Write what the store knows of levels where strategies see it; one that began anew asks anew.

    What a strategy knew is as of the snapshot, and orders have come to their end since. On history
    it held nothing: where something is held, what it asked for there is not what it would ask for.
    """
    core = Core(machine.block, machine.log, ())
    for k, book in enumerate(core.books):
        if book.levels > 0:
            tell_position(core, k)
            for i in range(book.level_end - book.level_first):
                tell_level(core, k, i, k not in fresh)
                if k in fresh and book.position != 0.0:
                    forget(core, k, i)


def _other_instruments(former: Former, machine: Machine) -> set[str]:
    """Return the symbols whose positions would be worth something else than they were."""

    def kinds(symbols: Iterable[str], rows: Rows) -> dict[str, tuple[bool, float]]:
        names = rows.dtype.names or ()  # a snapshot of 0.1 knows no leverage
        is_linear = rows["leverage"] > 0.0 if "leverage" in names else [False] * len(rows)
        return dict(zip(symbols, zip(is_linear, rows["contract_size"], strict=True), strict=True))

    before = kinds(former.sections["symbols"], former.table("symbols"))
    now = kinds(machine.plan.portfolio.symbols, table_of(machine.block, "symbols"))
    return {symbol for symbol, kind in now.items() if before.get(symbol, kind) != kind}


def _otherwise(instance: str, symbol: str, position: float) -> str:
    return (
        f"universe.instruments.{symbol}: kind and contract_size must stay while {instance} holds"
        f" {position:g} {symbol}, were changed. Put them back, start, type chanquant do flatten"
        f" --symbol {symbol}, stop, then change them."
    )


def _fewer_levels(instance: str, symbol: str, before: int, now: int) -> str:
    return (
        f"strategy.{instance} on {symbol}: must keep its {before} levels while orders rest there,"
        f" has {now}. Put them back, start, type chanquant do flatten --instance {instance}"
        f" --symbol {symbol}, stop, then change it."
    )


def _left_behind(instance: str, symbol: str, position: float, is_there: bool) -> str:
    place, only = f"strategy.{instance}", ""
    if is_there:
        place, only = f"{place} on {symbol}", f" --symbol {symbol}"
    return (
        f"{place}: must stay while it holds {position:g} {symbol} or has an order there, was"
        f" removed. Put it back, start, type chanquant do flatten --instance {instance}{only},"
        " stop, then remove it."
    )
