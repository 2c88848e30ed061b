"""The whole configuration as types.

`validate` turns a composed tree into `Settings` or names everything that is wrong with it at once;
`build` turns settings into what the core trades.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, get_type_hints

from engine.compose import MANY, Composed, config_hash, maps, masked_yaml
from engine.core import portfolio
from engine.core.portfolio import Portfolio, parse_timeframe
from engine.core.records import FillOn, Sizing
from engine.errors import ConfigError, did_you_mean
from engine.faults import Faults, unknown
from engine.origins import Place
from engine.parts import make
from engine.secret import Secret
from engine.sections import (
    Account,
    Common,
    Equity,
    Exits,
    Fixed,
    Instance,
    Section,
    Sections,
    Universe,
)


class Settings(Sections):
    """The whole configuration, validated, and how it is kept beside a result."""

    masked_yaml: str  # secrets as ***
    config_hash: str  # sha256 of what is in it


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
    if universe:
        yield from _symbols(universe)
        if account := found.get("account"):
            yield from _quotes(universe, account)
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
        if universe:
            yield from _narrowed(universe, instance, ("strategy", name, "symbols"))
        if found["feed"] and instance.timeframe:
            yield from _spanned(found["feed"].timeframe, instance, ("strategy", name, "timeframe"))


def _symbols(universe: Universe) -> Iterator[tuple[Place, str]]:
    place: Place = ("universe", "symbols")
    if not universe.symbols:
        yield place, "must name a symbol, named none. Write [BTC/USDT]."
    for symbol, count in Counter(universe.symbols).items():
        if count > 1:
            yield place, f"must name {symbol} once, named it {count} times. Leave one out."
    for symbol in universe.instruments or ():
        if symbol not in universe.symbols:
            hint = did_you_mean(symbol, universe.symbols) or "."
            here: Place = ("universe", "instruments", symbol)
            yield here, f"must be one of universe.symbols, was not{hint} Add it there or remove it."


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


def _spanned(base: str, instance: Instance, place: Place) -> Iterator[tuple[Place, str]]:
    try:
        odd = parse_timeframe(str(instance.timeframe)) % parse_timeframe(base)
    except ValueError:  # the feed has said so itself
        return
    if odd:
        yield (
            place,
            (
                f"must be a multiple of feed.timeframe, {base}, was {instance.timeframe}. Choose a"
                " multiple, or a feed of shorter bars."
            ),
        )


# ── what the core trades ──────────────────────────────────────────────────────────────────────


def build(settings: Settings) -> Portfolio:
    """Return the portfolio that validated settings declare."""
    universe, costs = settings.universe, settings.costs
    return Portfolio(
        instruments=tuple(_instrument(universe, symbol) for symbol in universe.symbols),
        instances=tuple(_instance(settings, name) for name in settings.strategy),
        rules=tuple(settings.risk.items()),
        cash=settings.account.cash,
        taker=costs.taker,
        slippage=costs.slippage_bps / 10_000,
        fill_on=FillOn[settings.execution.fill_on.upper()],
        latency=settings.venue.latency_ms,
        rejection=settings.venue.rejection_ratio,
        seed=settings.venue.seed,
    )


def _instrument(universe: Universe, symbol: str) -> portfolio.Instrument:
    declared = universe.instrument(symbol)
    return portfolio.Instrument(
        symbol,
        tick=declared.tick or 0.0,
        lot=declared.lot or 0.0,
        notional_min=declared.notional_min or 0.0,
        contract_size=declared.contract_size or 1.0,
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
        sizing=Sizing[sizing.kind.upper()],
        quantity=sizing.quantity if isinstance(sizing, Fixed) else 0.0,
        ratio=sizing.ratio if isinstance(sizing, Equity) else 0.0,
        reserve_ratio=sizing.reserve_ratio if isinstance(sizing, Equity) else 0.0,
        stop_loss=exits.stop_loss or 0.0,
        take_profit=exits.take_profit or 0.0,
    )
