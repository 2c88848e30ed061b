"""What must fit together: contradictions between values that are right alone."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from engine.compose import maps
from engine.core.levels import levels_of
from engine.core.portfolio import parse_timeframe
from engine.errors import did_you_mean
from engine.exits import Exits
from engine.faults import spelled
from engine.origins import Place
from engine.sections import MAINTENANCE, Account, Execution, Instance, Instrument, Universe


def crossed(found: Mapping[str, Any], tree: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield place and sentence for each contradiction between values that are right alone.

    `found` are the sections that are right, `tree` is what was written.
    """
    universe: Universe | None = found.get("universe")
    mode, execution = found.get("mode"), found.get("execution")
    if universe:
        yield from _symbols(universe)
        if account := found.get("account"):
            yield from _quotes(universe, account)
        yield from _levered(tree, universe)
    yield from _funded(found)
    if mode and mode.name == "paper" and execution and execution.opposite_books == "allow":
        place: Place = ("execution", "opposite_books")
        yield place, "must be deny for mode=paper, was allow. Venues net what is opposite."
    if execution and execution.order == "market":
        has_all = len(found["strategy"]) == len(maps(tree, "strategy"))
        rests = any(levels_of(one.strategy) for one in found["strategy"].values())
        yield from _unlimited(execution, rests or not has_all)
    report = found.get("report")
    if report and report.png and find_spec("matplotlib") is None:
        yield (
            ("report", "png"),
            "must be false without matplotlib, was true. Install chanquant[png], or set it to"
            " false.",
        )
    web, telemetry = found.get("web"), found.get("telemetry")
    if web and telemetry and web.port and web.port == telemetry.port:
        yield ("web", "port"), f"must differ from telemetry.port, {web.port}. Choose another."
    for name, instance in found["strategy"].items():
        if mode and mode.name == "paper" and instance.strategy.on == "target":
            yield (
                ("strategy", name),
                "must be left out for mode=paper, was not: rows of a file end, the market goes on."
                " Write a strategy that makes them, or run a backtest.",
            )
        if universe:
            yield from _narrowed(universe, instance, ("strategy", name, "symbols"))
            yield from _liquidated(universe, instance, ("strategy", name, "exits", "stop_loss"))
        if found["feed"] and instance.timeframe:
            spanned: Place = ("strategy", name, "timeframe")
            yield from _spanned(found["feed"], instance.timeframe, spanned)
        if universe and found["feed"]:
            yield from _watched(universe, found["feed"], name, instance)
        yield from _kept(instance, ("strategy", name, "exits", "opposite_signal"))
        sizing = instance.sizing or found.get("sizing")
        if sizing and sizing.kind == "risk":
            yield from _stopped(instance, ("strategy", name, "exits", "stop_loss"))


def _symbols(universe: Universe) -> Iterator[tuple[Place, str]]:
    place: Place = ("universe", "symbols")
    if not universe.symbols:
        yield place, "must name a symbol, named none. Write [BTC/USDT]."
    for symbol, count in Counter(universe.symbols).items():
        if count > 1:
            yield place, f"must name {symbol} once, named it {count} times. Leave one out."
    for symbol in filter(None, dict.fromkeys(universe.symbols)):
        yield from _settled(universe, symbol)
    for symbol, declared in (universe.instruments or {}).items():
        yield from _leveraged(declared, ("universe", "instruments", symbol))
        if symbol not in universe.symbols:
            hint = did_you_mean(symbol, universe.symbols) or "."
            here: Place = ("universe", "instruments", symbol)
            yield here, f"must be one of universe.symbols, was not{hint} Add it there or remove it."


def _settled(universe: Universe, symbol: str) -> Iterator[tuple[Place, str]]:
    """Yield what a symbol of a perpetual, BASE/QUOTE:SETTLED, cannot mean here."""
    pair, colon, settled = symbol.partition(":")
    quote, own = pair.partition("/")[2], universe.instrument(symbol).quote
    place: Place = ("universe", "symbols")
    if quote and own and own != quote:
        yield (
            ("universe", "instruments", symbol, "quote"),
            f"must be {quote} as the symbol says, was {own}. Leave it out.",
        )
    if colon and quote and settled != quote:
        yield (
            place,
            f"must be settled in what it is priced in, {symbol} is settled in {settled}. Only spot"
            " and linear perpetuals can be traded: leave it out.",
        )
    elif colon and universe.instrument(symbol).kind == "spot":
        yield (
            place,
            f"must be declared where it is a perpetual, {symbol} was not. Write kind: linear for"
            " it in universe.instruments, with its leverage.",
        )


def _unlimited(execution: Execution, rests: bool) -> Iterator[tuple[Place, str]]:
    """Yield what is said of limit orders where none are made: by targets, or, if any, at levels."""
    about = dict.fromkeys(("limit_offset_bps", "good_for_seconds"), "limit orders of targets")
    about |= {} if rests else dict.fromkeys(("post_only", "queue_share"), "limit orders")
    for key, orders in about.items():
        usual, found = Execution.model_fields[key].default, getattr(execution, key)
        if found != usual:
            usual, found = (spelled(value) for value in (usual, found))
            yield (
                ("execution", key),
                f"must be {usual} for execution.order=market, was {found}: it is about {orders}."
                f" Write execution.order=limit, or {usual}.",
            )


def _kept(instance: Instance, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield where signals against a position are ignored, and nothing else could ever end it."""
    exits, kind = instance.exits or Exits(), type(instance.strategy)
    if exits.opposite_signal != "ignore" or exits.has_end or kind.on == "target":
        return
    from engine.core.compile.check import writes  # brings the compiler along

    if not (writes(kind, "stop") or writes(kind, "take") or levels_of(instance.strategy)):
        yield (
            place,
            f"must be close where no other exit ends a whole position, was ignore, and"
            f" {kind.__name__} sets no out.stop or out.take. Set another exit.",
        )


_LINEAR = ("leverage", "leverage_max", "margin", "maintenance_ratio", "liquidation_ratio")


def _leveraged(declared: Instrument, place: Place) -> Iterator[tuple[Place, str]]:
    if declared.kind == "spot":
        for key in _LINEAR:
            if getattr(declared, key) is not None:
                yield (*place, key), "must be left out for kind: spot, was set. Write kind: linear."
        return
    leverage, most = declared.leverage or 1.0, declared.leverage_max
    if most and leverage > most:
        sentence = f"must be at most leverage_max, {most:g}, was {leverage:g}. Lower it."
        yield (*place, "leverage"), sentence
    least = declared.maintenance_ratio or MAINTENANCE
    if 1.0 / leverage <= least:
        yield (
            (*place, "leverage"),
            f"must leave more margin than maintenance_ratio, {least:g}, was {leverage:g}, which"
            f" leaves {1.0 / leverage:g}. Lower it.",
        )


def _liquidated(
    universe: Universe, instance: Instance, place: Place
) -> Iterator[tuple[Place, str]]:
    """Yield where the venue would liquidate an isolated position before its stop."""
    stop = (instance.exits or Exits()).stop_loss
    for symbol in instance.symbols or universe.symbols:
        declared = universe.instrument(symbol)
        leverage, least = declared.leverage or 1.0, declared.maintenance_ratio or MAINTENANCE
        most = (1.0 / leverage - least) / (1.0 - least)  # of a long; a short is liquidated earlier
        if stop and declared.kind == "linear" and declared.margin != "cross" and stop >= most:
            yield (
                place,
                f"must be less than {most:.4g}, where {symbol} is liquidated at leverage"
                f" {leverage:g}, was {stop:g}. Lower it, or the leverage.",
            )


def _levered(tree: Mapping[str, Any], universe: Universe) -> Iterator[tuple[Place, str]]:
    """Yield what a sizing takes beyond the smallest leverage of the symbols that it is for.

    Sizings are judged as they are written, whatever else is wrong with them.
    """
    traded: dict[Place, tuple[dict[str, Any], set[str]]] = {}
    for name, instance in maps(tree, "strategy").items():
        declared = instance if isinstance(instance, dict) else {}
        sizing, own = maps(declared, "sizing"), declared.get("symbols")
        place: Place = ("strategy", name, "sizing") if sizing else ("sizing",)
        both = traded.setdefault(place, (sizing or maps(tree, "sizing"), set()))
        both[1].update(own if isinstance(own, list) else universe.symbols)
    for place, (sizing, symbols) in traded.items():
        levers = [(universe.instrument(s).leverage or 1.0, s) for s in sorted(map(str, symbols))]
        most, symbol = min(levers, default=(math.inf, ""))
        for key in ("ratio", "ratio_max"):
            ratio = sizing.get(key, 0.0)
            if isinstance(ratio, int | float) and ratio > most:
                yield (
                    (*place, key),
                    f"must be at most {most:g}, the leverage of {symbol}, was {ratio:g}. Lower it,"
                    " or trade perpetuals of more leverage.",
                )


def _funded(found: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    costs, universe, mode = found.get("costs"), found.get("universe"), found.get("mode")
    if not costs or not universe:
        return
    for symbol in costs.funding_files or ():
        if universe.instrument(symbol).kind != "linear" or symbol not in universe.symbols:
            yield (
                ("costs", "funding_files", symbol),
                "must be a perpetual of universe.symbols, was not. Declare it with kind: linear.",
            )
    if mode and mode.name == "paper" and costs.funding_files:
        yield (
            ("costs", "funding_files"),
            "must be null for mode=paper, was set: a file ends, the market goes on. Write"
            " funding_ratio.",
        )


def _quotes(universe: Universe, account: Account) -> Iterator[tuple[Place, str]]:
    quotes = {symbol: universe.quote(symbol) for symbol in universe.symbols}
    currency = account.currency or next(iter(quotes.values()), "")
    for symbol, quote in quotes.items():
        if not quote:
            yield (
                ("universe", "symbols"),
                f"must say what a symbol is priced in, {symbol} does not. Write BASE/QUOTE, or"
                f" declare its quote in universe.instruments.",
            )
        elif currency and quote != currency:
            yield (
                ("universe", "symbols"),
                f"must be priced in {currency} as the account is, {symbol} was in {quote}, and no"
                " conversion is declared. Leave it out, or give it a run of its own.",
            )


def _narrowed(universe: Universe, instance: Instance, place: Place) -> Iterator[tuple[Place, str]]:
    if instance.symbols == ():
        yield place, "must name a symbol, named none. Write null for the whole universe."
    for symbol, count in Counter(instance.symbols or ()).items():
        if count > 1:
            yield place, f"must name {symbol} once, named it {count} times. Leave one out."
        if symbol not in universe.symbols:
            hint = did_you_mean(symbol, universe.symbols) or "."
            yield place, f"must be in universe.symbols, {symbol} was not{hint} Add it there."


def _spanned(feed: Any, timeframe: str, place: Place) -> Iterator[tuple[Place, str]]:
    base = of_events(feed)
    if _span(base) and _span(timeframe) % _span(base):
        key = "timeframe" if base == feed.timeframe else "detail_timeframe"
        yield (
            place,
            (
                f"must be a multiple of feed.{key}, {base}, was {timeframe}. Choose a"
                " multiple, or a feed of shorter bars."
            ),
        )


def of_events(feed: Any) -> str:
    """Return the timeframe of the bars that are events: the shortest that a strategy can see."""
    return getattr(feed, "detail_timeframe", None) or str(feed.timeframe)


def _stopped(instance: Instance, place: Place) -> Iterator[tuple[Place, str]]:
    kind = type(instance.strategy)
    if (instance.exits or Exits()).has_stop or kind.on == "target":  # rows have a stop too
        return
    from engine.core.compile.check import writes  # brings the compiler along

    if not writes(kind, "stop"):
        yield (
            place,
            (
                f"must be set where sizing.kind is risk, was not, and {kind.__name__} sets no"
                " out.stop: the size follows from the distance of the stop. Set it, or choose"
                " another sizing."
            ),
        )


def _watched(
    universe: Universe, feed: Any, name: str, instance: Instance
) -> Iterator[tuple[Place, str]]:
    """Yield what a strategy cannot watch: what is not there, and what it is called with anyway."""
    strategy, own = instance.strategy, instance.timeframe or feed.timeframe
    for watch in strategy.watches.values():
        timeframe = getattr(strategy, watch.timeframe) if watch.timeframe else own
        is_own = _span(timeframe) == _span(own)
        if watch.timeframe:
            place: Place = ("strategy", name, watch.timeframe)
            try:
                parse_timeframe(timeframe)
            except ValueError as wrong:
                yield place, f"{wrong}."
                continue
            yield from _spanned(feed, timeframe, place)
            if is_own and not watch.symbol:
                differ = f"must differ from the timeframe of the instance, {own}, was the same"
                yield place, f"{differ}. Choose a longer one."
        if watch.symbol:
            other = getattr(strategy, watch.symbol)
            if other not in universe.symbols:
                hint = did_you_mean(other, universe.symbols) or "."
                sentence = f"must be in universe.symbols, {other!r} was not{hint} Add it there."
                yield ("strategy", name, watch.symbol), sentence
            elif is_own and other in (instance.symbols or universe.symbols):
                leave = f"must leave out {other}, which {watch.symbol} watches, did not"
                yield ("strategy", name, "symbols"), f"{leave}. Name only the symbols to trade."


def _span(timeframe: str) -> int:
    """Return the milliseconds of a timeframe, 0 where it is none, which is said elsewhere."""
    try:
        return parse_timeframe(timeframe)
    except ValueError:
        return 0
