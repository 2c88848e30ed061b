"""chanquant <verb> [flags] [overrides]: every verb on one screen."""

import argparse
import contextlib
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.errors import ChanQuantError, ConfigError, did_you_mean
from engine.verbs import Arguments


class Verb(NamedTuple):
    """A module with `run`, imported when its verb is typed, and the words that the verb takes."""

    module: str
    words: str
    line: str


VERBS = {
    "up": Verb("engine.verbs.up", "", "run engine and panel, start each again when it dies"),
    "run": Verb("engine.verbs.run", "", "run the engine once, in the foreground"),
    "panel": Verb("engine.verbs.panel", "", "run the panel alone, in the foreground"),
    "status": Verb("engine.verbs.status", "", "print how the engine is and what it holds"),
    "do": Verb("engine.verbs.do", "ACTION", "pause, resume, close, flatten, kill or rearm it"),
    "user": Verb("engine.verbs.user", "ACTION [NAME]", "say who may use the panel, and as what"),
    "parity": Verb("engine.verbs.parity", "RUN", "replay a run, compare it with the store"),
    "db": Verb("engine.verbs.db", "check | upgrade | path", "look after the stores"),
    "backtest": Verb(
        "engine.verbs.backtest", "[compare A B]", "trade recorded prices, write results"
    ),
    "gate": Verb("engine.verbs.gate", "", "run a backtest, say whether it reaches the targets"),
    "check": Verb("engine.verbs.check", "", "find all that is wrong before anything runs"),
    "show": Verb("engine.verbs.show", "[PREFIX]", "print each value and where it comes from"),
    "data": Verb("engine.verbs.data", "check FILE… | generate DIR SYMBOL…", "inspect or make data"),
    "compile": Verb("engine.verbs.compile", "", "compile the core and every chosen part"),
    "new": Verb("engine.verbs.new", "project DIR | strategy NAME | rule NAME", "write first files"),
}
FLAGS = {
    "--json": "print one JSON document and nothing else",
    "--config-dir DIR": "look for configuration here first, then in ./conf, then in the package",
    "--safe": "with up and run: pause all openings, only protect what is open",
    "--instance NAME": "with do: only this instance",
    "--symbol SYMBOL": "with do: only this symbol",
    "--reason TEXT": "with do: why, kept with the command",
    "--role ROLE": "with user: viewer, operator or admin",
    "--help": "explain chanquant, or the verb before it",
    "--version": "print the version",
}
_OPTIONS = ("instance", "symbol", "reason", "role")
OVERRIDES = """\
overrides:
  costs.taker=0                   set a value       strategy=[ema_cross]     choose files of a group
  +feed.new=1                     add a key         'account.cash="5000"'    quote money and times
  ~strategy.ema_cross.slow        remove a key      'feed.files={BTC/USDT\\:USDT: a.csv}'
"""
EXIT_CODES = (
    "exit codes: 0 fine, 1 failed, 2 configuration, 3 data, check or gate, 70 broken, 130 stopped"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb, print what a person must read, and return the exit code."""
    typed = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(typed)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader has seen enough, as `| head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ChanQuantError as wrong:
        problems, code = wrong.problems, wrong.exit_code
    except KeyboardInterrupt:
        problems, code = ("stopped by Ctrl-C",), 130
    if "--json" in typed:
        print(json.dumps({"error": problems, "exit_code": code}, indent=2, ensure_ascii=False))
    else:
        count = [f"{len(problems)} problems:"] if len(problems) > 1 else []
        print(*count, *problems, sep="\n", file=sys.stderr)
    return code


def _run(typed: list[str]) -> int:
    flags, rest = _flags(typed)
    if flags.version:
        from engine.version import code_version

        print(f"chanquant {code_version()}")
        return 0
    if not rest:
        print(_screen())
        return 0
    name, *others = rest
    if name not in VERBS:
        near = did_you_mean(name, VERBS) or "."
        raise ConfigError(f"{name}: must be a verb, was not{near} Verbs: {', '.join(VERBS)}.")
    module = importlib.import_module(VERBS[name].module)
    if flags.help:
        print(f"chanquant {name} {VERBS[name].words}\n\n{(module.__doc__ or '').strip()}\n")
        print(_help())
        return 0
    words = tuple(other for other in others if VERBS[name].words and not _is_override(other))
    overrides = tuple(other for other in others if other not in words)
    options = {name: getattr(flags, name) for name in _OPTIONS if getattr(flags, name) is not None}
    given = Arguments(flags.json, flags.config_dir, overrides, words, flags.safe, options)
    if not flags.json:
        return int(module.run(given))
    with contextlib.redirect_stdout(sys.stderr):  # a user's module and its steps may print
        return int(module.run(given))


def _flags(typed: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the flags, wherever they stand, and what remains."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--safe", action="store_true")
    parser.add_argument("--config-dir", type=Path)
    for name in _OPTIONS:
        parser.add_argument(f"--{name}")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="store_true")
    try:
        flags, rest = parser.parse_known_args(typed)
    except argparse.ArgumentError as wrong:
        raise ConfigError(
            f"{wrong.argument_name}: {wrong.message}. See chanquant --help."
        ) from None
    known = [flag.partition(" ")[0] for flag in FLAGS]
    unknown = [word for word in rest if word.startswith("-")]
    if unknown:
        raise ConfigError(
            *(
                f"{word}: no such flag{did_you_mean(word, known) or '.'} Flags: {', '.join(known)}."
                for word in unknown
            )
        )
    return flags, rest


def _is_override(word: str) -> bool:
    return "=" in word or word.startswith(("~", "+"))


def _screen() -> str:
    width = max(len(f"{name} {verb.words}") for name, verb in VERBS.items())
    verbs = "\n".join(f"  {f'{n} {v.words}':{width}}  {v.line}" for n, v in VERBS.items())
    return f"chanquant <verb> [flags] [overrides]\n\nverbs:\n{verbs}\n\n{_help()}"


def _help() -> str:
    flags = "\n".join(f"  {flag:18}  {line}" for flag, line in FLAGS.items())
    return f"flags:\n{flags}\n\n{OVERRIDES}\n{EXIT_CODES}"


if __name__ == "__main__":
    sys.exit(main())
