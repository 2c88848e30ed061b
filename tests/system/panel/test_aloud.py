"""The panel as a screen reader says it, and as a keyboard drives it."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.panel.seen import BESIDE, DEVICES, TABS, context_of, is_running, open_page
from tests.system.panel.started import Started

LANDMARKS = ("banner", "navigation", "main")
NAMED = {  # roles whose name is all that a reader hears of them
    "application", "button", "checkbox", "combobox", "heading", "img", "link", "navigation",
    "region", "searchbox", "table", "textbox",
}  # fmt: skip
LINE = re.compile(r'( *)- (\w+)(?: "((?:[^"\\]|\\.)*)")?((?: \[[^]]*\])*)(:.*)?')
TABS_MAX = 60  # presses of the Tab key, until something must have been reached
ANSWERED_MS = 20_000


class Node(NamedTuple):
    """What a reader hears of one element: its place in the tree, role, name, attributes."""

    depth: int
    role: str
    name: str
    attributes: str


def heard(page: Page) -> list[Node]:
    """Return the accessibility tree of a page."""
    return [
        Node(len(match[1]), match[2], match[3] or "", match[4])
        for line in page.locator("body").aria_snapshot().splitlines()
        if (match := LINE.fullmatch(line))
    ]


def inside(nodes: list[Node], role: str) -> Iterator[list[Node]]:
    """Yield what is inside of each element of a role."""
    for k, node in enumerate(nodes):
        if node.role == role:
            rest = nodes[k + 1 :]
            end = next((n for n, one in enumerate(rest) if one.depth <= node.depth), len(rest))
            yield rest[:end]


def is_told(page: Page, where: str) -> None:
    """Raise where somebody who cannot see the page would not know where they are."""
    nodes = heard(page)
    roles = Counter(node.role for node in nodes)
    assert all(roles[landmark] for landmark in LANDMARKS), f"{where}: {roles}"
    assert roles["banner"] == roles["main"] == 1, where
    titles = [node for node in nodes if node.role == "heading" and "[level=1]" in node.attributes]
    assert len(titles) == 1, f"{where}: {titles}"
    assert [node for node in nodes if node.role in NAMED and not node.name.strip()] == [], where
    for table in inside(nodes, "table"):
        headers = [node for node in table if node.role in ("columnheader", "rowheader")]
        assert headers, where
        assert [node for node in headers if not node.name.strip()] == [], where
    (banner,) = inside(nodes, "banner")
    assert [node.role for node in banner].count("status") == 2, f"{where}: mode and health"


@pytest.mark.parametrize(("size", "language"), DEVICES)
def test_every_page_can_be_heard(size: str, language: str, browser: Browser, up: Started) -> None:
    opened = context_of(browser, up, size, language)
    page = opened.new_page()
    page.goto(up.address)
    is_running(page)
    for path in TABS + BESIDE:
        open_page(page, up.address + path, language)
        is_told(page, f"{path} {size} {language}")
    opened.close()


def reach(page: Page, name: str) -> None:
    """Press Tab until the button of a name has the focus."""
    wanted = page.get_by_role("button", name=name, exact=True).first
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"{name} cannot be reached by Tab")


def test_a_dangerous_action_needs_only_a_keyboard(browser: Browser, up: Started) -> None:
    opened = context_of(browser, up)
    page = opened.new_page()
    page.goto(up.address)
    is_running(page)
    dialog, mode = (
        page.get_by_role("dialog"),
        page.get_by_role("banner").get_by_role("status").first,
    )
    mode.evaluate("element => { window.mode = element; }")
    why = ("Why", "a drill")
    for name, said, fields in (
        ("Kill", "HALTED", [("Type KILL to confirm", "kill"), why]),  # small letters will do
        ("Rearm", "PAPER", [why, ("Type REARM to confirm", "REARM")]),
    ):
        reach(page, name)
        page.keyboard.press("Space")
        expect(dialog).to_have_accessible_name(f"{name} · the whole account")
        for k, (label, text) in enumerate(fields):
            if k:
                page.keyboard.press("Tab")
            expect(dialog.get_by_label(label)).to_be_focused()
            page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("status")).to_contain_text("done", timeout=ANSWERED_MS)
        expect(dialog.locator(":focus")).to_have_count(1)  # not lost with the form
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("button", name=name, exact=True).first).to_be_focused()
        expect(mode).to_contain_text(said, timeout=ANSWERED_MS)
        assert mode.evaluate("element => element === window.mode")  # so that its change is said
    opened.close()


def test_a_refused_form_says_so_and_can_be_corrected(browser: Browser, up: Started) -> None:
    opened = context_of(browser, up)
    page = opened.new_page()
    page.goto(up.address)
    is_running(page)
    reach(page, "Kill")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Type KILL to confirm")).to_be_focused()
    page.keyboard.type("no")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("KILL: must be typed to confirm, was not.")
    expect(dialog.get_by_label("Type KILL to confirm")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    opened.close()
