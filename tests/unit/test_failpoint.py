"""A failpoint kills at the hit that was asked for, and each name stands in the engine."""

import ast
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine import failpoint

ROOT = Path(__file__).parents[2]

HITS = """
from engine import failpoint
failpoint.arm_from_environment()
for _ in range(3):
    print("sync", flush=True)
    failpoint.hit("journal.sync.before")
    print("commit", flush=True)
    failpoint.hit("commit.before")
"""


def _hit(armed: str | None) -> tuple[int, list[str]]:
    """Return exit code and output of a program that passes two failpoints three times."""
    done = subprocess.run(
        [sys.executable, "-c", HITS],
        env={} if armed is None else {"CHANQUANT_FAILPOINT": armed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.split() or done.stderr.splitlines()[-1:]


@pytest.mark.parametrize(
    ("armed", "passed"),
    [
        ("commit.before", ["sync", "commit"]),
        ("commit.before:1", ["sync", "commit"]),
        ("commit.before:3", ["sync", "commit"] * 3),
        ("journal.sync.before:2", ["sync", "commit", "sync"]),
    ],
)
def test_it_kills_at_that_hit(armed: str, passed: list[str]) -> None:
    assert _hit(armed) == (-signal.SIGKILL, passed)


@pytest.mark.parametrize("armed", [None, "", "commit.before:4", "commit.before:0", "stop.after"])
def test_it_lets_pass_what_was_not_asked_for(armed: str | None) -> None:
    assert _hit(armed) == (0, ["sync", "commit"] * 3)


def test_an_unknown_name_is_told() -> None:
    code, told = _hit("commit.befor")
    assert code == 1
    place = "engine.errors.ConfigError: $CHANQUANT_FAILPOINT: commit.befor: must be one of "
    assert told[0].startswith(place)


def test_every_name_is_hit_and_every_hit_is_named() -> None:
    modules = (ROOT / "engine").rglob("*.py")
    hits = {name for path in modules for name in _hits(path.read_text(encoding="utf-8"))}
    unplaced, unknown = set(failpoint.NAMES) - hits, hits - set(failpoint.NAMES)
    assert not unplaced | unknown, f"nowhere: {sorted(unplaced)}; unknown: {sorted(unknown)}"


def test_a_hit_is_found_however_it_is_written() -> None:
    planted = (
        'failpoint.hit("a")\nhit("b")\nengine.failpoint.hit(name)\nmeter.hit("c")\nhits("d")\n'
    )
    assert list(_hits(planted)) == ["a", "b", "line 3: name"]


def _hits(source: str) -> list[str]:
    """Return the names of failpoints that a module passes; line and text of what is no name."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    found = []
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        if ast.unparse(call.func).removeprefix("engine.") in ("failpoint.hit", "hit"):
            (name,) = map(ast.unparse, call.args)
            is_plain = name.startswith("'")
            found.append(name.strip("'") if is_plain else f"line {call.lineno}: {name}")
    return found
