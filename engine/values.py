"""Kinds of values that settings are made of: what each must be, said where it is not."""

from ipaddress import ip_address
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field

from engine.core.portfolio import parse_timeframe


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


Timeframe = Annotated[str, BeforeValidator(_timeframe)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], Field(strict=False)]
Host = Annotated[str, BeforeValidator(_host)]
Port = Annotated[int, Field(ge=0, le=65_535)]  # 0: one that is free
Zone = Annotated[str, BeforeValidator(_zone)]
Address = Annotated[str, BeforeValidator(_address)]
Package = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
