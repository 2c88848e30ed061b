"""Copies of a portfolio whose strategies and rules know nothing of a run of the original."""

import copy
from dataclasses import replace
from typing import TypeVar

from engine.core.compile.declare import Part
from engine.core.portfolio import Portfolio
from engine.errors import ConfigError

SomePart = TypeVar("SomePart", bound=Part)


def fresh(portfolio: Portfolio) -> Portfolio:
    """Return a copy with strategies and rules of its own.

    What ordinary Python keeps in its object is copied as it is now, so copy before the first run.
    Raises ConfigError where an object cannot be copied.
    """
    return replace(
        portfolio,
        instances=tuple(
            replace(instance, strategy=_copied(instance.strategy, f"strategy.{instance.name}"))
            for instance in portfolio.instances
        ),
        rules=tuple((name, _copied(rule, f"risk.{name}")) for name, rule in portfolio.rules),
    )


def _copied(part: SomePart, name: str) -> SomePart:
    try:
        return copy.deepcopy(part)
    except Exception as error:  # whatever a user's object raises
        raise ConfigError(
            f"{name}: must be an object that can be copied, since each run begins with a fresh one,"
            f" was {type(part).__name__}: {error}. Load what cannot be copied in step, or give the"
            " class a __deepcopy__."
        ) from error
