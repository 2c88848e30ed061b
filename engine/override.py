"""Reads `key=value` as it was typed, and says what is wrong where it is refused."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.overrides_visitor import HydraOverrideVisitor
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from hydra.grammar.gen.OverrideLexer import (  # type: ignore[attr-defined]
    CommonTokenStream,
    InputStream,
    OverrideLexer,
)
from hydra.grammar.gen.OverrideParser import OverrideParser
from omegaconf import DictConfig, ListConfig
from omegaconf._utils import split_key
from omegaconf.errors import OmegaConfBaseException

from engine.errors import did_you_mean
from engine.origins import Place, dotted, places_of

MANY = ("strategy", "risk")  # any number of files may be chosen of these, each holds one key


def read(texts: Sequence[str], problems: list[str]) -> Iterator[Override]:
    """Yield the overrides that can be read, and note a sentence for each other one."""
    parser = OverridesParser.create()
    for text in texts:
        try:
            override = parser.parse_override(text)
        except HydraException as wrong:
            problems.append(f"{text}: {_spelling(text, wrong)}")
            continue
        twice = _twice(text) if isinstance(override._value, dict | list) else []
        torn = [value for value in _unquoted(override._value) if ": " in value]
        if not override.key_or_group:
            problems.append(f"{text}: must be key=value, had no key. Write the key first.")
        elif re.match("hydra(/|[.]|$)", override.key_or_group):
            problems.append(f"{text}: must be a key of ChanQuant, was one of Hydra. Remove it.")
        elif override.is_sweep_override():
            problems.append(
                f"{text}: must be one value, was a sweep over several. Choose one; write a list in"
                " [brackets], and a text that holds a comma in quotes."
            )
        elif torn:
            problems.append(
                f"{text}: must have one colon between a key and its value, was {torn[0]!r} after"
                r" the first. Write the colon of a symbol as \:, and a value with `: ` in quotes."
            )
        elif twice:
            problems.append(
                f"{text}: must have each key once, had {' and '.join(twice)} twice. Leave one out."
            )
        else:
            yield override


def _twice(text: str) -> list[str]:
    """Return the keys that a map of an override has twice; what was read has lost the first."""
    reader = HydraOverrideVisitor(create_functions())
    parser = OverrideParser(CommonTokenStream(OverrideLexer(InputStream(text))))
    found: list[str] = []
    waiting = [parser.override()]  # type: ignore[no-untyped-call]
    while waiting:
        node = waiting.pop()
        if isinstance(node, OverrideParser.DictContainerContext):
            keys = Counter(reader.visitDictKey(pair.dictKey()) for pair in node.dictKeyValuePair())
            found += [str(key) for key, count in keys.items() if count > 1]
        waiting += getattr(node, "children", None) or ()
    return found


def _unquoted(value: Any) -> Iterator[str]:
    """Yield the texts that were typed without quotes as values of a map."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from [inner] if type(inner) is str else _unquoted(inner)


def _spelling(text: str, wrong: Exception) -> str:
    key, equals, value = text.partition("=")
    if not equals:
        return "must be key=value, had no =. Write key=value."
    token = re.search("'.*'", str(wrong))
    expected = f"must be key=value, was not{f' at {token[0]}' if token else ''}."
    if "/" in key:
        above = key.partition("/")[0].rpartition(".")[0]
        return f"{expected} Only a map has keys with other signs: '{above}={{…}}'."
    if value.startswith(("{", "[", '"', "'")):
        return f"{expected} Put each text with other signs than letters and digits in quotes."
    return f"""{expected} Put the value in quotes: '{key}="{value}"'."""


def typed(override: Override) -> str:
    """Return an override as it was typed."""
    return override.input_line or ""


def place_of(override: Override) -> Place:
    """Return the keys that an override leads to."""
    keys = split_key(override.key_or_group)
    return tuple(int(key) if key.isdecimal() else key for key in keys)


def apply(
    override: Override, config: DictConfig, exists: Callable[[str], bool], problems: list[str]
) -> bool:
    """Set one value in the configuration, or note why not; `exists` knows the files."""
    try:
        sentence = (
            "" if override.is_add() or override.is_force_add() else _lacks(override, config, exists)
        )
        if not sentence:
            if override.type == OverrideType.CHANGE and _is_inside(place_of(override), config):
                override = replace(override, type=OverrideType.FORCE_ADD)
            if not override.is_add() and not override.is_delete():
                _make_room(config, place_of(override), override.value())
            ConfigLoaderImpl._apply_overrides_to_config([override], config)
    except (HydraException, OmegaConfBaseException, TypeError, ValueError) as wrong:
        sentence = f"cannot be set: {str(wrong).splitlines()[0]}. Correct or remove it."
        if override.is_delete():
            sentence = "must be a key that has this value, or any, was not. Leave it out."
        if override.is_add():
            sentence = "must be a new key, was there already. Leave the + out."
    if sentence:
        problems.append(f"{typed(override)}: {sentence}")
    return not sentence


def _make_room(node: Any, place: Place, value: Any) -> None:
    """Empty each map that a list takes the place of, and each list that a map does.

    Hydra would merge them, which cannot be; whether the key may hold it is asked later.
    """
    above = node
    for key in place:
        if key not in _known(node):
            return
        above, node = node, node._get_node(key)
    is_list, is_map = isinstance(value, list), isinstance(value, dict)
    if (is_list and isinstance(node, DictConfig)) or (is_map and isinstance(node, ListConfig)):
        above[place[-1]] = None
    elif is_map:
        for key, inner in value.items():
            _make_room(node, (key,), inner)


def _lacks(override: Override, config: DictConfig, exists: Callable[[str], bool]) -> str:
    """Return a sentence about the first key that is not there, or an empty text."""
    start = place_of(override)
    for wanted in places_of(override.value(), start):
        node: Any = config
        for depth, key in enumerate(wanted):
            if depth >= len(start) and not isinstance(node, DictConfig):
                break  # a map takes the place of a single value
            known = _known(node)
            if key not in known and _is_inside(wanted, config):
                break  # the class knows its keys, which is asked later
            if key not in known:
                return _unknown(wanted[: depth + 1], [str(one) for one in known], exists)
            node = node._get_node(key)
    return ""


def _is_inside(place: Place, config: DictConfig) -> bool:
    """Tell whether a place is within instruments, or a strategy or rule that is declared."""
    if place[:2] == ("universe", "instruments"):
        return isinstance(config.universe.get("instruments"), DictConfig)
    return len(place) > 2 and place[0] in MANY and place[1] in (config.get(place[0]) or ())


def _known(node: Any) -> Collection[Any]:
    """Return the keys of a map or the indices of a list; nothing else has any."""
    if isinstance(node, DictConfig):
        return node.keys()
    return range(len(node)) if isinstance(node, ListConfig) else ()


def _unknown(missing: Place, known: list[str], exists: Callable[[str], bool]) -> str:
    if len(missing) == 2 and exists("/".join(map(str, missing))):
        group, name = missing
        return f"{dotted(missing)} must be chosen, was not. Add {name} to {group}=[…]."
    near = did_you_mean(str(missing[-1]), known) or "."
    there = f"There are: {', '.join(known)}." if known else "It is no map, and has no keys."
    return f"no such key {dotted(missing)}{near} {there}"
