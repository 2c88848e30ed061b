"""chanquant gate: run a backtest and say whether it reaches every target of the group gate.

Exit code 0 where it does: a record is written below the store's folder, bound to configuration,
data and code. Exit code 3 where it does not, with what each target was missed by, and for a market
that is made up or fills at the close that decided, whatever is reached.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.api import compose
from engine.errors import ConfigError
from engine.research import gate
from engine.research.backtest import backtest
from engine.research.figures import apart, shown
from engine.research.formulas import STATS
from engine.research.result import Result
from engine.research.table import progress

if TYPE_CHECKING:
    from engine.verbs import Arguments


def run(arguments: "Arguments") -> int:
    """Run the backtest, judge it, record a pass, and print each target."""
    settings = compose(arguments.overrides, arguments.config_dir)
    if not gate.targets(settings):
        raise ConfigError(
            "gate: must ask something of the run, did not. Write gate.trades_min=100."
        )
    result = backtest(settings, watch=progress)
    is_passed = _is_passed(result)
    directory = Path(settings.store.directory)
    trading = gate.trading_hash(settings)
    before = gate.record_of(directory, result.facts, trading)
    is_known = before is not None and gate.is_committed(result.facts)  # else it may be other code
    written = _recorded(directory, result, trading) if is_passed and not is_known else None
    if arguments.json:
        arguments.answer(_document(result, before, written))
    else:
        Console().print(_table(result), *_remarks(result, before, written), sep="\n")
    return 0 if is_passed else 3


def _is_passed(result: Result) -> bool:
    return gate.is_passed(result.kpi) and not gate.unfit(result.facts)


def _recorded(directory: Path, result: Result, trading: str) -> Path:
    try:
        return gate.write_record(directory, result.facts, trading, result.kpi)
    except OSError as error:
        raise ConfigError(
            f"store.directory: {directory / 'gate'} cannot be written ({error.strerror}). Choose"
            " another."
        ) from error


def _document(result: Result, before: dict[str, Any] | None, written: Path | None) -> Any:
    return {
        "passed": _is_passed(result),
        "unfit": gate.unfit(result.facts),
        "kpi": {name: row | {"missed_by": _missed_by(row)} for name, row in result.kpi.items()},
        **{key: result.facts[key] for key in gate.BINDING},
        "passed_before": before and before["passed_at"],
        "record": written and str(written),
        "warnings": result.facts["warnings"],
    }


def _missed_by(row: dict[str, Any]) -> float | None:
    """Return how much is missing to the limit; None where it is reached or nothing can be said."""
    if row["passed"] or row["value"] is None:
        return None
    return float(row["limit"] - row["value"])


# ── for people ────────────────────────────────────────────────────────────────────────────────


def _table(result: Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("Target")
    for head in ("Value", "At least"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("")
    for name, judged in result.kpi.items():
        table.add_row(*line_of(name, judged))
    return table


def line_of(name: str, judged: dict[str, Any]) -> list[Text]:
    """Return label, value, limit and verdict of a target."""
    stat, _, instance = name.partition(".")
    unit, label = STATS[stat].unit, STATS[stat].label + (f" of {instance}" if instance else "")
    value, limit, missed_by = judged["value"], judged["limit"], _missed_by(judged)
    texts = [shown(figure, unit) for figure in (value, limit)]
    if judged["passed"]:
        return [*map(Text, (label, *texts)), Text("✓", "green")]
    if missed_by is None:
        return [*map(Text, (label, *texts)), Text("✗ not defined", "red")]
    *texts, shortfall = apart(value, limit, unit)
    # A difference of two fractions is in percentage points.
    verdict = f"✗ missed by {shortfall.replace('%', 'pp')}"
    return [*map(Text, (label, *texts)), Text(verdict, "red")]


def _remarks(result: Result, before: dict[str, Any] | None, written: Path | None) -> list[Text]:
    lines = [Text(f"! {warning}", style="yellow") for warning in result.facts["warnings"]]
    failed = sum(not row["passed"] for row in result.kpi.values())
    if failed:
        lines.append(Text(f"Not passed: {failed} of {len(result.kpi)} targets.", style="bold red"))
    unfit = gate.unfit(result.facts)
    lines += [Text(f"Not passed: {sentence}", style="bold red") for sentence in unfit]
    if _is_passed(result):
        lines.append(Text("Passed.", style="bold green"))
    if not gate.is_committed(result.facts):
        lines.append(Text("! the code has changes that are in no commit", style="yellow"))
    if before:
        lines.append(Text(f"Passed before, on {before['passed_at']}", style="dim"))
    if written:
        lines.append(Text(f"{written}", style="dim"))
    return lines
