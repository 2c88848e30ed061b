"""A page as somebody sees it: on which device, in which language, and whether it is sound."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.system.panel.started import PASSWORD, ROOT, Started, log_in

PICTURES = ROOT / ".cache" / "screenshots"
TABS = ("/", "/positions", "/orders", "/signals", "/trades", "/chart", "/events", "/system")
LISTS = tuple(f"/events?list={name}" for name in ("commands", "audit", "heartbeats"))
BESIDE = (*LISTS, "/chain", "/do/kill", "/do/close?instance=ema_cross")  # no tab leads there
SIZES = {"desktop": (1400, 900), "phone": (360, 780)}
LANGUAGES = {"en": "en", "zh": "zh-CN"}
DEVICES = [(size, language) for size in SIZES for language in LANGUAGES]
MARKET = ("universe.symbols=[BTC/USDT,ETH/USDT]", "strategy=[ema_cross,rsi_reversion]")
NEVER = re.compile(r"\b(NaN|None|undefined|null|Infinity)\b|\d[eE]-\d\d|\bTraceback\b")
AXE = {"resultTypes": ["violations"]}
# axe finds these too, but only where the text beside happens to be longer than the link.
BARE_LINKS = """[...document.querySelectorAll("main a:not(.btn)")].filter(link =>
    [...link.parentElement.childNodes].some(node =>
        node.nodeType === Node.TEXT_NODE && node.textContent.trim())
    && getComputedStyle(link).textDecorationLine !== "underline"
).map(link => link.parentElement.innerText)"""
CUT = """[...document.querySelectorAll("main select")].filter(select => {
    const {font, paddingLeft, paddingRight, borderLeftWidth: border} = getComputedStyle(select);
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = font;
    const room = select.offsetWidth - [paddingLeft, paddingRight, border, border]
        .reduce((sum, length) => sum + parseFloat(length), 0);
    return pen.measureText(select.selectedOptions[0]?.text ?? "").width > room;
}).map(select => select.selectedOptions[0].text)"""


def context_of(
    browser: Browser,
    one: Started,
    size: str = "desktop",
    language: str = "en",
    theme: str = "light",
) -> BrowserContext:
    """Return a browser whose reader is logged in and reads as is said."""
    width, height = SIZES[size]
    opened = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        locale="zh-CN" if language == "zh" else "en-GB",
        has_touch=size == "phone",
    )
    reader = {"language": language, "zone": "Asia/Shanghai", "rising": "green", "theme": theme}
    page = opened.new_page()
    log_in(page, one.address, one.said(PASSWORD))
    _choose(page, reader)
    page.close()
    return opened


def _choose(page: Page, reader: dict[str, str]) -> None:
    """Say how to read, with the form of the page's own menu."""
    answer = page.evaluate(
        """async (reader) => {
            const form = new URLSearchParams(reader);
            const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRF-Token"];
            const headers = {"X-CSRF-Token": token};
            return (await fetch("/reader", {method: "POST", body: form, headers})).status;
        }""",
        reader,
    )
    assert answer < 400


ENDED = "[object Event]"  # what htmx logs of a stream that ends, as it does with its page
LEFT = "net::ERR_ABORTED"  # the browser itself gives up what a page that is left still asked for
BARE = """[...document.querySelectorAll("link[rel=stylesheet]")].filter(link => {
    try { return !link.sheet.cssRules.length; } catch { return true; }
}).map(link => link.href)"""


class Watched:
    """A page, and all that its browser complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", self._failed)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and message.text != ENDED:
            self.complaints.append(message.text)

    def _failed(self, request: Any) -> None:
        if request.failure != LEFT:
            self.complaints.append(f"{request.url}: {request.failure}")


def open_page(page: Page, url: str, language: str) -> None:
    """Open a page and wait until all of it is there."""
    answer = page.goto(url)
    assert answer
    assert answer.status == 200, f"{url}: {answer.status}: {page.inner_text('body')}"
    page.wait_for_load_state("load")
    assert page.get_attribute("html", "lang") == LANGUAGES[language]
    if page.locator("#chart").count():
        page.wait_for_selector("canvas")


def picture(page: Page, path: str, name: str) -> None:
    """Keep how all of a page looks."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    tab = re.sub(r"\W+", "-", path).strip("-") or "overview"
    page.screenshot(path=PICTURES / f"{tab}-{name}.png", full_page=True)


def is_sound(watched: Watched, where: str) -> None:
    """Raise where a page is broken, runs off its screen, shows nonsense, or shuts somebody out."""
    page = watched.page
    assert watched.complaints == [], f"{where}: {watched.complaints}"
    assert page.evaluate(BARE) == [], f"{where}: without its looks"
    shown = page.inner_text("body")
    assert not NEVER.search(shown), f"{where}: {NEVER.search(shown)}"
    wide = page.evaluate("[document.scrollingElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1], f"{where}: {wide[0]} px wide on a screen of {wide[1]}"
    assert page.evaluate(BARE_LINKS) == [], f"{where}: told from text by colour alone"
    assert page.evaluate(CUT) == [], f"{where}: cut off"
    found = Axe().run(page, options=AXE).response["violations"]
    serious = [
        f"{v['id']}: {v['help']}: {[n['target'] for n in v['nodes']][:3]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == [], where


def is_running(page: Page) -> None:
    """Wait until the bar says that the engine is there, and speaks for itself."""
    expect(page.locator("#bar .dot-ok")).to_have_count(1, timeout=45_000)
    expect(page.locator("#bar .stale")).to_have_count(0, timeout=45_000)


@contextmanager
def devices(browser: Browser, one: Started) -> Iterator[dict[tuple[str, str], Watched]]:
    """Yield a page for each size and language; dark on phones, light on desktops."""
    opened = {
        (size, language): context_of(
            browser, one, size, language, "dark" if size == "phone" else "light"
        )
        for size, language in DEVICES
    }
    yield {device: Watched(context.new_page()) for device, context in opened.items()}
    for context in opened.values():
        context.close()
