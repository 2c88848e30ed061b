"""What the panel carries of others: named, licensed, unmodified; nothing comes from elsewhere."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.web.texts import WEB

BUNDLED = WEB / "static" / "bundled"
MANIFEST = json.loads((BUNDLED / "manifest.json").read_text("utf-8"))
OURS = [
    *WEB.glob("static/*.js"),
    *WEB.glob("static/*.css"),
    *WEB.glob("static/icons/*"),
    *WEB.rglob("*.html"),
]
LICENSES = {"0BSD", "MIT", "Apache-2.0"}


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_file_is_what_the_manifest_says(entry: dict[str, str]) -> None:
    content = (BUNDLED / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert entry["package"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])
    assert entry["license"] in LICENSES
    assert "Permission" in (text := (BUNDLED / entry["license_file"]).read_text("utf-8")) or (
        "Apache License" in text
    )


def test_every_file_stands_in_the_manifest() -> None:
    named = {entry[key] for entry in MANIFEST for key in ("file", "license_file", "notice_file")
             if key in entry}  # fmt: skip
    assert {path.name for path in BUNDLED.iterdir()} == named | {"manifest.json"}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    text = re.sub(r'xmlns(:\w+)?="[^"]*"', "", path.read_text("utf-8"))
    assert not re.findall(r"https?://[^\s\"']+|[\"'(]//\w", text)


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.html")), ids=lambda path: path.name)
def test_template_obeys_the_policy(path: Path) -> None:
    """The content security policy allows no inline style, no inline script, no handler."""
    text = re.sub(r"{%.*?%}", "", path.read_text("utf-8"), flags=re.DOTALL)
    assert not re.findall(
        r"\sstyle\s*=|<style|\son[a-z]+\s*=|hx-on|javascript:|<script(?![^>]*src)", text
    )
    assert not re.findall(r"\|\s*safe\b|autoescape\s+false", text)


def test_every_asset_of_a_template_is_there() -> None:
    texts = "".join(path.read_text("utf-8") for path in WEB.rglob("*.html"))
    named = set(re.findall(r'"/static/([\w./-]+)"', texts))
    assert {"panel.css", "panel.js", "theme.js"} <= named
    assert [name for name in sorted(named) if not (WEB / "static" / name).is_file()] == []
