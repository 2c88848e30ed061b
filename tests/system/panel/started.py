"""A panel as people meet it: `chanquant up` or `chanquant panel` as a process, and Chromium."""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright

from engine import clock

ROOT = Path(__file__).parents[3]
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
PASSWORD = re.compile(r"\b[a-z2-9]{5}(?:-[a-z2-9]{5}){3}\b")
LOGGED_IN_SECONDS = 30.0


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Started:
    """A verb that runs until it is stopped; `lines` is what it has printed so far.

    Or a module with its first words: `tests.system.panel.served_as 64002 64000`.
    """

    def __init__(self, verb: str, folder: Path, *overrides: str) -> None:
        program = verb.split() if " " in verb else ["engine", verb]
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.folder, self.telemetry = folder, f"telemetry.port={free_port()}"
        self.typed = [
            f"store.directory={folder}",
            f"web.port={self.port}",
            self.telemetry,
            *overrides,
        ]
        self.begun = clock.seconds()
        self.lines: list[str] = []
        self._more = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *program, *self.typed],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as printed:
            for line in printed:
                with self._more:
                    self.lines.append(line)
                    self._more.notify_all()

    def said(self, pattern: str | re.Pattern[str], seconds: float = 60.0) -> str:
        """Return the first text that a pattern finds in what is printed; wait for it."""
        with self._more:
            found = self._more.wait_for(lambda: re.search(pattern, "".join(self.lines)), seconds)
        assert found, f"no {pattern} in:\n{''.join(self.lines)}"
        return str(found[0])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it as a person or a service manager does; return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30.0)
        self._reader.join()
        return code


@contextmanager
def started(verb: str, folder: Path, *overrides: str) -> Iterator[Started]:
    """Run a verb; end it, whatever happens."""
    one = Started(verb, folder, *overrides)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.stop()


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Open a browser that reaches nothing but loopback."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    try:
        yield browser
    finally:
        browser.close()


def log_in(page: Page, address: str, password: str, name: str = "admin") -> None:
    """Fill in the login as a person does, once the panel answers."""
    _until_answered(page, f"{address}/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{address}/", timeout=LOGGED_IN_SECONDS * 1e3)


def _until_answered(page: Page, url: str) -> None:
    patience_ends = clock.seconds() + LOGGED_IN_SECONDS
    while True:
        try:
            page.goto(url)
        except Exception:
            if clock.seconds() > patience_ends:
                raise
            page.wait_for_timeout(100)
        else:
            return
