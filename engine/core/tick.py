"""Shows forming bars to the strategies that want every tick."""

from engine.core.block import Core
from engine.core.signal import step


def step_on_tick(core: Core, s: int) -> None:
    """Show the forming bar to each strategy of symbol `s` that is called on ticks."""
    symbol = core.symbols[s]
    for f in range(symbol.series_first, symbol.series_end):
        series = core.series[f]
        for k in range(series.book_end, series.tick_end):
            step(core, k, series.bar)
