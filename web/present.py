"""How figures, times and codes are written: filters and functions that templates use.

Every figure takes a Decimal, a float, an int or None, which is written "–". A minus is U+2212, as
wide as the plus. Times are UTC milliseconds, shown in the reader's zone.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from engine.clock import utc
from web.bar import bar
from web.language import LANGUAGES, catalogue, mark
from web.view import Reader
from web.words import WORDS

Number = Decimal | float | int | None

NOTHING = "–"
MINUS = "\N{MINUS SIGN}"
DIGITS_OF_A_FLOAT = 8  # significant ones that are shown: more would be noise
DIGITS_OF_A_GRID = 12  # significant ones of a number that lies on some grid; others are floats

_UNITS = (
    (86_400_000, mark("%(count)s d")),
    (3_600_000, mark("%(count)s h")),
    (60_000, mark("%(count)s min")),
)
_SECONDS = mark("%(count)s s")

ZONES = (  # that are offered; any other can be typed
    "UTC", "Asia/Shanghai", "Asia/Hong_Kong", "Asia/Singapore", "Asia/Tokyo", "Europe/London",
    "Europe/Berlin", "America/New_York", "America/Chicago", "America/Los_Angeles",
)  # fmt: skip


def install(environment: Environment) -> None:
    """Give an environment the filters, the functions and the words of templates."""
    environment.add_extension("jinja2.ext.i18n")
    words: Any = environment  # what the extension has added is unknown to the types
    words.install_gettext_callables(_gettext, _ngettext, newstyle=False)
    environment.filters |= {
        "ago": ago,
        "clock_time": clock_time,
        "count": count,
        "duration": duration,
        "latch": latch,
        "moment": moment,
        "money": money,
        "percent": percent,
        "price": price,
        "quantity": price,
        "reason": reason,
        "signed_money": signed_money,
        "signed_quantity": signed_price,
        "tone": tone,
    }
    environment.globals |= {
        "bar_of": bar,
        "languages": LANGUAGES,
        "reader_of": reader_of,
        "spark_points": spark_points,
        "zones": ZONES,
    }


# ── figures ───────────────────────────────────────────────────────────────────────────────────


def money(value: Number) -> str:
    """Return an amount with two digits: 12,345.60."""
    return _text(value, ",.2f")


def signed_money(value: Number) -> str:
    """Return an amount with its sign: +12.40."""
    return _text(value, "+,.2f")


def price(value: Number) -> str:
    """Return a price or a quantity with the digits that it was stored with, unless they are noise.

    Where nothing is rounded to a tick or lot, the store has all digits of a float.
    """
    return _text(_exact(value), ",f")


def signed_price(value: Number) -> str:
    """Return a quantity with its sign."""
    return _text(_exact(value), "+,f")


def percent(value: Number, signed: bool = True, digits: int = 2) -> str:
    """Return a fraction as percent: 0.0124 is +1.24 %."""
    hundredfold = None if value is None else value * 100
    text = _text(hundredfold, f"{'+' if signed else ''},.{digits}f")
    return text if text == NOTHING else f"{text}\N{NO-BREAK SPACE}%"


def count(value: Number) -> str:
    """Return a whole number with its thousands separated."""
    return _text(value, ",.0f")


def tone(value: Number, digits: int = 4) -> str:
    """Return the class of a profit: gain, loss or flat, which is what reads as nothing.

    A percentage with two digits is a fraction with four.
    """
    if value is None or not round(value, digits):
        return "flat"
    return "gain" if value > 0 else "loss"


def _exact(value: Number) -> Decimal | None:
    if isinstance(value, Decimal) and _is_on_a_grid(value):
        return value
    shortest = Decimal("NaN" if value is None else f"{value:.{DIGITS_OF_A_FLOAT}g}")
    return shortest.normalize() if shortest.is_finite() else None


def _is_on_a_grid(value: Decimal) -> bool:
    _, digits, exponent = value.as_tuple()
    is_whole_float = exponent == -1 and digits[-1] == 0  # 60000.0 is how a float is written
    return len(digits) <= DIGITS_OF_A_GRID and not is_whole_float


def _text(value: Number, form: str) -> str:
    number = Decimal(value) if value is not None else None
    if number is None or not number.is_finite():
        return NOTHING
    text = f"{number:{form}}"
    if not any("1" <= digit <= "9" for digit in text):
        text = text.lstrip("+-")  # nothing is neither gained nor lost
    return text.replace("-", MINUS)


# ── times ─────────────────────────────────────────────────────────────────────────────────────


@pass_context
def moment(context: Context, ms: int | None) -> str:
    """Return a time as date and time of day in the reader's zone."""
    return NOTHING if ms is None else f"{_local(context, ms):%Y-%m-%d %H:%M:%S}"


@pass_context
def clock_time(context: Context, ms: int | None) -> str:
    """Return a time as the time of day in the reader's zone."""
    return NOTHING if ms is None else f"{_local(context, ms):%H:%M:%S}"


@pass_context
def ago(context: Context, ms: int | None, stale_seconds: float | None = None) -> str:
    """Return a time that panel.js turns into an age; it looks old from `stale_seconds` on.

    The text is absolute, so that a page drawn twice is the same page.
    """
    if ms is None:
        return NOTHING
    text = moment(context, ms)
    zone, old = reader_of(context).zone, int((stale_seconds or 0) * 1_000)
    stale = Markup(' data-stale-ms="{}"').format(old) if old else ""
    return Markup('<time class="ago" datetime="{}" data-ms="{}"{} title="{} {}">{}</time>').format(
        utc(ms), ms, stale, text, zone, text
    )


@pass_context
def duration(context: Context, ms: int | None) -> str:
    """Return a length of time in its two largest units: 3 h 12 min."""
    if ms is None:
        return NOTHING
    words: list[str] = []
    left = max(0, int(ms))
    for unit, word in _UNITS:
        whole, left = divmod(left, unit)
        if whole or words:
            words.append(_gettext(context, word, count=whole))
        if len(words) == 2:
            break
    return " ".join(words) or _gettext(context, _SECONDS, count=left // 1_000)


def _local(context: Context, ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC).astimezone(_zone(reader_of(context).zone))


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


# ── words ─────────────────────────────────────────────────────────────────────────────────────


@pass_context
def reason(context: Context, code: str | None) -> str:
    """Return the words for a code of the engine; one that nobody knows as it is."""
    return NOTHING if not code else _gettext(context, WORDS.get(code, code))


@pass_context
def latch(context: Context, name: str) -> str:
    """Return the words for a latch: its kind translated, then the instance and symbol it holds."""
    kind, *places = name.split()
    return " ".join((reason(context, kind), *places))


@pass_context
def reader_of(context: Context) -> Reader:
    """Return for whom a template is drawn: its `reader`, or that of its `view`."""
    view = context.get("view")
    reader: Reader = context.get("reader") or (view.reader if view else Reader())
    return reader


@pass_context
def _gettext(context: Context, text: str, **values: Any) -> str:
    """Return a text in the reader's language; its values are filled in, and escaped for HTML."""
    said = catalogue(reader_of(context).language).gettext(text)
    return escape(said) % values if values else said


@pass_context
def _ngettext(context: Context, one: str, many: str, num: int, **values: Any) -> str:
    """Return the form of a text that goes with a number, which it has as `%(num)s`."""
    said = catalogue(reader_of(context).language).ngettext(one, many, num)
    return escape(said) % {"num": num, **values}


# ── pictures ──────────────────────────────────────────────────────────────────────────────────


def spark_points(values: list[float], width: int = 96, height: int = 24) -> str:
    """Return the points of a polyline that fills a box, a pixel inside its edges."""
    low, high = min(values), max(values)
    step = (width - 2) / max(1, len(values) - 1)
    scale = (height - 2) / (high - low) if high > low else 0.0
    base = height - 1 if high > low else height / 2
    points = enumerate(base - (value - low) * scale for value in values)
    return " ".join(f"{1 + k * step:.1f},{y:.1f}" for k, y in points)
