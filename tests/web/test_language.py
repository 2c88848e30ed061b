"""Every text of the panel is marked, and every marked text has a translation that fits it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment

from tests.web.texts import WEB, extracted, kept
from web.language import LANGUAGES, catalogue, mark, translated
from web.view import Reader

OTHERS = [language for language in LANGUAGES if language != "en"]
SAID_BY_PEOPLE = {"alt", "aria-label", "data-label", "placeholder", "title"}
SAME_EVERYWHERE = [r"\bChanQuant\b", r"\bPython\b", r"^\s*/\S*", r"\bchanquant user [a-z| ]*"]


def _placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%(?:\(\w+\))?[sd%]|\{\w+\}", text))


def _forms(text: str | list[str] | tuple[str, ...] | None) -> list[str]:
    """Return the singular and the plurals of a text."""
    return [text or ""] if text is None or isinstance(text, str) else list(text)


@pytest.mark.parametrize("language", OTHERS)
def test_catalogue_has_every_text_and_no_other(language: str) -> None:
    """Where this fails, `python -m tests.web.texts` writes the catalogue anew."""
    today = {message.id for message in extracted() if message.id}
    assert {message.id for message in kept(language) if message.id} == today


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    messages = [message for message in kept(language) if message.id]
    assert len(messages) > 50
    assert [m.id for m in messages if m.fuzzy or not all(_forms(m.string))] == []


@pytest.mark.parametrize("language", OTHERS)
def test_translation_has_the_same_placeholders(language: str) -> None:
    for message in kept(language):
        allowed = [_placeholders(form) for form in _forms(message.id)]
        assert all(_placeholders(form) in allowed for form in _forms(message.string)), message.id


def test_text_is_translated_with_its_values() -> None:
    text = mark("%(count)s min")
    assert translated(Reader("en"), text, count=3) == "3 min"
    assert translated(Reader("zh"), text, count=3) == "3 分钟"
    assert translated(Reader("zh"), "no such text") == "no such text"


def test_language_without_a_catalogue_is_english() -> None:
    assert catalogue("xx").gettext("Kill") == "Kill"


# ── what is not marked ────────────────────────────────────────────────────────────────────────


class _Unmarked(HTMLParser):
    """Collects what a template says in its own words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._inside.append(tag)
        said = [text for name, text in attributes if name in SAID_BY_PEOPLE and text]
        self.found += [text for text in said if _is_said(text)]

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inside[-1:] not in (["script"], ["code"], ["kbd"]) and _is_said(data):
            self.found.append(data.strip())


def _is_said(text: str) -> bool:
    return bool(re.search(r"[A-Za-z]{2}", re.sub("|".join(SAME_EVERYWHERE), "", text)))


def _unmarked(text: str) -> list[str]:
    """Return the words of a template that stand outside of `_()` and `{% trans %}`."""
    said = re.sub(r"{%-?\s*trans.*?endtrans\s*-?%}", "", text, flags=re.DOTALL)
    tokens = Environment(autoescape=True).lex(said)
    parser = _Unmarked()
    parser.feed("".join(value for _, kind, value in tokens if kind == "data"))
    parser.close()
    return parser.found


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.html")), ids=lambda path: path.name)
def test_template_says_nothing_unmarked(path: Path) -> None:
    assert _unmarked(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<p>Open {{ _('orders') }}</p>", ["Open"]),
        ('<td data-label="Price">{{ row.price }}</td>', ["Price"]),
        ("{% trans %}Open{% endtrans %} <b>{{ _('x') }}</b>", []),
        ('<td class="num" data-label="{{ _("Price") }}">–</td>', []),
    ],
)
def test_unmarked_words_are_found(text: str, found: list[str]) -> None:
    assert _unmarked(text) == found
