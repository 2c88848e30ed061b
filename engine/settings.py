"""The whole configuration as types.

`validate` turns a composed tree into `Settings` or names everything that is wrong with it at once;
`build` turns settings into what the core trades.
"""

from collections.abc import Mapping
from typing import Any, get_type_hints

from engine.compose import Composed, config_hash, maps, masked_yaml
from engine.core import portfolio
from engine.core.portfolio import Portfolio, parse_timeframe
from engine.core.records import FillOn
from engine.crossed import crossed, of_events
from engine.errors import ConfigError
from engine.exits import Exits
from engine.faults import Faults, spelled, unknown
from engine.origins import Place
from engine.override import MANY
from engine.parts import make, missing
from engine.secret import Secret
from engine.sections import MAINTENANCE, Common, Instance, Sections, Universe
from engine.values import Section, beyond

__all__ = ["Settings", "build", "of_events", "validate"]


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
    tree = _read(composed.tree, (), faults)
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
    for place, sentence in crossed(found, tree):
        faults.add(place, sentence)
    if faults.problems:
        raise ConfigError(*faults.problems)
    account, universe = found["account"], found["universe"]
    currency = account.currency or universe.quote(universe.symbols[0])
    found["account"] = account.model_copy(update={"currency": currency})
    return Settings(**found, masked_yaml=masked_yaml(composed), config_hash=config_hash(composed))


def _read(value: Any, place: Place, faults: Faults) -> Any:
    """Return a tree with its secrets read, and with 0 for each number that nothing can hold."""
    if isinstance(value, dict):
        return {key: _read(inner, (*place, key), faults) for key, inner in value.items()}
    if isinstance(value, list):
        return [_read(inner, (*place, i), faults) for i, inner in enumerate(value)]
    try:
        if isinstance(value, Secret):
            return value.read()
    except LookupError as wrong:
        faults.add(place, str(wrong))
    if far := beyond(value):
        faults.add(place, far)
        faults.told.add(place)
        return 0 if isinstance(value, int) else "1m"
    return value


def _make_parts(tree: Mapping[str, Any], faults: Faults, found: dict[str, Any]) -> None:
    plugins = found.get("plugins") or ()
    for absent in missing(plugins, faults.composed.folders):
        there = "must name packages that lie here or are installed"
        faults.add(("plugins",), f"{there}, {absent} is neither. Correct the name or take it out.")
    found["strategy"], found["risk"] = {}, {}
    for group in ("feed", "venue"):
        made = make(faults, (group,), maps(tree, group), plugins, Section)
        found[group] = made[0] if made else None
    for group, common in (("strategy", Common), ("risk", Section)):
        for name, declared in maps(tree, group).items():
            if not isinstance(declared, dict):
                was = f"must be a map of keys and values, was {spelled(declared)}"
                remedy = f"Correct it, or take {name} out of {group}=[…]."
                faults.add((group, name), f"{was}. {remedy}")
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
    if found["mode"] and found["mode"].name != "backtest" and not maps(tree, "risk"):
        none = f"must name a rule or more for mode={found['mode'].name}, named none"
        remedy = "only backtests trade without. Leave it out for all of them."
        faults.add(("risk",), f"{none}: {remedy}")
    if not maps(tree, "strategy"):
        faults.add(("strategy",), "must have one or more, had none. Write strategy=[ema_cross].")


_CALLS = {"backtest": "load", "paper": "after"}  # what a mode calls its feed by


def _unfit(mode: str) -> str:
    if mode == "paper":
        return "must go on in time as mode=paper does, was a recording. Choose feed=synthetic."
    return f"must be recorded for mode={mode}, was not. Choose feed=tape."


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
