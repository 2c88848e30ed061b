"""Kinds of values that settings are made of: what each must be, said where it is not."""

from ipaddress import ip_address
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from engine.core.portfolio import parse_timeframe

WHOLE_MAX = 2**53  # up to which floats hold each whole number; in seconds, its ms are an int64
CENTURY_DAYS = 36_525
_DAY = 86_400_000  # ms


class Section(BaseModel):
    """Base of all settings: they never change, and know each of their keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
    )


def beyond(value: Any) -> str:
    """Return a sentence about a whole number or a timeframe that is more than the core can hold."""
    if isinstance(value, int) and abs(value) > WHOLE_MAX:
        sign, choose = ("at most ", "lower") if value > 0 else ("at least -", "higher")
        return f"must be {sign}{WHOLE_MAX}, was {value}. Choose a {choose} value."
    try:
        is_long = isinstance(value, str) and parse_timeframe(value) > CENTURY_DAYS * _DAY
    except ValueError:
        return ""
    return f"must be at most a century, was {value!r}. Choose a shorter one." if is_long else ""


def _timeframe(value: Any) -> str:
    parse_timeframe(str(value))
    return str(value)


def _zone(value: Any) -> str:
    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"must be a time zone such as Europe/Berlin, was {value!r}. Write one of the IANA list"
        ) from None
    return str(value)


def _host(value: Any) -> Any:
    if value == "":  # to a socket that would be every address of the machine
        raise ValueError("must be an address or a name, was empty. Write 127.0.0.1")
    return value


def _address(value: Any) -> str:
    try:
        return str(ip_address(str(value)))
    except ValueError:
        raise ValueError(
            f"must be an address such as 127.0.0.1, was {value!r}. Write digits, no name"
        ) from None


def _symbol(value: str) -> str:
    if value != value.upper():  # symbols are compared letter by letter
        raise ValueError(
            f"must be in upper case as venues write it, was {value!r}. Write {value.upper()}"
        )
    return value


Timeframe = Annotated[str, BeforeValidator(_timeframe)]
Positive = Annotated[float, Field(gt=0)]
Minutes = Annotated[float, Field(gt=0, le=CENTURY_DAYS * 1_440)]
Seconds = Annotated[float, Field(ge=0, le=CENTURY_DAYS * 86_400)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Names = Annotated[tuple[str, ...], Field(strict=False)]
Symbols = Annotated[tuple[Annotated[str, AfterValidator(_symbol)], ...], Field(strict=False)]
Host = Annotated[str, BeforeValidator(_host)]
Port = Annotated[int, Field(ge=0, le=65_535)]  # 0: one that is free
Zone = Annotated[str, BeforeValidator(_zone)]
Address = Annotated[str, BeforeValidator(_address)]
Package = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
