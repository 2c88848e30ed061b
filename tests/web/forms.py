"""The forms of actions, as a person gets, fills in and sends them; and what becomes of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
from sqlalchemy import select

from engine.store.database import read_only
from engine.store.tables import Row, tables
from tests.web.conftest import HOST

FROM_HERE = {"Origin": HOST}
HTMX = FROM_HERE | {"HX-Request": "true"}


@dataclass(frozen=True)
class Filled:
    """A form as somebody got it: its fields, and what is typed into it."""

    client: httpx.Client
    address: str
    fields: dict[str, str]

    def send(self, headers: Mapping[str, str] = FROM_HERE, /, **typed: str) -> httpx.Response:
        """Send the form."""
        fields = {name: value for name, value in (self.fields | typed).items() if value != "-"}
        return self.client.post(self.address, data=fields, headers=headers)


def got(client: httpx.Client, action: str, **place: str) -> Filled:
    """Ask for the form of an action."""
    page = client.get(f"/do/{action}", params=place)
    assert page.status_code == 200, page.text
    found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    form = page.text[page.text.index(f'action="/do/{action}"') :]
    names = set(re.findall(r'type="hidden" name="(\w+)"', form))
    fields = {name: unescape(value) for name, value in found if name in names}
    return Filled(client, f"/do/{action}", fields)


def filled(client: httpx.Client, action: str, **place: str) -> Filled:
    """Return the form of an action with all that it needs but a password."""
    form = got(client, action, **place)
    typed = {"word": action.upper(), "reason": "a test"}
    return Filled(client, form.address, form.fields | typed)


def rows(folder: Path, table: str) -> list[Row]:
    """Return the rows of a table of the panel's store."""
    database = read_only(folder, "panel")
    with database.connect() as connection:
        made = tables("panel")[table]
        found = [dict(row) for row in connection.execute(select(made)).mappings()]
    database.dispose()
    return found


def given(folder: Path, form: Filled) -> list[Row]:
    """Return the commands that a form has become."""
    return [row for row in rows(folder, "command") if row["key"] == form.fields["key"]]
