"""Says where each value of a configuration comes from: a line of a file, or an override."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Place = tuple[str | int, ...]  # the keys that lead to a value, and indices within lists

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Layer:
    """A YAML file and the key its content is put under; () is the root."""

    file: Path
    under: Place


def dotted(place: Place) -> str:
    """Return a place as it is typed.

    >>> dotted(("universe", "symbols", 0))
    'universe.symbols[0]'
    """
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.lstrip(".")


def shown(file: Path) -> str:
    """Return a path relative to the present folder where it is below it."""
    file = file.resolve()
    here = Path.cwd().resolve()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def origins_of(
    layers: Sequence[Layer], overrides: Sequence[tuple[str, Place, Any]]
) -> dict[Place, str]:
    """Return the origin of every value and map; `overrides` are (text, place, value), in order.

    The last layer that sets a value is its origin; a map belongs to the first that mentions it.
    """
    origins: dict[Place, str] = {}
    maps: set[Place] = set()
    for layer in layers:
        name = shown(layer.file)
        root = yaml.compose(layer.file.read_text(encoding="utf-8"), Loader=_LOADER)
        for place, line, is_map in _keys(root, layer.under):
            if place not in maps:
                origins[place] = f"{name}:{line}"
            if is_map:
                maps.add(place)
    for text, place, value in overrides:
        origins |= dict.fromkeys(places_of(value, place), text)
    return origins


def places_of(value: Any, place: Place) -> Iterator[Place]:
    """Yield the place itself and, where its value is a map, every place below it."""
    yield place
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from places_of(inner, (*place, key))


def _keys(node: yaml.Node | None, under: Place) -> Iterator[tuple[Place, int, bool]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*under, key.value)
            yield place, key.start_mark.line + 1, isinstance(value, yaml.MappingNode)
            yield from _keys(value, place)
