"""Secrets: named in the configuration as `${secret:NAME}`, read when it is built, never written."""

import os
from pathlib import Path


class Secret:
    """A text that prints as `***` wherever it goes; only `reveal` shows it.

    The configuration holds secrets by name. `read` looks the text up: first a systemd credential,
    then a file in the folder $CHANQUANT_SECRETS (var/secrets), then the environment.
    """

    __slots__ = ("__text", "name")

    def __init__(self, name: str, text: str | None = None) -> None:
        self.name = name
        self.__text = text

    def read(self) -> "Secret":
        """Return this secret with its text; raise LookupError with a sentence if there is none."""
        folder = Path(os.environ.get("CHANQUANT_SECRETS", "var/secrets"))
        for place in (os.environ.get("CREDENTIALS_DIRECTORY"), folder):
            if place is not None and (file := Path(place, self.name)).is_file():
                return Secret(self.name, _content(file))
        if text := os.environ.get(self.name):
            return Secret(self.name, text)
        raise LookupError(
            f"must be the secret {self.name}, was neither a systemd credential nor the file"
            f" {folder / self.name} nor an environment variable. Write it to that file, readable by"
            " you alone."
        )

    def reveal(self) -> str:
        """Return the text itself."""
        if self.__text is None:
            raise LookupError(f"the secret {self.name} was not read yet")
        return self.__text

    def __repr__(self) -> str:
        return "***"

    def __deepcopy__(self, _: object) -> "Secret":
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("***",)


def _content(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as wrong:
        raise LookupError(f"must be readable text, {file} was not: {wrong}. Correct it.") from None
    if not text:
        raise LookupError(f"must have a text, the file {file} was empty. Write the secret to it.")
    return text
