"""Where an instance leaves a position on its own, as types: each key, its unit and its bounds."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from engine.core.records import RUNGS_MAX
from engine.values import CENTURY_DAYS, Minutes, Positive, Section

_MINUTE = 60_000  # ms
_AGES_MAX = 8  # rows of a table by age


class Rung(Section):
    """A part of a position, left at a profit of its own."""

    at: Positive
    share: Annotated[float, Field(gt=0, le=1)]  # of all that was entered


class Trailing(Section):
    """A stop that follows the best price."""

    distance: Annotated[float, Field(gt=0, lt=1)]
    activation: Annotated[float, Field(ge=0)] = 0.0  # profit it begins at


class BreakEven(Section):
    """A stop that moves to the entry once there was a profit."""

    at: Positive
    offset: Annotated[float, Field(gt=-1)] = 0.0  # beyond the entry

    @field_validator("offset")
    @classmethod
    def _below(cls, offset: float, others: ValidationInfo) -> float:
        at = others.data.get("at", math.inf)
        if offset >= at:
            raise ValueError(
                f"must be less than at, {at:g}, was {offset:g}: a stop there would be reached at"
                " once. Choose a lower one"
            )
        return offset


def _listed(rungs: Any) -> Any:
    if isinstance(rungs, Mapping):
        raise ValueError(f"must be a list, was {dict(rungs)!r}. Write [{{at: 0.05, share: 0.5}}]")
    return rungs


def _ladder(rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    problems = []
    if len(rungs) > RUNGS_MAX:
        problems.append(f"must have at most {RUNGS_MAX} rungs, had {len(rungs)}. Leave some out")
    for lower, higher in pairwise(rungs):
        if higher.at == lower.at:
            problems.append(f"must differ in at, had {lower.at:g} twice. Add the shares up")
        elif higher.at < lower.at:
            problems.append(
                f"must ascend, had {higher.at:g} behind {lower.at:g}. Sort the rungs by at"
            )
    if (total := math.fsum(rung.share for rung in rungs)) > 1.0 + 1e-9:
        problems.append(f"must have shares that sum to at most 1, summed to {total:g}. Lower them")
    _refuse(problems)
    return rungs


def _by_age(rows: Any) -> Any:
    if not isinstance(rows, Mapping):
        raise ValueError(f"must be a map such as {{0: 0.04, 60: 0.01}}, was {rows!r}. Write one")
    problems = []
    if len(rows) > _AGES_MAX:
        problems.append(f"must have at most {_AGES_MAX} rows, had {len(rows)}. Leave some out")
    found: dict[float, float] = {}
    for minutes, ratio in rows.items():
        age = _number(minutes)
        if not 0.0 <= age <= CENTURY_DAYS * 1_440:
            problems.append(
                f"must have minutes as keys, from 0 to a century, had {minutes!r}. Correct it"
            )
        if not isinstance(ratio, int | float) or not -1.0 < ratio < math.inf:
            problems.append(f"must have fractions above -1, had {ratio!r}. Write such as 0.01")
        else:
            found[age] = float(ratio)
    _refuse(problems)
    return dict(sorted(found.items()))


def _number(text: Any) -> float:
    try:
        return math.nan if isinstance(text, bool) else float(text)
    except (ValueError, OverflowError):
        return math.nan


def _refuse(problems: list[str]) -> None:
    """Raise ValueError with a line for each problem where there is one."""
    if problems:
        raise ValueError("\n".join(dict.fromkeys(problems)))


class Exits(Section):
    """Where an instance leaves a position on its own; fractions of its average fill price."""

    stop_loss: Annotated[float, Field(gt=0, lt=1)] | None = None
    take_profit: Positive | None = None
    take_profit_ladder: (
        Annotated[
            tuple[Rung, ...], Field(strict=False), AfterValidator(_ladder), BeforeValidator(_listed)
        ]
        | None
    ) = None
    roi: Annotated[dict[float, float], BeforeValidator(_by_age)] | None = None  # minutes: profit
    trailing: Trailing | None = None
    break_even: BreakEven | None = None
    time_stop_minutes: Minutes | None = None
    opposite_signal: Literal["close", "ignore"] = "close"

    @property
    def has_stop(self) -> bool:
        """Whether a position has a stop from its first moment on."""
        trails = self.trailing is not None and self.trailing.activation == 0.0
        return self.stop_loss is not None or trails

    @property
    def has_end(self) -> bool:
        """Whether anything of these can end a whole position."""
        ends = (self.stop_loss, self.take_profit, self.trailing, self.roi, self.time_stop_minutes)
        rungs = math.fsum(rung.share for rung in self.take_profit_ladder or ())
        return any(end is not None for end in ends) or rungs > 1.0 - 1e-9

    def terms(self) -> dict[str, Any]:
        """Return the fields of `portfolio.Instance` that this decides."""
        found: dict[str, Any] = {
            "stop_loss": self.stop_loss or 0.0,
            "take_profit": self.take_profit or 0.0,
            "ladder": tuple((rung.at, rung.share) for rung in self.take_profit_ladder or ()),
            "roi": tuple((round(age * _MINUTE), ratio) for age, ratio in (self.roi or {}).items()),
            "time_stop": math.ceil((self.time_stop_minutes or 0.0) * _MINUTE),
            "ignores_opposite": self.opposite_signal == "ignore",
        }
        if self.trailing:
            found["trailing_distance"] = self.trailing.distance
            found["trailing_activation"] = self.trailing.activation
        if self.break_even:
            found["break_even_at"] = self.break_even.at
            found["break_even_offset"] = self.break_even.offset
        return found
