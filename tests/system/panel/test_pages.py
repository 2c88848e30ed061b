"""Every page while the engine runs: on a desktop and on a phone, in both languages and themes.

The pictures of each run are in .cache/screenshots; those of the guide are chosen from them.
"""

import pytest
from playwright.sync_api import Browser

from tests.system.panel.seen import (
    BESIDE,
    DEVICES,
    TABS,
    Watched,
    context_of,
    is_running,
    is_sound,
    open_page,
    picture,
)
from tests.system.panel.started import Started


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("size", "language"), DEVICES)
def test_every_page_is_sound(
    size: str, language: str, theme: str, browser: Browser, up: Started
) -> None:
    opened = context_of(browser, up, size, language, theme)
    watched = Watched(opened.new_page())
    watched.page.goto(up.address)
    is_running(watched.page)
    for path in TABS if theme == "dark" else TABS + BESIDE:
        open_page(watched.page, up.address + path, language)
        is_sound(watched, f"{path} {size} {language} {theme}")
        picture(watched.page, path, f"{size}-{language}-{theme}")
    opened.close()
