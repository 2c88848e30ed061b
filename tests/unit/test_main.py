"""The command line: what each mistake is answered with, word for word, and what each verb prints.

A file of tests/golden/config is a small project (after `--- path` its files), then commands with
all that they print, and their exit code.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.__main__ import VERBS, Verb, main
from engine.compose import compose
from engine.exits import Exits
from engine.settings import validate
from engine.verbs import Arguments

ROOT = Path(__file__).parents[2]
TRANSCRIPTS = sorted((ROOT / "tests/golden/config").glob("*.txt"))

Write = Callable[[str, str], None]
Captured = pytest.CaptureFixture[str]


def typed(line: str, capsys: Captured) -> str:
    """Return what a command prints and its exit code, with paths from the repository's root."""
    code = main(shlex.split(line)[1:])
    printed = "".join(capsys.readouterr())
    return f"{printed.replace(f'{ROOT}/', '')}exit {code}\n"


def played(text: str, folder: Path, capsys: Captured) -> str:
    """Write the files of a transcript, type its commands, and return the transcript anew."""
    files, *commands = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
    for path, content in re.findall(r"^--- (.*)\n((?:(?!--- ).*\n)*)", files, flags=re.MULTILINE):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    return files + "".join(f"$ {line}\n{typed(line, capsys)}" for line in commands[::2])


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_says_word_for_word(transcript: Path, project: Path, capsys: Captured) -> None:
    text = transcript.read_text(encoding="utf-8")
    assert played(text, project, capsys) == text


# ── the screen ────────────────────────────────────────────────────────────────────────────────


def test_help_names_every_verb_and_imports_none_of_them() -> None:
    program = "import sys; from engine.__main__ import main; main(['--help']); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    *screen, modules = ran.stdout.splitlines()
    for name, verb in VERBS.items():
        assert any(line.startswith(f"  {name} ") and verb.line in line for line in screen)
    assert max(map(len, screen)) <= 100
    assert len(screen) <= 40
    assert not {"hydra", "numba", "pydantic", "pyarrow", "rich"} & set(modules.split())


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_explains_itself(name: str, capsys: Captured) -> None:
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"chanquant {name}")
    assert f"\nchanquant {name}" in printed
    assert "--config-dir DIR" in printed


def test_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"chanquant \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_flags_stand_anywhere(write: Write, capsys: Captured) -> None:
    write("elsewhere/costs/default.yaml", "{taker: 0.3, maker: 0.0, slippage_bps: 0.0}\n")
    for line in (
        "--json show costs.taker --config-dir elsewhere",
        "show --config-dir=elsewhere costs.taker --json",
    ):
        assert main(line.split()) == 0
        shown = {"value": 0.3, "origin": "elsewhere/costs/default.yaml:1"}
        assert json.loads(capsys.readouterr().out) == {"costs.taker": shown}


def test_ctrl_c_is_one_line(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    write("interrupted.py", "def run(arguments):\n    raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(".")
    monkeypatch.setitem(VERBS, "wait", Verb("interrupted", "", ""))
    assert main(["wait"]) == 130
    assert capsys.readouterr() == ("", "stopped by Ctrl-C\n")


def test_foreign_failures_are_not_hidden(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("defective.py", "def run(arguments):\n    return 1 / 0\n")
    monkeypatch.syspath_prepend(".")
    monkeypatch.setitem(VERBS, "divide", Verb("defective", "", ""))
    with pytest.raises(ZeroDivisionError):
        main(["divide"])


def test_flags_with_a_text_reach_their_verb(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    printed = "print(a.words, a.overrides, a.safe, a.options)"
    write("echoing.py", f"def run(a):\n    {printed}\n    return 0\n")
    monkeypatch.syspath_prepend(".")
    monkeypatch.setitem(VERBS, "echo", Verb("echoing", "WORD", ""))
    typed = ["echo", "word", "--safe", "--reason", "a=b c", "costs.taker=0", "--symbol=X/Y"]
    assert main(typed) == 0
    told = "('word',) ('costs.taker=0',) True {'symbol': 'X/Y', 'reason': 'a=b c'}\n"
    assert capsys.readouterr().out == told


LOUD = """
from engine.core.compile.declare import Strategy
print("imported")

class Loud(Strategy):
    def step(p, s, bar, out):
        print(bar.close)
"""


def test_what_a_strategy_prints_does_not_stand_in_the_document(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.syspath_prepend(".")
    write("loud.py", LOUD)
    write("conf/strategy/loud.yaml", "loud: {_target_: loud.Loud}\n")
    day = ["feed=synthetic", "feed.start='2024-01-01'", "feed.end='2024-01-02'"]
    assert main(["backtest", "--json", "plugins=[loud]", "strategy=[loud]", *day]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["trades"] == 0
    assert err.startswith("imported\n")
    assert err.count("\n") > 1_000  # a price each bar


@pytest.mark.parametrize(
    ("typed", "composed"),
    [
        (("costs.taker=0",), ("mode=paper", "costs.taker=0")),
        (("costs.taker=0", "mode=backtest"), ("costs.taker=0", "mode=backtest")),
        (("+model=x",), ("mode=paper", "+model=x")),
    ],
)
def test_verbs_of_the_engine_take_paper_unless_a_mode_is_typed(
    typed: tuple[str, ...], composed: tuple[str, ...]
) -> None:
    assert Arguments(overrides=typed).on_paper == composed


# ── show and check ────────────────────────────────────────────────────────────────────────────


def test_show_has_every_value_once(project: Path, capsys: Captured) -> None:
    assert main(["show", "--json", "experiment=example", "costs.taker=0"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["costs.taker"] == {"value": 0, "origin": "costs.taker=0"}
    assert shown["sizing.ratio"]["origin"] == f"{ROOT}/conf/experiment/example.yaml:18"
    assert shown["universe.symbols"]["value"] == ["BTC/USDT", "ETH/USDT"]
    assert all(row["origin"] for row in shown.values())


def test_show_narrows_by_whole_keys(project: Path, capsys: Captured) -> None:
    assert main(["show", "--json", "strategy.ema_cross.exits"]) == 0
    keys = [f"strategy.ema_cross.exits.{name}" for name in Exits.model_fields]
    assert list(json.loads(capsys.readouterr().out)) == keys
    assert main(["show", "strategy.ema"]) == 2


def test_check_prints_what_would_trade(project: Path, capsys: Captured) -> None:
    assert main(["check", "--json", "experiment=example"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["ok"] is True
    assert facts["strategies"] == ["ema_cross", "rsi_reversion"]
    assert [one["strategy"] for one in facts["checked"]] == facts["strategies"]
    assert [warning.split(":")[0] for warning in facts["warnings"]] == ["feed"]
    assert main(["check", "experiment=example"]) == 0
    printed = capsys.readouterr().out
    assert "ema_cross, rsi_reversion" in printed
    assert "bars of history" in printed
    assert "! feed: " in printed


# ── new ───────────────────────────────────────────────────────────────────────────────────────


def test_new_project_is_right_from_the_start(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert main(["new", "project", "My-Desk"]) == 0
    monkeypatch.chdir("My-Desk")
    assert main(["new", "strategy", "second_try"]) == 0
    assert main(["new", "rule", "few_books"]) == 0
    capsys.readouterr()
    chosen = ["strategy=[first,second_try]", "risk=[few_books]"]
    assert main(["check", "--json", *chosen]) == 0, capsys.readouterr().out
    facts = json.loads(capsys.readouterr().out)
    assert (facts["strategies"], facts["rules"]) == (["first", "second_try"], ["few_books"])
    assert main(["check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["strategies"] == ["first"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert "3 passed" in ran.stdout, ran.stdout


@pytest.mark.parametrize("mode", sorted(path.stem for path in (ROOT / "conf/mode").glob("*")))
def test_new_project_is_right_in_each_mode(
    mode: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["new", "project", "desk"]) == 0
    monkeypatch.chdir("desk")
    made = validate(compose([f"mode={mode}"]))
    assert list(made.strategy) == ["first"]
    if mode == "backtest":
        assert made.feed.path == "data/{symbol}_{timeframe}.parquet"


def test_new_project_knows_each_verb(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert main(["new", "project", "desk"]) == 0
    monkeypatch.chdir("desk")
    assert main(["data", "generate", "data", "BTC/USDT", "bars=3000"]) == 0
    assert [main([verb]) for verb in ("show", "check", "backtest")] == [0, 0, 0]
    assert [main(["status"]), main(["do", "pause"])] == [1, 1]
    told = capsys.readouterr().err.splitlines()
    assert told == ["var/engine.db: must be there, was not. Start the engine once: chanquant up."]


def test_new_part_of_the_repository(project: Path, capsys: Captured) -> None:
    (project / "engine/strategies").mkdir(parents=True)
    assert main(["new", "rule", "few_books", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "written": [
            "engine/rules/few_books.py",
            "conf/risk/few_books.yaml",
            "tests/unit/rules/test_few_books.py",
        ],
        "next": "chanquant check risk=[few_books]",
    }
    assert "class FewBooks(Rule)" in Path("engine/rules/few_books.py").read_text(encoding="utf-8")
    declared = Path("conf/risk/few_books.yaml").read_text(encoding="utf-8")
    assert declared.startswith("few_books:\n  _target_: engine.rules.few_books.FewBooks\n")
    test = Path("tests/unit/rules/test_few_books.py").read_text(encoding="utf-8")
    assert "from engine.rules.few_books import FewBooks" in test


def test_new_never_overwrites(project: Path, capsys: Captured) -> None:
    assert main(["new", "project", "desk"]) == 0
    Path("desk/README.md").write_text("mine", encoding="utf-8")
    capsys.readouterr()
    assert main(["new", "project", "desk"]) == 2
    problems = capsys.readouterr().err.splitlines()
    assert len(problems) == 1 + len([path for path in Path("desk").rglob("*") if path.is_file()])
    assert "desk/README.md: must be new, was there already." in problems[1]
    assert Path("desk/README.md").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["json", "engine", "1st", "class"])
def test_new_project_needs_a_name_that_is_free(name: str, project: Path, capsys: Captured) -> None:
    assert main(["new", "project", name]) == 2
    assert "Choose another folder." in capsys.readouterr().err
    assert not Path(name).exists()
