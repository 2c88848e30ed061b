"""run, status and do, as they are typed: while the engine runs, when it is dead, and before it ever
ran.
"""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine import clock
from engine.__main__ import main
from engine.store.lock import alone
from engine.verbs import do
from tests.golden import golden
from tests.unit.live.engines import END, ROOT, STOP, holds, trade, typed

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return what an engine left that holds something of both symbols."""
    trade(tmp_path / "var", STOP)
    return tmp_path / "var"


@pytest.fixture
def type_in(folder: Path, capsys: Captured) -> Callable[..., str]:
    """Return a function that types a verb and returns its exit code and what it prints."""

    def type_in(*words: str) -> str:
        code = main([*words, *typed(folder, STOP)])
        printed = "".join(capsys.readouterr()).replace(str(folder), "var")
        return f"$ {' '.join(words)}\n{printed}exit {code}\n\n"

    return type_in


@contextmanager
def running(folder: Path, told: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have an engine as a process of its own, ready, whose market stands nearly still."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(told))
        with subprocess.Popen(
            [sys.executable, "-m", "engine", "run", *typed(folder, END), "feed.speed=1e-6"],
            cwd=ROOT,
            env=os.environ | {"NOTIFY_SOCKET": str(told)},
            stderr=subprocess.PIPE,
        ) as engine:
            try:
                assert select.select([notified], [], [], 20.0)[0]
                assert b"READY=1" in notified.recv(1_000)
                yield engine
            finally:
                engine.kill()


def masked(text: str) -> str:
    """Return a text without what differs from one run to another."""
    for pattern, word in (
        (r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d+Z", "RUN"),
        (r"20[2-9][5-9]-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "NOW"),
        (r'("?process"?:?\s+)\d+', r"\1PID"),
        (r'("?(?:config_hash|code_version)"?:?\s+)\S+', r"\1…"),
        (r'("?(?:heartbeat_age_seconds|lag_ms)"?:?\s+)[\d.]+', r"\1N"),
        (r"(by|who\": )(\s?\"?)[\w-]+", r"\1\2somebody"),
    ):
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def test_what_they_say_of_an_engine_that_never_ran(tmp_path: Path, capsys: Captured) -> None:
    for words in (["status"], ["status", "--json"]):
        assert main([*words, *typed(tmp_path / "var", STOP)]) == 1
        printed = "".join(capsys.readouterr())
        assert "engine.db: must be there, was not. Start the engine once: chanquant up." in printed
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    "words",
    [["do"], ["do", "pose"], ["do", "kill", "pause"], ["do", "resume"], ["do", "rearm"]],
)
def test_what_do_refuses(words: list[str], tmp_path: Path, capsys: Captured) -> None:
    assert main([*words, *typed(tmp_path / "var", STOP)]) == 2
    printed = "".join(capsys.readouterr())
    golden(f"live/{'_'.join(words)}.txt", printed)
    assert not (tmp_path / "var").exists()


def test_while_it_runs_and_after_it_was_killed(
    folder: Path, type_in: Callable[..., str], tmp_path: Path
) -> None:
    with running(folder, tmp_path / "notify") as engine:
        told = "".join(
            type_in(*words)
            for words in (
                ["status"],
                ["do", "pause", "--instance", "ema_cross", "--reason", "news"],
                ["do", "pause", "--instance", "ema_cros"],
                ["do", "resume", "--reason", "news are over", "--json"],
                ["do", "kill", "--reason", "[see] a [/test]"],
                ["status", "--json"],
            )
        )
        engine.kill()
        engine.wait()
    told += "".join(type_in(*words) for words in (["status"], ["do", "rearm", "--reason", "go on"]))
    golden("live/verbs.txt", masked(told))


def test_sigterm_stops_cleanly(folder: Path, tmp_path: Path) -> None:
    with running(folder, tmp_path / "notify") as engine:
        begun = clock.seconds()
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(10.0) == 0
        assert clock.seconds() - begun < 10.0
        assert engine.stderr is not None
        assert engine.stderr.read() == b""
    found = holds(folder)
    assert found.progress is not None
    assert found.tables["snapshot"][-1]["seq"] == found.progress["seq"]
    assert found.tables["event"][-1]["kind"] == "stop"


def test_an_engine_that_does_not_answer(
    folder: Path, type_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(do, "ANSWER_SECONDS", 0.2)
    with alone(folder):  # holds the lock as an engine does, and says nothing
        typed = type_in("do", "pause", "--json")
    told: dict[str, Any] = json.loads(typed.partition("\n")[2][:-8])
    assert told["outcome"] == "waiting"
    assert told["sentence"].startswith("no answer within 0 s. See chanquant status;")
