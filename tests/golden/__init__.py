"""Texts that people read, compared word for word. GOLDEN=write writes them anew: read the diff."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent


def golden(name: str, text: str) -> None:
    """Compare a text with the file of that name."""
    file = FOLDER / name
    if os.environ.get("GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    assert text.rstrip("\n") + "\n" == file.read_text(encoding="utf-8")
