"""The whole configuration as types.

`validate` turns a composed tree into `Settings` or names everything that is wrong with it at once;
`build` turns settings into what the core trades.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, get_type_hints

from engine.compose import MANY, Composed, config_hash, maps, masked_yaml
from engine.core import portfolio
from engine.core.portfolio import Portfolio, parse_timeframe
from engine.core.records import FillOn
from engine.errors import ConfigError, did_you_mean
from engine.faults import Faults, unknown
from engine.origins import Place
from engine.parts import make
from engine.secret import Secret
from engine.sections import (
    Account,
    Common,
    Exits,
    Instance,
    Instrument,
    Section,
    Sections,
    Universe,
)


class Settings(Sections):
    """The whole configuration, validated, and how it is kept beside a result."""

    masked_yaml: str  # secrets as ***
    config_hash: str  # sha256 of what is in it


MAINTENANCE = 0.005  # of a position's value, where an instrument does not say
_HINTS = get_type_hints(Sections, include_extras=True)
OVERLAYS = ("local", "experiment", "env")  # their files set keys of other sections
_PARTS = ("feed", "venue", "strategy", "risk")


def validate(composed: Composed) -> Settings:
    """Return the settings that a composed tree declares; raise ConfigError with every problem."""
    faults = Faults(composed)
    tree = _read_secrets(composed.tree, (), faults)
    found: dict[str, Any] = {}
    for name in Sections.model_fields:
        if name in tree and name not in _PARTS:
            found[name] = faults.check(_HINTS[name], tree[name], (name,))
        elif name not in tree and name not in MANY:  # risk=[] leaves no key behind
            faults.add((name,), f"must be chosen, was not. Add {name} to the defaults list.")
    for name in tree:
        if name in OVERLAYS:
            first = next(iter(maps(tree, name)), "")
            faults.add((name, first), "must be at the root. Begin the file: # @package _global_")
        elif name not in Sections.model_fields:
            faults.add((name,), unknown(name, Sections.model_fields))
    _make_parts(tree, faults, found)
    for place, sentence in _crossed(found):
        faults.add(place, sentence)
    if faults.problems:
        raise ConfigError(*faults.problems)
    account, universe = found["account"], found["universe"]
    currency = account.currency or universe.quote(universe.symbols[0])
    found["account"] = account.model_copy(update={"currency": currency})
    return Settings(**found, masked_yaml=masked_yaml(composed), config_hash=config_hash(composed))


def _read_secrets(value: Any, place: Place, faults: Faults) -> Any:
    if isinstance(value, dict):
        return {key: _read_secrets(inner, (*place, key), faults) for key, inner in value.items()}
    if isinstance(value, list):
        return [_read_secrets(inner, (*place, i), faults) for i, inner in enumerate(value)]
    try:
        return value.read() if isinstance(value, Secret) else value
    except LookupError as wrong:
        faults.add(place, str(wrong))
        return value


def _make_parts(tree: Mapping[str, Any], faults: Faults, found: dict[str, Any]) -> None:
    plugins = found.get("plugins") or ()
    found["strategy"], found["risk"] = {}, {}
    for group in ("feed", "venue"):
        made = make(faults, (group,), maps(tree, group), plugins, Section)
        found[group] = made[0] if made else None
    for group, common in (("strategy", Common), ("risk", Section)):
        for name, declared in maps(tree, group).items():
            if not isinstance(declared, dict):
                faults.add((group, name), "must be a map of keys and values, was not. Correct it.")
            elif made := make(faults, (group, name), declared, plugins, common):
                found[group][name] = made
    found["risk"] = {name: rule for name, (rule, _) in found["risk"].items()}
    found["strategy"] = {
        name: Instance(
            strategy=strategy, **{key: getattr(keys, key) for key in Common.model_fields}
        )
        for name, (strategy, keys) in found["strategy"].items()
    }
    if found["feed"] and found["mode"] and not hasattr(found["feed"], _CALLS[found["mode"].name]):
        faults.add(("feed",), _unfit(found["mode"].name))
    if not maps(tree, "strategy"):
        faults.add(("strategy",), "must have one or more, had none. Write strategy=[ema_cross].")


_CALLS = {"backtest": "load", "paper": "after"}  # what a mode calls its feed by


def _unfit(mode: str) -> str:
    if mode == "paper":
        return "must go on in time as mode=paper does, was a recording. Choose feed=synthetic."
    return f"must be recorded for mode={mode}, was not. Choose feed=tape."


# ── what must fit together ────────────────────────────────────────────────────────────────────


def _crossed(found: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield place and sentence for each contradiction between values that are right alone."""
    universe: Universe | None = found.get("universe")
    mode, execution = found.get("mode"), found.get("execution")
    if universe:
        yield from _symbols(universe)
        if account := found.get("account"):
            yield from _quotes(universe, account)
        yield from _levered(found, universe)
    yield from _funded(found)
    if mode and mode.name == "paper" and execution and execution.opposite_books == "allow":
        place: Place = ("execution", "opposite_books")
        yield place, "must be deny for mode=paper, was allow. Venues net what is opposite."
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
        if found["feed"] and instance.timeframe:
            spanned: Place = ("strategy", name, "timeframe")
            yield from _spanned(found["feed"], instance.timeframe, spanned)
        if universe and found["feed"]:
            yield from _watched(universe, found["feed"], name, instance)
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
    for symbol, declared in (universe.instruments or {}).items():
        yield from _leveraged(declared, ("universe", "instruments", symbol))
        if symbol not in universe.symbols:
            hint = did_you_mean(symbol, universe.symbols) or "."
            here: Place = ("universe", "instruments", symbol)
            yield here, f"must be one of universe.symbols, was not{hint} Add it there or remove it."


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


def _levered(found: Mapping[str, Any], universe: Universe) -> Iterator[tuple[Place, str]]:
    """Yield what a sizing takes beyond the smallest leverage of the symbols that it is for."""
    traded: dict[Place, tuple[Any, set[str]]] = {}
    for name, instance in found["strategy"].items():
        place: Place = ("strategy", name, "sizing") if instance.sizing else ("sizing",)
        both = traded.setdefault(place, (instance.sizing or found.get("sizing"), set()))
        both[1].update(instance.symbols or universe.symbols)
    for place, (sizing, symbols) in traded.items():
        levers = [(universe.instrument(symbol).leverage or 1.0, symbol) for symbol in symbols]
        most, symbol = min(levers, default=(math.inf, ""))
        for key in ("ratio", "ratio_max"):
            if (ratio := getattr(sizing, key, 0.0)) > most:
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


# ── what the core trades ──────────────────────────────────────────────────────────────────────


def build(settings: Settings) -> Portfolio:
    """Return the portfolio that validated settings declare."""
    universe, costs, execution = settings.universe, settings.costs, settings.execution
    lives = execution.good_for_seconds
    return Portfolio(
        instruments=tuple(_instrument(universe, symbol) for symbol in universe.symbols),
        instances=tuple(_instance(settings, name) for name in settings.strategy),
        rules=tuple(settings.risk.items()),
        cash=settings.account.cash,
        taker=costs.taker,
        maker=costs.maker,
        slippage=(costs.slippage_bps + costs.spread_bps / 2.0) / 10_000,
        impact=costs.impact_bps / 10_000,
        share_max=costs.volume_share_max,
        queue_share=execution.queue_share,
        by_limit=execution.order == "limit",
        offset=execution.limit_offset_bps / 10_000,
        post_only=execution.post_only,
        good_for=-1 if lives is None else round(lives * 1_000),
        fill_on=FillOn[execution.fill_on.upper()],
        latency=settings.venue.latency_ms,
        rejection=settings.venue.rejection_ratio,
        seed=settings.venue.seed,
        opposite_books=execution.opposite_books == "allow",
    )


def _instrument(universe: Universe, symbol: str) -> portfolio.Instrument:
    declared = universe.instrument(symbol)
    is_linear = declared.kind == "linear"
    return portfolio.Instrument(
        symbol,
        tick=declared.tick or 0.0,
        lot=declared.lot or 0.0,
        notional_min=declared.notional_min or 0.0,
        contract_size=declared.contract_size or 1.0,
        leverage=(declared.leverage or 1.0) if is_linear else 0.0,
        isolated=declared.margin != "cross",
        maintenance=(declared.maintenance_ratio or MAINTENANCE) if is_linear else 0.0,
        liquidation=declared.liquidation_ratio or 0.0,
    )


def _instance(settings: Settings, name: str) -> portfolio.Instance:
    declared = settings.strategy[name]
    sizing = declared.sizing or settings.sizing
    exits = declared.exits or Exits()
    return portfolio.Instance(
        name,
        declared.strategy,
        symbols=declared.symbols or settings.universe.symbols,
        span=parse_timeframe(declared.timeframe or settings.feed.timeframe),
        **sizing.terms(),
        **exits.terms(),
    )
