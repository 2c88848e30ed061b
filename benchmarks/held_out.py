"""What the shipped strategies do, with the parameters they come with, on real prices.

python -m benchmarks.held_out [--write] prints a table for each market; --write puts them into
docs/guide/shipped-strategies.md. Every file of conf/strategy is run alone, but `external`; `pairs`
trades each coin against the other. Nothing is ever chosen by what comes out: the point is to see
what defaults are worth.
"""

import argparse
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

from engine import api, clock
from engine.research.figures import Unit, shown
from engine.research.formulas import STATS
from engine.version import code_version

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/guide/shipped-strategies.md"
PRICES = ROOT.parent / "shared/data/ohlcv"
CASH = 100_000
COLUMNS = ("total_return", "sharpe", "max_drawdown", "profit_factor", "trades", "win_rate")
SHORT = ("Return", "Sharpe", "Drawdown", "Profit factor", "Trades", "Win rate")


class Market(NamedTuple):
    """A symbol's bars, and where they are cut into the time before and the time held out.

    `other` is what `pairs` divides by, `path` the pattern of the files of both.
    """

    title: str
    symbol: str
    other: str
    path: str
    timeframe: str
    start: str
    cut: str
    end: str


MARKETS = [
    *(
        Market(
            f"{coin}, hours, 2017 to 2021",
            f"{coin}/USDT",
            f"{other}/USDT",
            "binance_spot_{symbol}_1h_2017-2021.parquet",
            timeframe="1h",
            start="2017-08-17",
            cut="2020-01-01",
            end="2022-01-01",
        )
        for coin, other in permutations(("BTC", "ETH"))
    ),
    *(
        Market(
            f"{coin}, five minutes, first half of 2025",
            f"{coin}/USDT",
            f"{other}/USDT",
            "binance_spot_{symbol}_5m_2025H1.parquet",
            timeframe="5m",
            start="2025-01-01",
            cut="2025-04-01",
            end="2025-07-01",
        )
        for coin, other in permutations(("BTC", "ETH"))
    ),
]


def strategies() -> list[str]:
    """Return the files of conf/strategy that decide for themselves."""
    found = [path.stem for path in sorted((ROOT / "conf/strategy").glob("*.yaml"))]
    return [name for name in found if name != "external"]


def run(market: Market, strategy: str, start: str, end: str) -> Any:
    """Return the result of one strategy on a stretch of a market, everything else as shipped."""
    symbols, more = market.symbol, []
    if strategy == "pairs":
        symbols = f"{market.other},{market.symbol}"  # what is watched comes first
        more = [f"strategy.pairs.symbols=[{market.symbol}]", f"strategy.pairs.other={market.other}"]
    overrides = [
        f"universe.symbols=[{symbols}]",
        f"feed.path='{PRICES / market.path}'",
        f"feed.timeframe={market.timeframe}",
        f"feed.start='{start}'",
        f"feed.end='{end}'",
        f"strategy=[{strategy}]",
        f"account.cash={CASH}",
    ]
    return api.backtest(api.compose(overrides + more))


def rows(market: Market) -> Iterator[str]:
    """Yield the lines of a market's table."""
    yield f"| Strategy | Time | {' | '.join(SHORT)} | Fees | Reached | Missed |"
    yield "|---|---|" + "--:|" * (len(SHORT) + 2) + "---|"
    for strategy in strategies():
        for label, start, end in (
            ("before", market.start, market.cut),
            ("held out", market.cut, market.end),
        ):
            yield _row(f"`{strategy}` | {label}", run(market, strategy, start, end))


def _row(head: str, result: Any) -> str:
    cells = [shown(result.stats[name], STATS[name].unit) for name in COLUMNS]
    fees = shown(result.facts["fees"] / CASH, Unit.SHARE)
    missed = [name.partition(".")[0] for name, row in result.kpi.items() if not row["passed"]]
    reached = f"{len(result.kpi) - len(missed)} of {len(result.kpi)}"
    told = ", ".join(f"`{name}`" for name in missed) or "none: passes"
    return f"| {head} | {' | '.join(cells)} | {fees} | {reached} | {told} |"


def tables() -> Iterator[str]:
    """Yield the lines of all tables."""
    for market in MARKETS:
        held = f"held out from {market.cut} on"
        yield from ("", f"### {market.title}", "", f"{market.start} to {market.end}, {held}.", "")
        yield from rows(market)


def main() -> None:
    """Print the tables, and write them where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.held_out")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    write = parser.parse_args().write
    day = clock.utc(clock.now_ms())[:10]
    figures = "\n".join((f"Of {day}, {code_version()}.", *tables())) + "\n"
    print(figures)
    if write:
        head = PAGE.read_text(encoding="utf-8").partition("## Figures")[0]
        PAGE.write_text(f"{head}## Figures\n\n{figures}", encoding="utf-8")


if __name__ == "__main__":
    main()
