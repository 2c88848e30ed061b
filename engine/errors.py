"""Every exception of ChanQuant: what went wrong, and the exit code a shell sees.

A problem is one sentence: *where · what was expected, what it was · what to do*. An error carries
all problems that were found, never only the first.

    ChanQuantError          exit 1   something failed while it ran
    ├── ConfigError         exit 2   the configuration or a user's class is wrong: fix it
    ├── DataError           exit 3   a data file fails its check: repair or replace the file
    ├── CheckFailed         exit 3   a strategy does not pass `chanquant check`
    ├── StrategyFailed      exit 1   a strategy or rule failed on an event, at the line named
    ├── StoreBroken         exit 1   the database cannot be used: locked, full, garbled, too old
    │   └── JournalBroken   exit 1   events are missing from the journal, or garbled
    └── InvariantBroken     exit 70  the engine contradicts itself: keep the evidence, report
"""

import difflib
from collections.abc import Iterable


class ChanQuantError(Exception):
    """Base of all errors that a person is meant to read; `problems` holds one sentence each."""

    exit_code = 1

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ConfigError(ChanQuantError):
    """The configuration, an override, or a declared class is wrong."""

    exit_code = 2


class DataError(ChanQuantError):
    """The content of a data file is wrong."""

    exit_code = 3


class CheckFailed(ChanQuantError):
    """A strategy does not keep a promise that every strategy makes."""

    exit_code = 3


class StrategyFailed(ChanQuantError):
    """A strategy's step or a rule's check failed on an event."""


class StoreBroken(ChanQuantError):
    """The store or the journal cannot be used as it is."""


class JournalBroken(StoreBroken):
    """Events are missing from the journal, or garbled."""


class InvariantBroken(ChanQuantError):
    """A state that must not be possible."""

    exit_code = 70


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean X?` for the nearest known word, or an empty text.

    >>> did_you_mean("clsoe", ["open", "close"])
    ', did you mean close?'
    """
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]}?" if near else ""
