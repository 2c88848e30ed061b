"""Checks files of bars and trades (exit 3 where one has an error), or makes some up.

chanquant data check FILE... [timeframe=1m]       the usual step of the file, if not given
chanquant data generate DIR SYMBOL... [bars=130000] [timeframe=1m] [seed=42]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.clock import utc
from engine.core.portfolio import parse_timeframe
from engine.errors import ConfigError, did_you_mean
from engine.feeds.files import read
from engine.feeds.generated import generate, is_ours, write
from engine.feeds.quality import Rows, inspect, length, milliseconds, usual_step
from engine.feeds.tape import place
from engine.research.table import progress
from engine.verbs import Arguments

BARS_MAX = 10_000_000  # of a generated file
CHECK = "Type: chanquant data check FILE... [timeframe=1m]"
GENERATE = "Type: chanquant data generate DIR SYMBOL... [bars=130000] [timeframe=1m] [seed=42]"


def run(arguments: Arguments) -> int:
    """Check files (3 where one has an error), or generate a file for each symbol."""
    actions = {"check": _check, "generate": _generate}
    action, *words = arguments.words or ("nothing",)
    if action not in actions:
        near = did_you_mean(action, actions) or "."
        raise ConfigError(f"data: must be check or generate, was {action}{near} {CHECK}")
    return actions[action](words, arguments)


def _check(words: Sequence[str], arguments: Arguments) -> int:
    options, problems = _options(arguments.overrides, {"timeframe": parse_timeframe})
    if not words:
        problems.append(f"data check: must name at least one file, named none. {CHECK}")
    if problems:
        raise ConfigError(*problems)
    checked = []
    with progress(len(words), "check") as advance:
        for word in words:
            checked.append(_checked(Path(word), options.get("timeframe", 0)))
            advance(1)
    if arguments.json:
        arguments.answer({"files": checked})
    else:
        console = Console()
        for one in checked:
            _show(console, one)
    return 3 if any(one["errors"] for one in checked) else 0


def _checked(path: Path, span: int) -> dict[str, Any]:
    """Return what is said about a file; the timeframe is guessed where `span` is 0."""
    file = read(path)
    ts = milliseconds(file.rows["ts"])
    span = span or usual_step(ts)
    findings = file.findings or inspect(file.rows, span)
    is_timed = file.kind == "bars" and span > 0
    return {
        "path": str(path),
        "kind": file.kind,
        "rows": len(ts),
        "first": int(ts[0]) if len(ts) else None,
        "last": int(ts[-1]) if len(ts) else None,
        "timeframe": length(span) if is_timed else None,
        "errors": sum(finding.severity == "error" for finding in findings),
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def _show(console: Console, checked: Mapping[str, Any]) -> None:
    facts = [f"{checked['rows']:,} rows of {checked['kind']}"] if checked["kind"] else []
    if checked["rows"]:
        facts.append(f"{utc(checked['first'])} to {utc(checked['last'])}")
    if checked["timeframe"]:
        facts.append(f"timeframe {checked['timeframe']}")
    console.print(Text(checked["path"], "bold"), soft_wrap=True)
    console.print(Text(" · ".join(facts) or "not read"), soft_wrap=True)
    if not checked["findings"]:
        console.print(Text("no findings\n", "green"))
        return
    table = Table("severity", "finding", "rows", "what")
    for finding in checked["findings"]:
        style = "red" if finding["severity"] == "error" else "yellow"
        table.add_row(
            Text(finding["severity"], style),
            finding["code"],
            f"{finding['count']:,}",
            Text(finding["sentence"]),
        )
    console.print(table, "")


def _generate(words: Sequence[str], arguments: Arguments) -> int:
    options, problems = _options(
        arguments.overrides,
        {
            "bars": lambda text: _whole(text, 1, BARS_MAX),
            "timeframe": parse_timeframe,
            "seed": lambda text: _whole(text, 0, 2**63 - 1),
        },
    )
    if len(words) < 2:
        what = " ".join(words) or "nothing"
        problems.append(f"data generate: must name a folder and symbols, was {what}. {GENERATE}")
    if problems:
        raise ConfigError(*problems)
    folder, *symbols = words
    bars, seed = options.get("bars", 130_000), options.get("seed", 42)
    span = options.get("timeframe", 60_000)
    pattern = f"{folder}/{{symbol}}_{{timeframe}}.parquet"
    paths = {symbol: place(pattern, symbol, length(span)) for symbol in symbols}
    taken = [path for path in paths.values() if not is_ours(path)]
    if taken:
        what = "must be free or a generated file, holds something else. Choose another folder."
        raise ConfigError(*(f"{path}: {what}" for path in taken))
    with progress(len(paths), "generate") as advance:
        for symbol, path in paths.items():
            _write(path, generate(symbol, bars, span, seed))
            advance(1)
    if arguments.json:
        files = [{"symbol": s, "path": str(path), "rows": bars} for s, path in paths.items()]
        arguments.answer({"files": files})
    else:
        table = Table("symbol", "rows", "file")
        for symbol, path in paths.items():
            table.add_row(Text(symbol), f"{bars:,}", Text(str(path)))
        Console().print(table)
    return 0


def _write(path: Path, rows: Rows) -> None:
    try:
        write(path, rows)
    except OSError as error:
        what = f"must be a file that can be written, was not ({error.strerror or error})"
        raise ConfigError(f"{path}: {what}. Choose another folder.") from error


def _options(
    overrides: Sequence[str], known: Mapping[str, Callable[[str], int]]
) -> tuple[dict[str, int], list[str]]:
    """Return the value of each known `name=text`, and a sentence for each one that is wrong."""
    options, problems = {}, []
    for override in overrides:
        name, _, text = override.partition("=")
        try:
            options[name] = known[name](text)
        except KeyError:
            near = did_you_mean(name, known) or "."
            problems.append(f"{name}: must be {' or '.join(known)}{near} Correct {override}.")
        except ValueError as wrong:
            problems.append(f"{name}: {wrong}. Correct {override}.")
    return options, problems


def _whole(text: str, least: int, most: int) -> int:
    if text.isdecimal() and least <= int(text) <= most:
        return int(text)
    raise ValueError(f"must be a whole number from {least} to {most}, was {text!r}")
