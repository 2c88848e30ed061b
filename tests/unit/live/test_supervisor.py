"""The engine comes back when it dies, carefully when it dies often, and ends when it is told to.

Real processes: a supervisor of its own, and small scripts in the engine's place.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.errors import ConfigError
from engine.live.supervisor import Policy
from engine.live.tasks import Backoff
from engine.verbs import Arguments, up

PYTHON = shlex.quote(sys.executable)
FINE = f"{PYTHON} -c pass"
SUPERVISOR = """
import asyncio, functools, shlex, sys
from engine.live.supervisor import Policy, Service, supervise
from engine.live.tasks import Backoff

say = functools.partial(print, file=sys.stderr, flush=True)
compiling, *commands = map(shlex.split, sys.argv[2:])
wait = [float(sys.argv[1])]
policies = Policy(backoff=Backoff(waits=wait)), Policy("panel", Backoff(waits=wait), limit=None)
services = [Service(*both) for both in zip(commands, policies)]
sys.exit(asyncio.run(supervise(compiling, services, say, grace=0.3)))
"""
DYING = """
import os, sys, pathlib
lives = pathlib.Path("lives")
first, *rest = lives.read_text().split()
lives.write_text(" ".join(rest))
print("life", *sys.argv[1:], flush=True)
code = int(first)
sys.exit(code) if code >= 0 else os.kill(os.getpid(), -code)
"""
WAITING = """
import os, signal, sys
signal.signal(signal.SIGTERM, {on_term})
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))
os.write(2, f"ready {os.getpid()}\\n".encode())  # in one piece, for two may write
while True:
    signal.pause()
"""


def _command(compiling: str, *commands: str, wait: float = 0.01) -> list[str]:
    """Return the command of a supervisor that waits `wait` seconds before each start."""
    return [sys.executable, "-c", SUPERVISOR, str(wait), compiling, *commands]


@pytest.fixture
def supervised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], tuple[int, str]]:
    """Return a function (lives, compiling) → exit code and stderr; `lives` are exit codes."""
    monkeypatch.chdir(tmp_path)
    Path("dying.py").write_text(DYING)

    def supervised(lives: str, compiling: str = FINE) -> tuple[int, str]:
        Path("lives").write_text(lives)
        done = subprocess.run(
            _command(compiling, f"{PYTHON} dying.py --x=1"),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr

    return supervised


# ── the policy ────────────────────────────────────────────────────────────────────────────────


def test_first_crash_is_told_with_its_wait() -> None:
    assert Policy().ended(-9, 100, 12.4) == (
        "engine: died of SIGKILL after 12 s, crash 1 within 10 minutes. Starting it again in 1 s.",
        1,
    )


def test_fifth_crash_in_ten_minutes_brings_safe_mode_for_good() -> None:
    policy = Policy()
    modes = []
    for now in (0, 100, 200, 300, 599, 9_000):
        verdict = policy.ended(1, now, 99)
        modes.append((policy.is_safe, "safe mode" in verdict.sentence))
    assert modes == [(False, False)] * 4 + [(True, True)] * 2


def test_crashes_far_apart_are_no_loop() -> None:
    policy = Policy()
    waits = [policy.ended(-11, now, 150).wait for now in range(0, 15_000, 151)]
    assert set(waits) == {1}
    assert not policy.is_safe


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (0, "engine: ended with exit code 0 after 3 s."),
        (2, "engine: ended with exit code 2 after 3 s. Correct what it says above, then start"),
        (3, "engine: ended with exit code 3 after 3 s. Correct what it says above, then start"),
        (70, "engine: ended with exit code 70 after 3 s. Keep the folder var as it is and report"),
    ],
)
def test_what_a_restart_does_not_mend_is_not_restarted(code: int, sentence: str) -> None:
    verdict = Policy().ended(code, 3, 3)
    assert verdict.wait is None
    assert verdict.sentence.startswith(sentence)


@pytest.mark.parametrize("code", [1, 130, 255, -6, -9, -15, -35])
def test_anything_else_is_a_crash(code: int) -> None:
    assert Policy(backoff=Backoff(waits=[7])).ended(code, 3, 3).wait == 7


# ── processes that die ────────────────────────────────────────────────────────────────────────


def test_it_is_started_again_until_it_ends(
    supervised: Callable[..., tuple[int, str]],
) -> None:
    code, told = supervised("1 -9 0 1")
    assert code == 0
    assert [line.partition(" after")[0] for line in told.splitlines()] == [
        "life --x=1",
        "engine: ended with exit code 1",
        "life --x=1",
        "engine: died of SIGKILL",
        "life --x=1",
        "engine: ended with exit code 0",
    ]


def test_five_crashes_bring_safe_mode(supervised: Callable[..., tuple[int, str]]) -> None:
    code, told = supervised("1 -11 -6 -9 1 1 0")
    assert code == 0
    lives = [line for line in told.splitlines() if line.startswith("life")]
    assert lives == ["life --x=1"] * 5 + ["life --x=1 --safe"] * 2
    assert told.count("in safe mode") == 2


@pytest.mark.parametrize("code", [2, 3, 70])
def test_its_exit_code_is_handed_on(code: int, supervised: Callable[..., tuple[int, str]]) -> None:
    ended, told = supervised(f"-9 {code}")
    assert ended == code
    assert told.count("life") == 2


@pytest.mark.parametrize(
    ("compiling", "code", "sentence"),
    [
        ("-c 'raise SystemExit(2)'", 2, "ended with exit code 2"),
        ("-c 'import os; os.kill(os.getpid(), 9)'", 1, "died of SIGKILL"),
    ],
)
def test_nothing_starts_that_did_not_compile(
    compiling: str, code: int, sentence: str, supervised: Callable[..., tuple[int, str]]
) -> None:
    assert supervised("0", f"{PYTHON} {compiling}") == (
        code,
        f"compile: {sentence}. Correct what it says above, then start again.\n",
    )


def test_a_program_that_cannot_be_started_is_tried_again() -> None:
    with subprocess.Popen(_command(FINE, "gone"), stderr=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stderr is not None
        for count in (1, 2):
            missing, crash = (supervisor.stderr.readline() for _ in range(2))
            assert missing == "gone: cannot be started: No such file or directory.\n"
            assert f"crash {count} within 10 minutes. Starting it again" in crash
        supervisor.terminate()
        supervisor.stderr.read()
    assert supervisor.returncode == 0


# ── being stopped ─────────────────────────────────────────────────────────────────────────────


class Running:
    """A supervisor whose process waits, and that process."""

    def __init__(self, supervisor: subprocess.Popen[str]) -> None:
        self.supervisor = supervisor
        assert supervisor.stderr is not None
        self.engine = int(supervisor.stderr.readline().removeprefix("ready "))

    def end(self) -> tuple[int, list[str]]:
        """Return exit code and what was told; the process must be gone."""
        _, told = self.supervisor.communicate(timeout=30)
        with pytest.raises(ProcessLookupError):
            os.kill(self.engine, 0)
        return self.supervisor.returncode, told.splitlines()


def _hangs_up() -> None:
    """Take SIGHUP as a terminal's process does, also where nohup started these tests."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def _running(script: str, compiling: str = FINE, shell: str = 'exec "$@"') -> Iterator[Running]:
    command = _command(compiling, f"{PYTHON} {script}")
    with subprocess.Popen(
        ["sh", "-c", shell, "sh", *command],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_hangs_up,
    ) as supervisor:
        try:
            yield Running(supervisor)
        finally:
            supervisor.kill()


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that writes a script which does `on_term`, and returns its name."""
    monkeypatch.chdir(tmp_path)

    def waiting(on_term: str) -> str:
        Path("waiting.py").write_text(WAITING.replace("{on_term}", on_term))
        return "waiting.py"

    return waiting


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize(
    ("on_term", "code"),
    [("lambda *_: sys.exit(0)", 0), ("signal.SIG_DFL", 0), ("lambda *_: sys.exit(70)", 70)],
)
def test_a_signal_stops_the_process_and_hands_on_its_code(
    number: signal.Signals, on_term: str, code: int, waiting: Callable[[str], str]
) -> None:
    with _running(waiting(on_term)) as running:
        os.killpg(running.supervisor.pid, number)  # as a terminal does
        assert running.end() == (code, ["stopping: waiting up to 0.3 s for a clean end."])


def test_a_stop_while_it_compiles_starts_nothing(waiting: Callable[[str], str]) -> None:
    compiling = f"{PYTHON} {waiting('signal.SIG_DFL')}"
    with _running("-c 'print(1)'", compiling) as running:
        running.supervisor.terminate()
        assert running.end() == (0, ["stopping: waiting up to 0.3 s for a clean end."])


def test_what_does_not_stop_is_killed(waiting: Callable[[str], str]) -> None:
    with _running(waiting("signal.SIG_IGN")) as running:
        running.supervisor.terminate()
        assert running.end() == (
            1,
            [
                "stopping: waiting up to 0.3 s for a clean end.",
                "engine: killed, it was still there after 0.3 s. The next start recovers.",
            ],
        )


def test_nohup_is_respected(waiting: Callable[[str], str]) -> None:
    with _running(waiting("signal.SIG_DFL"), shell='trap "" HUP; exec "$@"') as running:
        running.supervisor.send_signal(signal.SIGHUP)
        os.kill(running.engine, signal.SIGUSR1)
        code, (told,) = running.end()
        assert code == 0
        assert told.startswith("engine: ended with exit code 0 after")


def test_a_stop_cuts_the_wait_for_the_next_start_short() -> None:
    command = _command(FINE, f"{PYTHON} -c 'raise SystemExit(1)'", wait=600)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stderr is not None
        assert "Starting it again in 600 s" in supervisor.stderr.readline()
        supervisor.terminate()
        assert supervisor.wait(timeout=30) == 0


# ── two of them ───────────────────────────────────────────────────────────────────────────────


def _told(engine: str, panel: str) -> tuple[int, list[str]]:
    """Return the exit code and what was told by a supervisor of an engine and a panel."""
    done = subprocess.run(
        _command(FINE, engine, panel), capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stderr.splitlines()


def test_a_panel_that_dies_does_not_touch_the_engine(tmp_path: Path) -> None:
    """The engine ends only after the panel's ninth life has begun, and lives once."""
    lives = tmp_path / "lives"
    panel = f'{PYTHON} -c \'open("{lives}", "a").write("x"); raise SystemExit(1)\''
    seen = f'import os\nwhile not (os.path.exists("{lives}") and os.path.getsize("{lives}") > 8): 0'
    code, told = _told(f"{PYTHON} -c {shlex.quote(seen)}", panel)
    assert code == 0
    assert [line for line in told if line.startswith("engine")] == [
        line for line in told if line.startswith("engine: ended with exit code 0")
    ]
    crashes = [line for line in told if line.startswith("panel: ended with exit code 1")]
    assert len(crashes) >= 8
    assert not any("safe mode" in line for line in told)


def test_a_panel_that_cannot_be_helped_stays_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine ends when the end of the panel's only life has been told."""
    monkeypatch.chdir(tmp_path)
    Path("trading.py").write_text("while 'panel' not in open('told').read(): pass")
    command = _command(FINE, f"{PYTHON} trading.py", f"{PYTHON} -c 'raise SystemExit(2)'")
    with Path("told").open("w") as told:
        done = subprocess.run(command, stderr=told, timeout=30, check=False)
    assert done.returncode == 0
    assert [line.partition(" after")[0] for line in Path("told").read_text().splitlines()] == [
        "panel: ended with exit code 2",
        "engine: ended with exit code 0",
    ]


def test_the_panel_ends_with_the_engine() -> None:
    panel = f"{PYTHON} -c 'import signal; signal.pause()'"
    code, told = _told(f"{PYTHON} -c 'raise SystemExit(70)'", panel)
    assert code == 70
    assert len(told) == 1
    assert told[0].startswith("engine: ended with exit code 70")


def test_a_signal_stops_both(waiting: Callable[[str], str]) -> None:
    script = waiting("lambda *_: sys.exit(0)")
    command = _command(FINE, *[f"{PYTHON} {script}"] * 2)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stderr is not None
        both = [int(supervisor.stderr.readline().removeprefix("ready ")) for _ in range(2)]
        supervisor.terminate()
        told = supervisor.stderr.read().splitlines()
    assert supervisor.returncode == 0
    assert told == ["stopping: waiting up to 0.3 s for a clean end."]
    for process in both:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


# ── the verb ──────────────────────────────────────────────────────────────────────────────────


def test_what_was_typed_is_handed_on() -> None:
    typed = Arguments(True, Path("elsewhere"), ("mode=live", "~risk.stale_price"), safe=True)
    assert up.command("run", typed) == [
        *(sys.executable, "-P", "-m", "engine", "run", "--safe", "--config-dir", "elsewhere"),
        *("mode=live", "~risk.stale_price"),
    ]


@pytest.mark.parametrize("verb", ["compile", "run", "panel"])
def test_all_three_have_the_same_configuration(verb: str) -> None:
    command = up.command(verb, Arguments(overrides=("costs.taker=0",)))
    assert command[4:] == [verb, "mode=paper", "costs.taker=0"]


def test_a_wrong_configuration_never_starts(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        up.run(Arguments(True, None, ("costs.takr=0",)))
    assert capfd.readouterr() == ("", "")


def test_nothing_starts_where_the_port_is_taken(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        typed = [f"web.port={port}", f"store.directory={tmp_path}/var"]
        assert main(["up", *typed]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err == (
        f"web.port: must be free on 127.0.0.1, {port} is used by another program. Stop that one,"
        f" or choose another port, such as web.port={port + 10}.\n"
    )
    assert not (tmp_path / "var").exists()
