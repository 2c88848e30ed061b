"""What a person sees of the scenarios in the terminal: the key figures, side by side."""

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from engine.research.figures import Unit, shown
from engine.research.formulas import STATS
from engine.research.scenarios import Figures

_NAMES = ("total_return", "max_drawdown", "sharpe", "profit_factor", "win_rate", "trades", "fees")


def side_by_side(scenarios: dict[str, Figures], currency: str) -> list[RenderableType]:
    """Return the key figures with a column for each scenario; nothing where there are none."""
    if not scenarios:
        return []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("Scenario", no_wrap=True)
    for name in scenarios:
        table.add_column(Text(name.capitalize()), justify="right", no_wrap=True)
    _row(table, f"Final equity, {currency}", "final_equity", Unit.MONEY, scenarios)
    for name in _NAMES:
        _row(table, STATS[name].label, name, STATS[name].unit, scenarios)
    return [table]


def _row(table: Table, label: str, name: str, unit: Unit, scenarios: dict[str, Figures]) -> None:
    table.add_row(Text(label), *(Text(shown(found[name], unit)) for found in scenarios.values()))
