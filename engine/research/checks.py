"""All that `chanquant check` finds out about strategies by running them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from engine.core.portfolio import Instance, Portfolio, parse_timeframe
from engine.errors import CheckFailed
from engine.feeds.tape import Tape
from engine.research.backtest import with_funding
from engine.research.figures import timeframe
from engine.research.foresight import oracles, suspects
from engine.research.prefix import differences
from engine.research.sample import Sample, made_up, missing, recorded
from engine.research.warmup import WarmUp, warm_ups
from engine.settings import Settings


@dataclass(frozen=True)
class Checked:
    """What is known of a strategy after it ran on a sample.

    strategy  name of the instance
    of        where the prices of the sample are from
    calls     how often its step was called: closed bars, or ticks, of all its symbols
    signals   how often it changed its target
    history   how much of it it needs (`WarmUp`); None for one that follows a file
    """

    strategy: str
    of: str
    calls: int
    signals: int
    history: WarmUp | None

    def document(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        found = f"{self.strategy}: {self.signals:,} signals in {self.calls:,} calls on {self.of}"
        if self.history is None:
            return found
        return f"{found}; {_needs(self.history)}"


def _needs(history: WarmUp) -> str:
    apart = f"{history.differ:,} of {history.signals:,} signals differ"
    if not history.settles:
        return f"depends on its start, to the end {apart}"
    if history.bars is None:
        return "too few signals to say how much history it needs"
    if history.bars <= 1 and history.differ == 0:
        return "needs no history"
    needed = f"needs about {history.bars:,} bars of history"
    return f"{needed}, before that {apart}" if history.differ else needed


def check(
    portfolio: Portfolio, feed: Any, settings: Settings | None = None
) -> tuple[list[Checked], list[str]]:
    """Run the strategies on made-up prices, and on those of the feed where it is a tape.

    Return what is known of each, and warnings. Raises CheckFailed with all that shows that a
    strategy knows what it cannot know, StrategyFailed where one fails, and what is wrong with the
    files of the feed; that they are missing is a warning. With settings, files of funding are read.
    """
    parts, warnings = list(_parts(portfolio)), []
    samples = [made_up(part) for part in parts]
    if isinstance(feed, Tape):
        if lost := missing(feed, portfolio.symbols):
            more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            warnings.append(
                f"feed: must be there to be looked at, {lost[0]}{more} was missing. Strategies ran"
                " on made-up prices alone."
            )
        else:
            recording = feed.load(portfolio.symbols, portfolio.spans)
            if settings:
                with_funding(settings, recording.events)
            samples += [recorded(part, recording) for part in parts]
    samples = [sample for sample in samples if len(sample.events)]
    problems = [problem for sample in samples for problem in differences(sample)]
    problems += [problem for sample in samples if sample.is_real for problem in oracles(sample)]
    if problems:
        raise CheckFailed(*problems)
    warnings += [warning for sample in samples if sample.is_real for warning in suspects(sample)]
    found = [one for sample in samples for one in _known(sample)]
    for one in found:
        instance = next(i for i in portfolio.instances if i.name == one.strategy)
        warnings += _warnings(one, instance, getattr(feed, "history", None))
    return found, warnings


def _parts(portfolio: Portfolio) -> Iterator[Portfolio]:
    """Yield the portfolio of compiled strategies, then that of ordinary Python, which is slow.

    Nothing leads from one to the other.
    """
    for is_compiled in (True, False):
        of_kind = [i for i in portfolio.instances if type(i.strategy).compiled == is_compiled]
        if of_kind:
            yield replace(portfolio, instances=tuple(of_kind))


def _known(sample: Sample) -> Iterator[Checked]:
    histories = warm_ups(sample)
    for name, rows in sample.wanted.items():
        if name in histories or sample.is_real:
            yield Checked(name, sample.of, sample.calls[name], len(rows), histories.get(name))


def _warnings(one: Checked, instance: Instance, given: str | None) -> Iterator[str]:
    """Yield what a reader must know; `given` is the history that the feed begins with."""
    if one.calls == 0:
        yield (
            f"{one.strategy}: must be called to be checked, was not on {one.of}. One with on ="
            ' "tick" needs trades, one that follows a file rows within the time of the feed.'
        )
    elif one.signals == 0:
        yield (
            f"{one.strategy}: must want something to be checked, wanted nothing in"
            f" {one.calls:,} calls on {one.of}. Try other parameters, or a longer feed."
        )
    history = one.history
    if history is None:
        return
    if not history.settles:
        yield (
            f"{one.strategy}: should come to want the same whenever it is started, but on {one.of}"
            f" {history.differ:,} of {history.signals:,} signals differ to the end when it starts"
            " later. After a first start or an edit it trades otherwise than in a backtest."
        )
    elif given is not None and (history.bars or 0) * instance.span > parse_timeframe(given):
        yield (
            f"feed.history: should hold the {history.bars:,} bars of"
            f" {timeframe(instance.span)} that {one.strategy} needs, was {given}. Make it longer."
        )
