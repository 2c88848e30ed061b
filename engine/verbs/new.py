"""chanquant new: write the first files of a project, a strategy or a rule.

    chanquant new project DIR      a folder of your own: conf, a package with one strategy, its test
    chanquant new strategy NAME    class, YAML and test, here or in the project you stand in
    chanquant new rule NAME        the same for a risk rule

Each part starts as a copy of the smallest one there is. Nothing is ever overwritten.
"""

import importlib.util
import keyword
import re
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from engine.compose import compose, packaged_conf
from engine.errors import ConfigError
from engine.verbs import Arguments

USAGE = "Type: chanquant new project DIR, new strategy NAME, or new rule NAME."
FIRST = "first"  # name of the strategy in a new project


class Kind(NamedTuple):
    """What a part is copied from, and where it goes in the repository."""

    group: str  # of the configuration
    package: str
    sibling: str


KINDS = {
    "strategy": Kind("strategy", "engine.strategies", "buy_and_hold"),
    "rule": Kind("risk", "engine.rules", "open_positions"),
}

STRATEGY_TEST = '''\
"""{class_name}: what it wants after its first bar."""

from engine.core.records import Bar, Out
from {module} import {class_name}


def test_wants_to_be_long_from_the_first_bar_on() -> None:
    out = Out()
    {class_name}().step({class_name}.StateRecord(), Bar(close=100.0), out)
    assert out.target == 1.0
'''
RULE_TEST = '''\
"""{class_name}: what it denies."""

from engine.core.records import Intent, View
from {module} import {class_name}


def test_denies_a_position_beyond_the_limit_and_no_other() -> None:
    rule, state = {class_name}(count_max=2), {class_name}.StateRecord()
    assert rule.check(state, View(positions=2), Intent())
    assert not rule.check(state, View(positions=1), Intent())
'''
TESTS = {"strategy": STRATEGY_TEST, "rule": RULE_TEST}

README = """\
# {package}

`chanquant check` says what would trade, `chanquant show` where each value comes from. Put bars into
data/ as BTC_USDT_1m.parquet and run `chanquant backtest`. Tests: `python -m pytest`.
"""
OVERLAY = """\
# @package _global_
# What is always wanted in this folder; experiments and the command line win over it.

defaults:
  - override /strategy: [{first}]
  - _self_

plugins: [{package}]            # packages searched for `_target_`
"""
TAPE = ("var/tape/", "data/")  # folder of the bars: that of the shipped feed, that of a project
CONFTEST = '"""Lets the tests import the package that lies beside this file."""\n'


def run(arguments: Arguments) -> int:
    """Write the files and name them; raise ConfigError rather than overwrite one."""
    kind, name = arguments.words if len(arguments.words) == 2 else ("", "")
    if kind == "project":
        files, hint = _project(Path(name))
    elif kind in KINDS:
        files, hint = _part(kind, name)
    else:
        typed = " ".join(arguments.words) or "nothing"
        raise ConfigError(f"new: must be told what and its name, was told {typed}. {USAGE}")
    there = [f"{path}: must be new, was there already." for path in files if path.exists()]
    if there:
        raise ConfigError(*(f"{one} Choose another name, or remove it." for one in there))
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as wrong:
            raise ConfigError(f"{path}: must be writable, was not: {wrong.strerror}.") from None
    written = [str(path) for path in files]
    if arguments.json:
        arguments.answer({"written": written, "next": hint})
    else:
        print(*(f"wrote {path}" for path in written), f"next: {hint}", sep="\n")
    return 0


def _project(root: Path) -> tuple[dict[Path, str], str]:
    package = re.sub(r"\W+", "_", root.resolve().name).lower()
    spec = importlib.util.find_spec(package) if _is_name(package) else None
    if not _is_name(package) or (spec and spec.origin):
        raise ConfigError(
            f"{root}: must end in a name that Python can import and has not taken, was {package}."
            " Choose another folder."
        )
    tape = (packaged_conf() / "feed/tape.yaml").read_text(encoding="utf-8")
    texts = {
        "README.md": README.format(package=package),
        "conftest.py": CONFTEST,
        "conf/local/default.yaml": OVERLAY.format(package=package, first=FIRST),
        "conf/feed/tape.yaml": tape.replace(*TAPE),
        f"{package}/__init__.py": f'"""Parts of {package}."""\n',
    }
    files = {root / path: text for path, text in texts.items()}
    part = _files("strategy", FIRST, f"{package}.{FIRST}", root, root / "tests")
    return files | part, f"cd {root} && chanquant check"


def _part(kind: str, name: str) -> tuple[dict[Path, str], str]:
    """Return the files of a part, in the repository or in the project of the present folder."""
    if keyword.iskeyword(name):
        raise ConfigError(f"{name}: must not be a word of Python, was one. Choose another name.")
    if not _is_name(name):
        raise ConfigError(f"{name}: must be lower-case letters, digits and _, was not. Rename it.")
    group, package, _ = KINDS[kind]
    root, tests = Path(), Path("tests/unit", package.rpartition(".")[2])
    if not Path("engine/strategies").is_dir():
        plugins = [plugin for plugin in compose().tree.get("plugins", ()) if Path(plugin).is_dir()]
        if not plugins:
            raise ConfigError(
                f"new {kind}: must be typed in the repository or in a project, was in neither."
                " Make a project with: chanquant new project DIR."
            )
        package, tests = plugins[0], Path("tests")
    files = _files(kind, name, f"{package}.{name}", root, tests)
    return files, f"chanquant check {group}=[{name}]"


def _files(kind: str, name: str, module: str, root: Path, tests: Path) -> dict[Path, str]:
    """Return class, YAML and test: those of the sibling, renamed."""
    group, package, sibling = KINDS[kind]
    class_name = _class_name(name)
    source = resources.files(package).joinpath(f"{sibling}.py").read_text(encoding="utf-8")
    yaml = (packaged_conf() / group / f"{sibling}.yaml").read_text(encoding="utf-8")
    code = source.replace(_class_name(sibling), class_name).replace(sibling, name)
    declared = yaml.replace(f"{package}.{sibling}.{_class_name(sibling)}", f"{module}.{class_name}")
    return {
        root / f"{module.replace('.', '/')}.py": code,
        root / f"conf/{group}/{name}.yaml": declared.replace(sibling, name),
        tests / f"test_{name}.py": TESTS[kind].format(module=module, class_name=class_name),
    }


def _is_name(text: str) -> bool:
    return bool(re.fullmatch("[a-z][a-z0-9_]*", text)) and not keyword.iskeyword(text)


def _class_name(name: str) -> str:
    return name.title().replace("_", "")
