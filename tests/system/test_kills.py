"""kill -9 at every failpoint and at any moment: nothing is lost, doubled, or decided otherwise."""

import itertools
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine import clock
from engine.core.records import Kind
from engine.failpoint import NAMES
from engine.store.database import open_panel
from engine.store.writer import ask
from tests.system.kills import COMPARED, ROOT, Kill, Servers, overrides, serving, settings_of
from tests.system.left import contradicted, different, held, unsound

HITS = 5
MOMENTS = 192
FRESH = 10
NESTED = 12
SECONDS = 20  # in which every command is obeyed
ONCE = {name for name in NAMES if name.startswith(("recover.", "stop."))}  # in each start
TRADING = [name for name in NAMES if name not in ONCE]
ALWAYS = [name for name in TRADING if name.startswith(("journal.append", "journal.sync", "commit"))]
BEGUN = {"failpoint": "commit.after:4"}
ALONE = threading.Lock()  # Alembic, which makes a store, is for one thread at a time
COMMANDS = (
    ("pause ema_cross", "close"),
    ("kill", "rearm"),
    ("flatten",),
    ("resume rsi_reversion", "resume"),
)


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Servers]:
    """Yield what starts engines to be killed."""
    with serving(tmp_path_factory.mktemp("kills"), pytestconfig) as servers:
        yield servers


def test_it_does_not_matter_how_fast_the_market_was(servers: Servers) -> None:
    for folder in servers.unkilled.values():
        assert [*unsound(held(folder)), *different(held(folder), servers.wanted)] == []
    statuses = Counter(row["status"] for row in servers.wanted.tables["order"])
    reasons = Counter(row["reason"] for row in servers.wanted.tables["fill"])
    assert min(statuses["filled"], statuses["refused"], reasons["stop_loss"]) > 0
    assert servers.wanted.tables["posting"]


def test_a_kill_at_every_failpoint(servers: Servers) -> None:
    jobs: list[tuple[str, list[Kill]]] = []
    for name, mode in zip(NAMES, itertools.cycle(COMPARED), strict=False):
        if name in ONCE:
            jobs.append((mode, [BEGUN, *[{"failpoint": f"{name}:1"}] * HITS]))
        else:
            modes = itertools.cycle(COMPARED)
            jobs += [(next(modes), [{"failpoint": f"{name}:{hits + 1}"}]) for hits in range(HITS)]
    begun = len(servers.killed)
    assert (problems := servers.each(servers.survive, jobs)) == [], problems
    unhurt = Counter(kill["failpoint"] for _, kills in jobs for kill in kills)
    unhurt.subtract(servers.killed[begun:])
    paced = {kills[0]["failpoint"] for mode, kills in jobs if mode == "paced" and kills[0] != BEGUN}
    assert {
        failpoint for failpoint, count in unhurt.items() if count
    } <= paced  # commits less often


def test_kills_at_random_moments(servers: Servers) -> None:
    longest = {}
    for mode in COMPARED:
        begun = clock.seconds()
        assert servers.start(servers.another(), mode).code == 0
        longest[mode] = clock.seconds() - begun
    chance = np.random.default_rng(3)
    jobs = [
        (mode, [{"seconds": longest[mode] * chance.random()} for _ in range(2)])
        for mode in COMPARED
        for _ in range(MOMENTS // 4)
    ]
    assert (problems := servers.each(servers.survive, jobs)) == [], problems


def test_kills_of_fresh_processes(servers: Servers) -> None:
    def command(folder: Path) -> list[str]:
        return [sys.executable, "-m", "engine", "run", *overrides("paced", folder)]

    folder = servers.another()
    begun = clock.seconds()
    subprocess.run(command(folder), cwd=ROOT, check=True)
    longest = clock.seconds() - begun
    assert list(servers.alike(folder, [])) == []

    def killed(moment: float) -> Iterator[str]:
        folder = servers.another()
        with subprocess.Popen(command(folder), cwd=ROOT) as process:
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()
        yield from unsound(held(folder))
        yield from servers.alike(folder, servers.finish(folder, "paced"))

    moments = np.random.default_rng(4).uniform(longest / 3, longest, FRESH)
    assert (problems := servers.each(killed, moments.tolist())) == [], problems


def nested(trading: Sequence[str], seed: int) -> list[list[Kill]]:
    """Return jobs of kills: one early while it trades, then three more as it recovers."""
    chance = np.random.default_rng(seed)
    recovering = [name for name in NAMES if name.startswith("recover.")]

    def kill(names: Sequence[str], *hits: int) -> Kill:
        return {"failpoint": f"{chance.choice(names)}:{chance.choice(hits)}"}

    return [
        [kill(trading, 2, 3, 4), kill(recovering, 1), kill(trading, 1, 2), kill(recovering, 1)]
        for _ in range(NESTED)
    ]


def test_kills_while_it_recovers_from_kills(servers: Servers) -> None:
    jobs = zip(COMPARED * NESTED, nested(TRADING, 5), strict=False)
    assert (problems := servers.each(servers.survive, jobs)) == [], problems


def test_kills_amid_commands(servers: Servers) -> None:
    """When a command comes is chance; that it is obeyed once is not, and the journal says when."""
    asked = range(1, sum(map(len, COMMANDS)) + 1)

    def killed(kills: list[Kill]) -> Iterator[str]:
        folder = servers.another()

        def commanded() -> Iterator[Kill]:
            for kill, words in zip(kills, COMMANDS, strict=True):
                for word in words:
                    order(folder, word)
                yield kill
            for _ in range(SECONDS):
                yield {"seconds": 1.0, "signal": signal.SIGTERM}
                if len(held(folder).tables["answer"]) == len(asked):
                    break

        yield from servers.outlive(folder, "endless", commanded())
        left = held(folder)
        answers = Counter((row["command_id"], row["outcome"]) for row in left.tables["answer"])
        commands = range(Kind.PAUSE, Kind.REARM + 1)
        obeyed = Counter(number for _, kind, number in left.events.values() if kind in commands)
        if answers != {(number, "done"): 1 for number in asked}:
            yield f"of {len(asked)} commands, the answers are {answers}"
        if obeyed != dict.fromkeys(asked, 1):
            yield f"of {len(asked)} commands, the journal has {obeyed}"
        yield from contradicted(folder, settings_of("endless", folder))

    begun = len(servers.killed)
    assert (problems := servers.each(killed, nested(ALWAYS, 6))) == [], problems
    assert len(servers.killed) == begun + 4 * NESTED


def order(folder: Path, words: str) -> None:
    """Give a command, twice with the same key, as a panel does that heard no answer."""
    action, _, instance = words.partition(" ")
    row = {"ts": 0, "who": "test", "action": action, "instance": instance or None, "symbol": None}
    with ALONE:
        panel = open_panel(folder)
        for _ in range(2):
            ask(panel, row | {"reason": "to see", "key": words})
        panel.dispose()
