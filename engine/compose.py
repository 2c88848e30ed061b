"""Turns YAML files and overrides into one tree of plain values that knows where each came from.

Hydra composes. A refused override becomes a problem and is dropped, so that composing goes on and
every mistake is found at once. Nothing that the tree names is imported or read here.
"""

import difflib
import hashlib
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.defaults_list import create_defaults_list
from hydra.core.default_element import GroupDefault, ResultDefault
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from engine.errors import ConfigError, did_you_mean
from engine.origins import Layer, Place, dotted, origins_of, shown
from engine.override import MANY, apply, place_of, read, typed
from engine.secret import Secret

DEPTH_MAX = 32  # of keys in keys; what is deeper leads to itself

_SECRET = re.compile(r"\$\{secret:([A-Za-z_][A-Za-z0-9_.-]*)\}")
_ENVIRONMENT = re.compile(r"oc\s*\.\s*env\s*:\s*([^,}\s]*)")
_PUBLIC = re.compile(r"CHANQUANT_\w+|HOME|HOSTNAME|TZ|USER")  # of the environment: no secrets
_REFUSED = (HydraException, OmegaConfBaseException, ConfigError, ValueError)


@dataclass(frozen=True)
class Composed:
    """A configuration that is composed, not validated.

    `tree` has its interpolations resolved and its secrets by name; `problems` are the sentences
    about overrides, files and interpolations; the values at `unresolved` could not be made.
    """

    tree: dict[str, Any]
    problems: tuple[str, ...]
    unresolved: frozenset[Place]
    folders: tuple[Path, ...]  # where files are looked for, the first one wins
    origins: Mapping[Place, str]

    def origin(self, place: Place) -> str:
        """Return `file:line` or the override that set a value, or else the nearest map's."""
        around = (self.origins.get(place[:length]) for length in range(len(place), 0, -1))
        return next((origin for origin in around if origin), "")

    def where(self, place: Place) -> str:
        """Return origin and key, as the beginning of a sentence."""
        origin, key = self.origin(place), dotted(place)
        return origin if origin.lstrip("+").startswith(f"{key}=") else f"{origin} {key}".lstrip()


def compose(overrides: Sequence[str] = (), config_dir: Path | None = None) -> Composed:
    """Compose `config.yaml` with overrides such as `strategy=[ema_cross]` and `costs.taker=0`.

    Files are looked for in `config_dir`, then ./conf, then the packaged conf. Raises ConfigError
    where the files themselves cannot be composed; every other mistake is among the problems.
    """
    problems: list[str] = []
    files = _Files(_folders(config_dir, problems))
    choices: list[Override] = []
    values: list[Override] = []
    for override in read(overrides, problems):
        is_group = files.group_exists(override.key_or_group)
        is_choice = is_group and not isinstance(override.value(), dict)
        (choices if is_choice else values).append(override)
    choices = [known for choice in choices if (known := _known(choice, files, problems))]
    defaults, config = _chosen(choices, files, problems)
    applied = [o for o in values if apply(o, config, files.config_exists, problems)]
    origins = origins_of(
        [files.layer(default) for default in defaults],
        [(typed(o), place_of(o), o.value()) for o in (*choices, *applied) if not o.is_delete()],
    )
    tree, unresolved = _resolved(config)
    composed = Composed(tree, (), frozenset(unresolved), files.folders, origins)
    problems += [f"{composed.where(place)}: {sentence}" for place, sentence in unresolved.items()]
    problems += _misnamed(composed, defaults, files)
    return replace(composed, problems=tuple(problems))


def masked_yaml(composed: Composed) -> str:
    """Return the tree as YAML, with `***` for every secret."""
    return yaml.safe_dump(masked(composed.tree), sort_keys=False, allow_unicode=True, width=100)


def config_hash(composed: Composed) -> str:
    """Return the sha256 of the masked tree; only the order of strategies and rules counts."""
    tree = masked(composed.tree)
    ordered = {group: list(maps(tree, group).items()) for group in MANY}
    named = json.loads(json.dumps(tree | ordered, default=str))  # keys become texts, and sortable
    canonical = json.dumps(named, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def masked(value: Any) -> Any:
    """Return a tree with `***` for every secret."""
    if isinstance(value, dict):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return str(value) if isinstance(value, Secret) else value


def packaged_conf() -> Path:
    """Return the folder of the shipped YAML: in a wheel inside engine, in a checkout beside it."""
    inside = Path(__file__).with_name("conf")
    return inside if inside.is_dir() else inside.parents[1] / "conf"


# ── files ─────────────────────────────────────────────────────────────────────────────────────


def _folders(config_dir: Path | None, problems: list[str]) -> tuple[Path, ...]:
    if config_dir is not None and not config_dir.is_dir():
        problems.append(
            f"--config-dir {config_dir}: must be a folder, was missing. Correct the path."
        )
    wanted = (config_dir, Path("conf"), packaged_conf())
    return tuple(dict.fromkeys(folder.resolve() for folder in wanted if folder and folder.is_dir()))


class _Files(CachingConfigRepository):
    """The YAML files that can be chosen, each read once, from the first folder that has it."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        Plugins.instance()
        version.setbase("1.3")
        path = ConfigSearchPathImpl()
        for folder in folders:
            path.append("conf", f"file://{folder}")
        path.append("schema", "structured://")
        self.folders = folders
        self.loader = ConfigLoaderImpl(path)
        super().__init__(self.loader.repository)

    def file(self, config_path: str) -> Path:
        """Return the file of an option such as `strategy/ema_cross`."""
        candidates = [folder / f"{config_path}.yaml" for folder in self.folders]
        return next((file for file in candidates if file.is_file()), candidates[-1])

    def layer(self, default: ResultDefault) -> Layer:
        """Return the file of an entry of the defaults list, and where its content goes."""
        under = tuple(default.package.split(".")) if default.package else ()
        return Layer(self.file(default.config_path or ""), under)

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Read a file; raise ConfigError with a sentence where it is no map in YAML."""
        file = shown(self.file(config_path))
        try:
            loaded = super().load_config(config_path)
        except yaml.MarkedYAMLError as wrong:
            line = wrong.problem_mark.line + 1 if wrong.problem_mark else 1
            what = wrong.problem or wrong.context
            raise ConfigError(
                f"{file}:{line}: must be YAML, was not: {what}. Correct it."
            ) from None
        except (OmegaConfBaseException, OSError, ValueError) as wrong:
            raise ConfigError(
                f"{file}: cannot be used: {_first_line(wrong)}. Correct it."
            ) from None
        if loaded is not None and not isinstance(loaded.config, DictConfig):
            raise ConfigError(f"{file}: must be a map of keys and values, was not. Correct it.")
        return loaded

    def missing(self) -> Iterator[str]:
        """Yield a sentence for each name in a defaults list, of those read, that no file has."""
        for key, loaded in self.cache.items():
            path = key.partition("=")[2]
            for default in (loaded.defaults_list or ()) if loaded else ():
                if not isinstance(default, GroupDefault) or default.is_optional():
                    continue
                group = posixpath.join("/", posixpath.dirname(path), default.group or "")[1:]
                options = self.get_group_options(group)
                for name in _as_list(default.value):
                    if name is not None and name not in options:
                        hint = did_you_mean(name, options) or "."
                        yield (
                            f"{shown(self.file(path))}: must name files of conf/{group}, named"
                            f" {name}{hint} There are: {', '.join(options)}."
                        )


# ── choices ───────────────────────────────────────────────────────────────────────────────────


def _known(choice: Override, files: _Files, problems: list[str]) -> Override | None:
    """Return a choice of files that exist.

    For an unknown name the nearest one stands in, so that what follows is judged as it was meant.
    """
    group, value = choice.key_or_group, choice.value()
    if choice.is_delete() and group in MANY:
        problems.append(f"{typed(choice)}: must be a choice, was a deletion. Write {group}=[].")
        return None
    if choice.is_delete():
        return choice
    options = files.get_group_options(group)
    names = ["null" if name is None else str(name) for name in _as_list(value)]
    problems += [
        f"{typed(choice)}: must name a file of conf/{group}, was {name or 'empty'}"
        f"{did_you_mean(name, options) or '.'} There are: {', '.join(options)}."
        for name in dict.fromkeys(names)
        if name not in options
    ]
    kept = [near for name in names for near in difflib.get_close_matches(name, options, 1)]
    if names and not kept:
        return None
    return replace(choice, _value=kept if isinstance(value, list) else kept[0])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _chosen(
    choices: Sequence[Override], files: _Files, problems: list[str]
) -> tuple[list[ResultDefault], DictConfig]:
    """Compose the chosen files; where that fails, leave out each choice that makes it fail."""
    try:
        return _merged(choices, files)
    except _REFUSED:
        accepted: list[Override] = []
    try:
        result = _merged(accepted, files)
    except _REFUSED as wrong:
        raise ConfigError(*problems, *_sentences(wrong, "conf", files)) from None
    waiting = list(choices)
    while waiting:  # a choice may need another one that was typed after it
        refused = []
        for choice in waiting:
            try:
                result = _merged([*accepted, choice], files)
                accepted.append(choice)
            except _REFUSED as wrong:
                refused.append((choice, wrong))
        if len(refused) == len(waiting):
            found = [_sentences(wrong, typed(choice), files) for choice, wrong in refused]
            problems += dict.fromkeys(chain.from_iterable(found))
            break
        waiting = [choice for choice, _ in refused]
    return result


def _merged(choices: Sequence[Override], files: _Files) -> tuple[list[ResultDefault], DictConfig]:
    defaults = create_defaults_list(
        files, "config", list(choices), prepend_hydra=False, skip_missing=False
    ).defaults
    config = files.loader._compose_config_from_defaults_list(defaults, files)
    OmegaConf.set_struct(config, True)
    return defaults, config


def _sentences(wrong: Exception, where: str, files: _Files) -> tuple[str, ...]:
    if isinstance(wrong, ConfigError):
        return wrong.problems
    if isinstance(wrong, MissingConfigException) and (missing := tuple(files.missing())):
        return missing
    what = _first_line(wrong)
    if inside := re.match(
        r"In '([^']+)': (?:.* raised while composing config:\n)?(.*)", str(wrong)
    ):
        where, what = shown(files.file(inside[1])), inside[2].rstrip(".")
    return (f"{where}: cannot be composed: {what}. Correct or remove it.",)


def _first_line(wrong: Exception) -> str:
    return str(wrong).splitlines()[0].rstrip(".")


# ── the tree ──────────────────────────────────────────────────────────────────────────────────


def _resolved(config: DictConfig) -> tuple[dict[str, Any], dict[Place, str]]:
    """Return the tree as plain values, and a sentence for each that has none."""
    unresolved: dict[Place, str] = {}

    def container(node: Any, raw: Any, place: Place) -> Any:
        if isinstance(raw, dict):
            return {key: one(node, key, inner, (*place, key)) for key, inner in raw.items()}
        return [one(node, i, inner, (*place, i)) for i, inner in enumerate(raw)]

    def one(node: Any, key: Any, raw: Any, place: Place) -> Any:
        if isinstance(raw, dict | list):
            return container(node[key], raw, place)
        if not isinstance(raw, str) or ("${" not in raw and raw != "???"):
            return raw
        if secret := _SECRET.fullmatch(raw):
            return Secret(secret[1])
        if hidden := [name for name in _ENVIRONMENT.findall(raw) if not _PUBLIC.fullmatch(name)]:
            unresolved[place] = (
                f"must not read {hidden[0]} from the environment: what a configuration holds is"
                " shown. Name it CHANQUANT_…, or a secret: ${secret:NAME}."
            )
            return raw
        try:
            if len(place) > DEPTH_MAX:
                raise RecursionError("it leads to itself")
            value = node[key]
        except (OmegaConfBaseException, RecursionError) as wrong:
            unresolved[place] = _unresolved(raw, wrong)
            return raw
        if OmegaConf.is_config(value):
            return container(value, OmegaConf.to_container(value, resolve=False), place)
        return value

    return container(config, OmegaConf.to_container(config, resolve=False), ()), unresolved


def _unresolved(raw: str, wrong: Exception) -> str:
    if raw == "???":
        return "must be set, was not. Give it a value."
    what = _first_line(wrong).rpartition("resolving interpolation: ")[2].strip('"')
    if what == "Unsupported interpolation type secret":
        return (
            f"must be a secret alone, as ${{secret:NAME}}, was {raw}. Secrets are not put together."
        )
    return f"must lead to a value, was {raw}: {what}. Set what it names, or write the value."


def _misnamed(
    composed: Composed, defaults: Sequence[ResultDefault], files: _Files
) -> Iterator[str]:
    """Yield a sentence for each part that is declared twice, or not under its file's name."""
    paths = [
        path for default in defaults if (path := default.config_path or "").split("/")[0] in MANY
    ]
    for path, count in Counter(paths).items():
        group, _, name = path.partition("/")
        loaded = files.load_config(path)
        keys = [str(key) for key in loaded.config] if loaded else []
        if keys != [name]:
            yield (
                f"{shown(files.file(path))}: must hold one key, named {name} as the file is, was"
                f" {', '.join(keys) or 'empty'}. Rename the key or the file."
            )
        if count > 1:
            yield f"{group}={name}: must be chosen once, was chosen {count} times. Leave one out."
    for group in MANY:
        for name in maps(composed.tree, group):
            first, last = (composed.origin((group, name, *key)) for key in ((), ("_target_",)))
            files_differ = first.rpartition(":")[0] != last.rpartition(":")[0]
            if files_differ and "=" not in first + last:
                yield (
                    f"{last} {group}.{name}: must be declared in one file, was declared in {first}"
                    " too. Give one of them another name."
                )


def maps(tree: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Return the parts of a group by name; none where it is empty or no map."""
    found = tree.get(group)
    return found if isinstance(found, dict) else {}
