"""Builds the bars of each timeframe and shows closed ones to the strategies."""

from engine.core.block import Core, bar_at
from engine.core.records import Bar, Event
from engine.core.signal import step
from engine.core.sizing import measure


def extend(core: Core, s: int, event: Event) -> None:
    """Add the prices of a bar or tick to every series of symbol `s`.

    A bar of the series' own timeframe is shown as it is; longer ones are gathered.
    """
    symbol, bar = core.symbols[s], event.bar
    for f in range(symbol.series_first, symbol.series_end):
        series = core.series[f]
        if event.span == series.span:
            show(core, f, bar)
        else:
            gather(core, f, event)


def gather(core: Core, f: int, event: Event) -> None:
    """Add prices to the forming bar of series `f`; close the bar when its time is over."""
    series, bar = core.series[f], event.bar
    forming = series.bar
    if series.count > 0 and bar.ts >= series.closes:
        close_bar(core, f)
    if series.count == 0:
        forming.ts = bar.ts // series.span * series.span
        series.closes = forming.ts + series.span
        forming.open = bar.open
        forming.high = bar.high
        forming.low = bar.low
        forming.volume = 0.0
    forming.high = max(forming.high, bar.high)
    forming.low = min(forming.low, bar.low)
    forming.close = bar.close
    forming.volume += bar.volume
    series.count += 1
    if bar.ts + event.span == series.closes:
        close_bar(core, f)


def close_due(core: Core, ts: int) -> None:
    """Close every forming bar whose time is over at `ts`: those that are watched first.

    So whoever is called then sees the others' bars that are over as well.
    """
    for f in range(len(core.series)):
        if core.series[f].watch_end > 0:
            close_over(core, f, ts)
    for f in range(len(core.series)):
        close_over(core, f, ts)


def close_over(core: Core, f: int, ts: int) -> None:
    """Close the forming bar of series `f` if its time is over at `ts`."""
    series = core.series[f]
    if series.count > 0 and series.closes <= ts:
        close_bar(core, f)


def close_bar(core: Core, f: int) -> None:
    """Close the forming bar of series `f`."""
    series = core.series[f]
    series.count = 0
    show(core, f, series.bar)


def show(core: Core, f: int, bar: Bar) -> None:
    """Keep a closed bar for who watches series `f`, and show it to each of its strategies, once."""
    series = core.series[f]
    for w in range(series.watch_first, series.watch_end):
        keep(core, w, bar)
    for v in range(series.volatility_first, series.volatility_end):
        measure(core, v, bar)
    for k in range(series.book_first, series.book_end):
        step(core, k, bar)


def keep(core: Core, w: int, bar: Bar) -> None:
    """Copy a closed bar into the state of the strategy that watches it."""
    kept = bar_at(core, core.watches[w].place)
    kept.ts = bar.ts
    kept.open = bar.open
    kept.high = bar.high
    kept.low = bar.low
    kept.close = bar.close
    kept.volume = bar.volume
