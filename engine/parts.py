"""Makes the objects that `_target_` names: strategies, rules, feeds and venues.

A name is looked at before anything is imported: it must be below the group's own package or one
that `plugins` lists. Then it must be a class of the group. Only then its parameters are checked.
"""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import traceback
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, create_model

from engine.core.compile.declare import Part, Rule, Strategy
from engine.core.compile.record import where
from engine.errors import ConfigError, did_you_mean
from engine.faults import Faults, spelled
from engine.origins import Place, shown

_HOMES = {
    "strategy": "engine.strategies",
    "risk": "engine.rules",
    "feed": "engine.feeds",
    "venue": "engine.venues",
}
_BASES = {
    "strategy": "a subclass of Strategy",
    "risk": "a subclass of Rule",
    "feed": "a class with timeframe and problems, and load or after",
    "venue": "a class with problems and send",
}


def make(
    faults: Faults,
    place: Place,
    declared: Mapping[str, Any],
    plugins: Sequence[str],
    common: type[BaseModel],
) -> tuple[Any, Any] | None:
    """Return the object declared at a place, and the keys that all of its group have.

    Returns None after noting all that is wrong, where there is no object to return.
    """
    group, given = str(place[0]), dict(declared)
    made = _class(given.pop("_target_", None), group, plugins, faults, place)
    fields = dict(_fields(made)) if made else {}
    for name in fields.keys() & common.model_fields.keys():
        faults.add(place, f"{where(made)} must not have a parameter {name}, had one. Rename it.")
    parameters: dict[str, Any] = {
        f"parameter_{i}": (annotation, Field(default, alias=name))
        for i, (name, (annotation, default)) in enumerate(fields.items())
    }
    model = create_model("Declared", __base__=common, **parameters)
    if made is None:
        given = {key: value for key, value in given.items() if key in common.model_fields}
    checked = faults.check(model, given, place)
    if made is None or checked is None:
        return None
    part = made(**{name: getattr(checked, f"parameter_{i}") for i, name in enumerate(fields)})
    for problem in part.problems():
        name, _, rest = problem.partition(" ")
        if (name := name.rstrip(":")) in fields:
            faults.add((*place, name), rest)
        else:
            faults.add(place, problem)
    return part, checked


def _fields(made: type) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield name → (annotation, default) for each parameter of a class."""
    if issubclass(made, Part):
        annotations = typing.get_type_hints(made, include_extras=True)
        for name in made.parameters():
            yield name, (annotations[name], getattr(made, name, ...))
    else:
        annotations = typing.get_type_hints(made.__init__, include_extras=True)
        for name, parameter in inspect.signature(made).parameters.items():
            default = ... if parameter.default is parameter.empty else parameter.default
            yield name, (annotations.get(name, Any), default)


def _class(
    target: Any, group: str, plugins: Sequence[str], faults: Faults, place: Place
) -> type | None:
    """Return the class that a `_target_` names, or None after noting why it is not used."""
    homes = (_HOMES[group], *plugins)
    inner = (*place, "_target_")
    if target is None:
        choose = f"Choose it with {group}=[…], or remove its keys." if place[1:] else "Add it."
        faults.add(place, f"must name a class in _target_, named none. {choose}")
        return None
    if not isinstance(target, str) or not target.startswith(tuple(f"{home}." for home in homes)):
        below = f"must be a class below {' or '.join(homes)}, was {spelled(target)}"
        faults.add(inner, f"{below}{_hint(target, homes)} Nothing was imported.")
        return None
    if plugins:
        _make_importable(faults.composed.folders)
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ConfigError as wrong:
        faults.problems += wrong.problems
        return None
    except Exception as wrong:  # noqa: BLE001  what a user's module raises is the user's to read
        if not isinstance(wrong, ModuleNotFoundError) or not _leads_to(wrong.name, module):
            faults.add(inner, f"must be importable, was not: {_last_line(wrong)}")
            return None
        found = None
    if not _fits(found, group):
        faults.add(inner, f"must be {_BASES[group]}, {target} is not{_hint(target, homes)}")
        return None
    return typing.cast(type, found)


def missing(plugins: Sequence[str], folders: Sequence[Path]) -> Iterator[str]:
    """Yield each package that cannot be found; none is imported."""
    if plugins:
        _make_importable(folders)
    for package in plugins:
        try:
            if importlib.util.find_spec(package) is None:
                yield package
        except ValueError:  # a module that came from no file
            yield package


def _leads_to(package: str | None, module: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def _make_importable(folders: Sequence[Path]) -> None:
    """Let packages here and beside folders of YAML be found, after everything installed."""
    for root in (Path.cwd(), *(folder.parent for folder in folders)):
        if root != Path(__file__).parent and str(root) not in sys.path:
            sys.path.append(str(root))


def _fits(found: Any, group: str) -> bool:
    if not isinstance(found, type):
        return False
    if group == "feed":
        is_feed = hasattr(found, "timeframe") and hasattr(found, "problems")
        return is_feed and (hasattr(found, "load") or hasattr(found, "after"))
    if group == "venue":
        return hasattr(found, "problems") and hasattr(found, "send")
    base = Strategy if group == "strategy" else Rule
    return issubclass(found, base) and found is not base


def _hint(target: Any, homes: Sequence[str]) -> str:
    """Return the nearest class, guessed from file names: `a.ema_cross` should hold `EmaCross`."""
    known = [
        f"{home}.{module.name}.{module.name.title().replace('_', '')}"
        for home in homes
        for module in pkgutil.iter_modules(_locations(home))
    ]
    near = did_you_mean(str(target), known) or "."
    return f"{near} Correct it, or add its package to plugins."


def _locations(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    return list(spec.submodule_search_locations or ()) if spec else []


def _last_line(wrong: Exception) -> str:
    """Return the line of a file that made an import fail, and why."""
    if isinstance(wrong, SyntaxError):
        return (
            f"{shown(Path(wrong.filename or ''))}:{wrong.lineno}: {wrong.msg}. Correct that line."
        )
    last = traceback.extract_tb(wrong.__traceback__)[-1]
    kind = type(wrong).__name__
    return f"{shown(Path(last.filename))}:{last.lineno}: {kind}: {wrong}. Correct that line."
