"""Catches a strategy that knows the future from a file: the price goes where it went, or turns
back where its orders rest.

No replay can show that, since the file is the same however the events are cut. What shows is that
nobody is right that often. (`docs/guide/checks.md`)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from engine.clock import utc
from engine.core.assemble import layout
from engine.core.machine import Rows
from engine.core.portfolio import Instance
from engine.core.records import Kind, Reason
from engine.research.figures import timeframe
from engine.research.sample import Sample
from engine.strategies.external import External

SHARE = 0.75  # of all rises of the target, and of all falls, after which the price went as they did
SIGMAS = 4.0  # by so much each must be more than a coin would be right: 16 of 16, 70 of 100
OPENED = 0.85  # of all openings, or fills that waited, after which the price went their way …
ABOVE = 5.0  # … and so many standard deviations above chance; the best of many horizons is taken
OPENINGS, FILLS = 16, 64  # at least, of these: where ticks are coarse, few fills may all be right

_HOUR = 3_600_000
_HORIZONS = (5 * 60_000, 15 * 60_000, 30 * 60_000, *(n * _HOUR for n in (1, 2, 4, 8, 12, 24, 168)))
_BARS = 20  # horizons are 1 to 20 of the strategy's bars, and those above that are longer
_STOPS = (Reason.STOP_LOSS, Reason.TRAILING, Reason.BREAK_EVEN)


class _Prices(NamedTuple):
    """The prices of one symbol, and when each close was known (ms)."""

    known: Any
    close: Any
    low: Any
    high: Any


class _Followed(NamedTuple):
    """The targets of one symbol, each with its time (ms) and the price then, and all prices.

    Where `waited` is true, they are fills at prices that the market had to come to.
    """

    ts: Any
    target: Any
    opens: Any  # whether it leaves 0, or turns to the other side
    price: Any
    prices: _Prices
    waited: bool = False


@dataclass(frozen=True)
class _Score:
    """After how many changes of the target the price went the same way within `horizon` ms."""

    horizon: int
    risen: int
    rises: int
    fallen: int
    falls: int
    first: int  # ms, of the changes

    @property
    def share(self) -> float:
        """The smaller share of those that went the same way, or the opposite way; 0.0 by chance."""
        missed = self.rises - self.risen, self.falls - self.fallen
        return max(self._share(self.risen, self.fallen), self._share(*missed))

    @property
    def bias(self) -> float:
        """By how much the share of all that went the same way is away from a half."""
        count = self.rises + self.falls
        return abs((self.risen + self.fallen) / count - 0.5) if count else 0.0

    def _share(self, up: int, down: int) -> float:
        shares = []
        for count, of in ((up, self.rises), (down, self.falls)):
            if not of or 2 * count - of < SIGMAS * math.sqrt(of):
                return 0.0
            shares.append(count / of)
        return min(shares)


@dataclass(frozen=True)
class _Openings:
    """After how many openings, or fills, the price went as they wanted within `horizon` ms.

    By chance it is as many as prices of the symbol went that way: `expected`, with a `variance`.
    Of fills, as many as prices that came as far from one close to the next.
    """

    horizon: int
    right: int
    count: int
    expected: float
    variance: float
    first: int  # ms, of the openings
    what: str = "openings"

    @property
    def share(self) -> float:
        """The share of those that were right; 0.0 by chance."""
        by = self.right - self.expected
        is_much = self.variance > 0.0 and by >= ABOVE * math.sqrt(self.variance)
        return self.right / self.count if is_much else 0.0


def oracles(sample: Sample) -> Iterator[str]:
    """Yield a sentence for each instance whose target knows where the price is going."""
    for instance in sample.portfolio.instances:
        spans = {instance.span * n for n in range(1, _BARS + 1)}
        horizons = sorted(spans | {n for n in _HORIZONS if n > instance.span})
        books = _followed(sample, instance)
        best = max((_score(books, n) for n in horizons), key=lambda score: score.share)
        opened = max((_openings(books, n) for n in horizons), key=lambda one: one.share)
        if best.share >= SHARE:
            yield _told(sample, instance, best)
        elif opened.share >= OPENED:
            yield _told_of_openings(sample, instance, opened)
        else:
            rested = [
                _openings(fills, n, what)
                for what, fills in _rested(sample, instance).items()
                for n in horizons
            ]
            turned = max(rested, key=lambda one: one.share)
            if turned.share >= OPENED:
                yield _told_of_openings(sample, instance, turned)


def suspects(sample: Sample) -> Iterator[str]:
    """Yield a warning for each file of targets whose rows may carry the time their bar opened.

    What is computed from a bar goes with that bar, far more than with the next one.
    """
    for instance in sample.portfolio.instances:
        if isinstance(instance.strategy, External):
            books = _followed(sample, instance)
            after, before = (_score(books, span) for span in (instance.span, -instance.span))
            count = after.rises + after.falls
            excess = abs(2 * (after.risen + after.fallen) - count)
            if excess >= SIGMAS * math.sqrt(count) > 0.0 and after.bias > before.bias:
                bar = timeframe(instance.span)
                yield (
                    f"{instance.name}: should follow from bars that are closed, but the {bar} after"
                    f" tells {0.5 + after.bias:.0%} of {count:,} changes of its target, the {bar}"
                    f" before {0.5 + before.bias:.0%}. Make sure that ts in"
                    f" {instance.strategy.path} is when bars closed, not when they opened."
                )


def _told(sample: Sample, instance: Instance, score: _Score) -> str:
    is_same = score.risen * 2 > score.rises
    risen = score.risen if is_same else score.rises - score.risen
    fallen = score.fallen if is_same else score.falls - score.fallen
    up, down = ("rose", "fell") if is_same else ("fell", "rose")
    return _sentence(
        sample,
        instance,
        f"within {timeframe(score.horizon)} the price {up} after {risen} of {score.rises} rises"
        f" of its target, and {down} after {fallen} of {score.falls} falls, from"
        f" {utc(score.first)} on",
        "Give each row of {path} the time at which its bar closed, not the one at which it opened.",
    )


def _told_of_openings(sample: Sample, instance: Instance, opened: _Openings) -> str:
    return _sentence(
        sample,
        instance,
        f"within {timeframe(opened.horizon)} the price went its way after {opened.right} of"
        f" {opened.count} {opened.what}, where chance makes {opened.expected:.0f}, from"
        f" {utc(opened.first)} on",
        "Compute each row of {path} from bars that were closed at its ts, and from nothing newer.",
    )


def _sentence(sample: Sample, instance: Instance, found: str, of_file: str) -> str:
    remedy = (
        of_file.format(path=instance.strategy.path)
        if isinstance(instance.strategy, External)
        else "Let step use only the bar it is given: a file that it reads must hold nothing newer."
    )
    return (
        f"{instance.name}: on {sample.of}, what it wants must follow from bars that are closed, but"
        f" {found}. {remedy}"
    )


def _followed(sample: Sample, instance: Instance) -> list[_Followed]:
    """Return what an instance wanted in each symbol."""
    rows = sample.wanted[instance.name]
    found = []
    for book in np.unique(rows["book"]):
        of_book = rows[rows["book"] == book]
        target = of_book["target"]
        side = np.sign(target)
        opens = (side != 0.0) & (np.diff(side, prepend=0.0) != 0.0)
        prices = _prices(sample, of_book[0])
        found.append(_Followed(of_book["ts"], target, opens, of_book["price"], prices))
    return found


def _rested(sample: Sample, instance: Instance) -> dict[str, list[_Followed]]:
    """Return the fills of an instance at prices that its orders waited for, in each symbol.

    The target of each is its side. Apart are those that made a position larger, that left it at a
    price hoped for, and that left it at a stop: one kind may know what the others do not.
    """
    rows = sample.filled[instance.name]
    sign = np.sign(rows["quantity"])
    units = np.abs(rows["quantity"]) * _contract_sizes(sample, rows)
    asked = rows["price"] - sign * rows["slippage"] / np.where(units > 0.0, units, 1.0)
    opened = sample.events["bar"]["open"][rows["seq"]]
    waited = np.abs(asked - opened) > 1e-9 * opened
    waited &= rows["reason"] != Reason.LIQUIDATION
    adds = sign * rows["position"] > 0.0
    stops = np.isin(rows["reason"], _STOPS)
    kinds = {
        "fills of its entries at a price": waited & adds,
        "fills of its exits at a price": waited & ~adds & ~stops,
        "of its stops": waited & ~adds & stops,
    }
    found: dict[str, list[_Followed]] = {}
    for what, chosen in kinds.items():
        found[what] = []
        for book in np.unique(rows["book"][chosen]):
            at = np.flatnonzero(chosen & (rows["book"] == book))
            ones, every = rows[at], np.ones(len(at), bool)
            prices = _prices(sample, ones[0])
            fills = _Followed(ones["ts"], sign[at], every, ones["price"], prices, waited=True)
            found[what].append(fills)
    return found


def _contract_sizes(sample: Sample, rows: Rows) -> Any:
    """Return base units of a quantity of 1, of each row of a log."""
    portfolio = sample.portfolio
    places = [place.symbol for place in layout(portfolio).books]
    return np.array([portfolio.instruments[s].contract_size for s in places])[rows["book"]]


def _prices(sample: Sample, row: np.void) -> _Prices:
    """Return the prices of the symbol of a row."""
    symbol = sample.portfolio.symbols.index(sample.symbol(row))
    events = sample.events
    of_symbol = (events["kind"] <= Kind.TICK) & (events["symbol"] == symbol)
    bars = events["bar"][of_symbol]
    return _Prices(events["ts"][of_symbol], bars["close"], bars["low"], bars["high"])


def _score(books: list[_Followed], horizon: int) -> _Score:
    """Count rises and falls. A horizon below 0 looks at where the price came from."""
    risen = rises = fallen = falls = 0
    first = []
    for one in books:
        change = np.diff(one.target, prepend=0.0)
        for is_rise in (True, False):
            at, there = _moved(one, change > 0.0 if is_rise else change < 0.0, horizon)
            same = int(((there > one.price[at]) == (is_rise == (horizon > 0))).sum())
            first += [int(one.ts[at[0]])] if len(at) else []
            if is_rise:
                risen, rises = risen + same, rises + len(at)
            else:
                fallen, falls = fallen + same, falls + len(at)
    return _Score(horizon, risen, rises, fallen, falls, min(first, default=0))


def _openings(books: list[_Followed], horizon: int, what: str = "openings") -> _Openings:
    """Count what opens."""
    right = count = 0
    expected = variance = 0.0
    first, base = [], []
    for one in books:
        side = np.sign(one.target)
        at, there = _moved(one, one.opens, horizon)
        right += int((np.sign(there - one.price[at]) == side[at]).sum())
        count += len(at)
        first += [int(one.ts[at[0]])] if len(at) else []
        base.append((one, side[at]))
    least = FILLS if books and books[0].waited else OPENINGS
    if count >= least and right >= OPENED * count:  # else chance does not matter
        for one, sides in base:
            for side in (1.0, -1.0):
                n = int((sides == side).sum())
                share = _by_chance(one, side, horizon) if n else 0.0
                expected += n * share
                variance += n * share * (1.0 - share)
    return _Openings(horizon, right, count, expected, variance, min(first, default=0), what)


def _moved(one: _Followed, chosen: Any, horizon: int) -> tuple[Any, Any]:
    """Return which of the chosen rows the price moved within `horizon` of, and where it went.

    Of each stretch of the length of the horizon it is one row at most: neighbours would be right
    or wrong together.
    """
    at = np.flatnonzero(chosen)
    at = at[np.diff(one.ts[at] // abs(horizon), prepend=-1) > 0]
    end = one.ts[at] + horizon
    known = one.prices.known
    at = at[(end >= known[0]) & (end <= known[-1]) & (one.price[at] > 0.0)]
    there = one.prices.close[np.searchsorted(known, one.ts[at] + horizon, side="right") - 1]
    moved = there != one.price[at]
    return at[moved], there[moved]


def _by_chance(one: _Followed, side: float, horizon: int) -> float:
    """Return the share of all prices behind which it went one way, of those behind which it moved.

    Of fills, it is prices that the market came to, as far from the close before as those of this
    side were, the median of them: after a spike it often comes back.
    """
    known, close, low, high = one.prices
    price, before = close, known
    if one.waited:
        fills = one.target == side
        last = np.searchsorted(known, one.ts[fills], side="right") - 1
        far = np.median(one.price[fills][last >= 0] / close[last[last >= 0]])
        asked = close[:-1] * far
        came = (low[1:] <= asked) & (asked <= high[1:])
        price, before = asked[came], known[:-1][came]
    now = before + horizon <= known[-1]
    there = close[np.searchsorted(known, before[now] + horizon, side="right") - 1]
    moved = there - price[now]
    return float((side * moved > 0.0).sum() / max((moved != 0.0).sum(), 1))
