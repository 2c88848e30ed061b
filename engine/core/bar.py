"""Builds the bars of each timeframe and shows closed ones to the strategies."""

from engine.core.block import Core
from engine.core.records import Event
from engine.core.signal import step


def extend(core: Core, s: int, ts: int, event: Event) -> None:
    """Add the prices of an event, which began at `ts`, to every series of symbol `s`."""
    symbol = core.symbols[s]
    for f in range(symbol.series_first, symbol.series_end):
        series = core.series[f]
        if series.count > 0 and ts >= series.closes:
            close_bar(core, f)
        bar = series.bar
        if series.count == 0:
            bar.ts = ts if event.span == series.span else ts // series.span * series.span
            series.closes = bar.ts + series.span
            bar.open = event.open
            bar.high = event.high
            bar.low = event.low
            bar.volume = 0.0
        else:
            bar.high = max(bar.high, event.high)
            bar.low = min(bar.low, event.low)
        bar.close = event.close
        bar.volume += event.volume
        series.count += 1
        if ts + event.span == series.closes:
            close_bar(core, f)


def close_due(core: Core, ts: int) -> None:
    """Close every forming bar whose time is over at `ts`."""
    for f in range(len(core.series)):
        series = core.series[f]
        if series.count > 0 and series.closes <= ts:
            close_bar(core, f)


def close_bar(core: Core, f: int) -> None:
    """Close the forming bar of series `f`: each of its strategies sees it once."""
    series = core.series[f]
    series.count = 0
    for k in range(series.book_first, series.book_end):
        book = core.books[k]
        if book.on_tick == 0 and book.external == 0 and core.account.failure == 0:
            step(core, k, series.bar)
