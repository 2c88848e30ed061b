"""Every action, asked for in the panel and answered by the engine, on each device and language."""

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.system.panel.seen import DEVICES, context_of, is_running, picture
from tests.system.panel.started import PASSWORD, Started

WORDS = {
    "pause": {"en": "Pause", "zh": "暂停"},
    "resume": {"en": "Resume", "zh": "恢复"},
    "close": {"en": "Close", "zh": "平仓"},
    "flatten": {"en": "Flatten", "zh": "清仓"},
    "kill": {"en": "Kill", "zh": "急停"},
    "rearm": {"en": "Rearm", "zh": "解除急停"},
    "done": {"en": "done", "zh": "已完成"},
    "PAPER": {"en": "PAPER", "zh": "模拟盘"},
    "HALTED": {"en": "HALTED", "zh": "已急停"},
    "halted": {"en": "halted", "zh": "已急停"},
    "trading": {"en": "trading", "zh": "交易中"},
    "paused": {"en": "paused", "zh": "已暂停"},
}
ANSWERED_MS = 20_000


@pytest.mark.parametrize(("size", "language"), DEVICES)
def test_every_action_is_asked_done_and_answered(
    size: str, language: str, browser: Browser, up: Started
) -> None:
    opened = context_of(browser, up, size, language)
    page, password = opened.new_page(), up.said(PASSWORD)
    page.goto(up.address)
    is_running(page)

    def fill(form: Locator, action: str) -> None:
        """Type what a form asks for, and send it."""
        for field, text in (
            ("word", action.upper()),
            ("password", password),
            ("reason", "a drill"),
        ):
            if form.locator(f"[name={field}]").count():  # no password where it was given just now
                form.locator(f"[name={field}]").fill(text)
        form.get_by_role("button", name=WORDS[action][language], exact=True).click()
        answer = form.get_by_role("status")
        expect(answer).to_contain_text(WORDS["done"][language], timeout=ANSWERED_MS)

    def act(action: str, place: Locator, instance: str = "") -> None:
        """Press a button; do what its dialog asks for, and close it."""
        name = " ".join(filter(None, (WORDS[action][language], instance)))
        place.get_by_role("button", name=name, exact=True).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_in_viewport(ratio=1)
        picture(page, f"do-{action}", f"dialog-{size}-{language}")
        fill(dialog, action)
        dialog.locator("[data-close]").click()
        expect(dialog).to_be_hidden()

    def is_said(mode: str, *stands: str) -> None:
        """Wait until the page says by itself what has become of the mode and both instances."""
        words = [WORDS[stand][language] for stand in stands]
        bar, states = page.locator("#bar"), page.locator("tr[id^=instance-] td:nth-child(2)")
        expect(bar).to_contain_text(WORDS[mode][language], timeout=ANSWERED_MS)
        expect(states).to_have_text(words, timeout=ANSWERED_MS)

    row = page.locator("#instance-rsi_reversion")
    instances = page.locator("section[aria-labelledby=instances-title]")
    is_said("PAPER", "trading", "trading")
    act("pause", row, "rsi_reversion")
    is_said("PAPER", "trading", "paused")
    act("resume", row, "rsi_reversion")
    is_said("PAPER", "trading", "trading")
    act("flatten", instances)
    is_said("PAPER", "paused", "paused")
    act("resume", instances)
    is_said("PAPER", "trading", "trading")
    act("kill", page.get_by_role("banner"))
    is_said("HALTED", "halted", "halted")
    act("rearm", instances)
    is_said("PAPER", "trading", "trading")
    page.goto(f"{up.address}/do/close?instance=ema_cross")  # a page of its own: no dialog needed
    fill(page.get_by_role("main"), "close")
    opened.close()
