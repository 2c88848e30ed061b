"""Amounts of money in a configuration: quoted, so that YAML cannot round them."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def quoted(value: Any) -> float:
    """Return an amount given as quoted or whole number; raise ValueError with a sentence."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f'must be a quoted number, was {value!r}. Write it as "{value}"')
    try:
        return float(Decimal(value))
    except InvalidOperation:
        raise ValueError(f'must be a quoted number such as "5000", was {value!r}') from None


Money = Annotated[float, BeforeValidator(quoted), Field(gt=0, allow_inf_nan=False)]
