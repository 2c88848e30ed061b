"""What people ask of a running engine, from the row in the panel's store to the answer."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.store.latches import in_force, is_paused
from engine.store.tables import Row
from tests.golden import golden
from tests.system.left import held, unsound
from tests.unit.live.conftest import Seen
from tests.unit.live.engines import (
    END,
    answered,
    command,
    copied,
    events,
    holds,
    said,
    standing,
    told,
    trade,
)


@pytest.fixture
def folder(left: dict[str, Path], tmp_path: Path) -> Path:
    """Return a copy of what an engine left that holds something of both symbols."""
    return copied(left["stopped"], tmp_path / "var")


def latches(folder: Path) -> list[tuple[Any, ...]]:
    rows = holds(folder).tables["breaker"]
    return [(row["name"], row["state"], row["who"], row["reason"]) for row in rows]


async def asked(folder: Path, *commands: tuple[Any, ...]) -> list[Row]:
    """Give a running engine some commands, one after the other's answer."""
    async with standing(folder):
        return [await answered(folder, command(folder, *words)) for words in commands]


def test_each_command_is_answered_with_what_it_changed(folder: Path) -> None:
    commands = [
        ("pause", "ema_cross"),
        ("pause",),
        ("resume", "rsi_reversion"),
        ("close",),
        ("close",),
        ("kill",),
        ("rearm",),
        ("pause", "ema_cros"),
    ]
    answers = asyncio.run(asked(folder, *commands))
    golden(
        "live/answers.txt",
        "".join(
            f"{' '.join(words)}: {row['outcome']}: {row['sentence']}\n"
            for words, row in zip(commands, answers, strict=True)
        ),
    )
    for row, later in pairwise(answers[:-1]):
        assert json.loads(row["after"]) == json.loads(later["before"])
    assert list(unsound(holds(folder))) == []


def test_a_command_is_obeyed_once_and_also_when_it_came_while_nobody_ran(folder: Path) -> None:
    number = command(folder, "pause", "ema_cross")
    asyncio.run(asked(folder, ("close", "rsi_reversion")))
    asyncio.run(asked(folder, ("resume",)))
    trade(folder, END)
    answers = holds(folder).tables["answer"]
    assert [row["command_id"] for row in answers] == [number, number + 1, number + 2]
    assert latches(folder) == [
        ("pause ema_cross", "set", "a trader", "a test"),
        ("pause", "released", "a trader", "a test"),
    ]


def test_a_paused_instance_closes_and_opens_nothing(folder: Path, undisturbed: Seen) -> None:
    told(folder, "pause", "ema_cross")
    before = holds(folder)
    trade(folder, END)
    found = holds(folder)
    fills = said(found, "fill", "ema_cross", "seq", "quantity")[
        len(said(before, "fill", "ema_cross", "seq")) :
    ]
    assert fills
    assert all(float(quantity) < 0.0 for _, quantity in fills)
    assert {row["reason"] for row in found.tables["denial"]} == {"paused"}
    wanted = said(undisturbed(), "fill", "rsi_reversion", "ts", "price")
    assert said(found, "fill", "rsi_reversion", "ts", "price") == wanted


def test_an_unknown_action_is_refused_and_holds_up_nobody(folder: Path) -> None:
    number = command(folder, "puase")
    assert told(folder, "pause")["outcome"] == "done"
    refused = next(r for r in held(folder).tables["answer"] if r["command_id"] == number)
    assert refused["outcome"] == "refused"
    assert refused["sentence"].endswith("was puase, did you mean pause?")


def test_the_kill_file_before_the_start(folder: Path) -> None:
    (folder / "KILL").touch()
    trade(folder, END)
    found = holds(folder)
    held = [row for row in found.tables["position"] if float(row["quantity"])]
    assert not held
    assert latches(folder) == [("kill", "set", "engine", "kill file")]


def test_the_kill_file_during_a_run_and_rearm(folder: Path) -> None:
    async def killed() -> list[Row]:
        async with standing(folder):
            first = await answered(folder, command(folder, "pause", "ema_cross"))
            (folder / "KILL").touch()
            while json.loads(first["after"])["killed"] is False:
                first = await answered(folder, command(folder, "close", "rsi_reversion"))
            refused = await answered(folder, command(folder, "rearm"))
            (folder / "KILL").unlink()
            return [refused, await answered(folder, command(folder, "rearm"))]

    refused, done = asyncio.run(killed())
    told = [f"{row['outcome']}: {row['sentence']}" for row in (refused, done)]
    golden("live/rearm.txt", "\n".join(told).replace(str(folder), "var"))
    assert [latch[:2] for latch in latches(folder)][1:] == [("kill", "set"), ("kill", "released")]


def test_safe_mode_says_so(folder: Path) -> None:
    (folder / "KILL").touch()
    trade(folder, END, is_safe=True)
    assert latches(folder) == [
        ("kill", "set", "engine", "kill file"),
        ("pause", "set", "engine", "safe mode"),
    ]
    assert not events(holds(folder), "failure")


# ── which latches hold ────────────────────────────────────────────────────────────────────────


def latch(seq: int, name: str, state: str) -> Row:
    return {"seq": seq, "name": name, "state": state}


@pytest.mark.parametrize(
    ("rows", "force", "paused"),
    [
        ([], [], ""),
        (["pause +"], ["pause"], "aA aB bA bB"),
        (["pause +", "pause -"], [], ""),
        (["pause a +"], ["pause a"], "aA aB"),
        (["pause a +", "pause -"], [], ""),
        (["pause -", "pause a +"], ["pause a"], "aA aB"),
        (["pause +", "pause a -"], ["pause"], "bA bB"),
        (["pause a A +", "pause B +"], ["pause a A", "pause B"], "aA aB bB"),
        (["pause a A +", "pause a -"], [], ""),
        (["pause a +", "pause a A -"], ["pause a"], "aB"),
        (["kill +", "pause -"], ["kill"], ""),
    ],
)
def test_the_last_word_holds(rows: list[str], force: list[str], paused: str) -> None:
    states = {"+": "set", "-": "released"}
    made = [latch(seq, row[:-2], states[row[-1]]) for seq, row in enumerate(rows)]
    assert [row["name"] for row in in_force(made)] == force
    found = [f"{i}{s}" for i in "ab" for s in "AB" if is_paused(made, i, s)]
    assert found == paused.split()
