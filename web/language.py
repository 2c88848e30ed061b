"""The words of the panel: English in the source, other languages in catalogues beside it.

A text is marked by `_("…")` in a template, by `mark("…")` where a module names it, and translated
by `translated(reader, "…")` where a module says it. What the engine wrote is not translated.
"""

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from web.view import Reader

LANGUAGES = {"en": "English", "zh": "中文"}

CATALOGUES = Path(__file__).parent / "translations"


def mark(text: str) -> str:
    """Return `text` as it is: only marks it for the catalogues."""
    return text


def translated(reader: Reader, text: str, **values: Any) -> str:
    """Return a text in the reader's language; its values, %(name)s, are filled in if it has any."""
    said = catalogue(reader.language).gettext(text)
    return said % values if values else said


@cache
def catalogue(language: str) -> NullTranslations:
    """Return the catalogue of a language; the source's own words where there is none."""
    path = CATALOGUES / f"{language}.po"
    if not path.is_file():
        return NullTranslations()
    with path.open("rb") as file:
        messages = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return Translations(compiled)
