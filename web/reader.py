"""How a person wants to read, as text in a cookie: language, zone, rising, theme."""

from typing import Literal
from urllib.parse import quote, unquote
from zoneinfo import available_timezones

from web.language import LANGUAGES
from web.view import Reader

COOKIE = "__Host-reader"

_RISING: dict[str, Literal["green", "red"]] = {"green": "green", "red": "red"}
_THEMES: dict[str, Literal["auto", "light", "dark"]] = {
    "auto": "auto",
    "light": "light",
    "dark": "dark",
}


def read(text: str | None, otherwise: Reader) -> Reader:
    """Return what a cookie says; `otherwise` takes the place of each word that is none."""
    words = unquote(text or "").split("|")
    language, zone, rising, theme = words if len(words) == 4 else [""] * 4
    return chosen(language, zone, rising, theme, otherwise)


def chosen(language: str, zone: str, rising: str, theme: str, otherwise: Reader) -> Reader:
    """Return the reader that was asked for, with `otherwise` in place of what does not exist."""
    return Reader(
        language=language if language in LANGUAGES else otherwise.language,
        zone=zone if zone in available_timezones() else otherwise.zone,
        rising=_RISING.get(rising, otherwise.rising),
        theme=_THEMES.get(theme, otherwise.theme),
    )


def written(reader: Reader) -> str:
    """Return the text of the cookie."""
    return quote("|".join((reader.language, reader.zone, reader.rising, reader.theme)), safe="|")
