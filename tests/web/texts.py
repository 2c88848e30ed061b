"""Every text of the panel, as it stands in its templates and modules.

`python -m tests.web.texts` writes the catalogues anew: new texts come in without a translation,
texts that nobody says any more go.
"""

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from web.language import CATALOGUES, LANGUAGES

WEB = Path(__file__).parents[2] / "web"
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "mark": None,
    "translated": (2,),
}
WIDTH = 100
HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plurals}\\n"
"Content-Type: text/plain; charset=utf-8\\n"

"""


def extracted(folder: Path = WEB) -> Catalog:
    """Return a catalogue of all texts below a folder, without translations."""
    found = Catalog(charset="utf-8")
    texts = extract_from_dir(
        folder,
        method_map=[("**.py", "python"), ("templates/**.html", "jinja2.ext.babel_extract")],
        options_map={"templates/**.html": {"silent": "false"}},
        keywords=KEYWORDS,
        strip_comment_tags=True,
    )
    for _, _, text, _, context in texts:
        found.add(text, context=context)
    return found


def kept(language: str) -> Catalog:
    """Return the catalogue of a language as it is."""
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def main() -> None:
    """Write each catalogue with the texts of today, and the translations of before."""
    today = extracted()
    for language in LANGUAGES:
        path = CATALOGUES / f"{language}.po"
        if language == "en":
            continue  # is the source itself
        made = kept(language) if path.is_file() else Catalog(locale=language)
        before = {(m.id, m.context): m.string for m in made}
        written = Catalog(locale=language)
        for message in sorted((m for m in today if m.id), key=lambda m: str(m.id)):
            written.add(message.id, before.get((message.id, message.context), ""))
        body = BytesIO()
        write_po(body, written, width=WIDTH, omit_header=True)
        header = HEADER.format(language=language, plurals=written.plural_forms)
        path.write_text(header + body.getvalue().decode().rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
