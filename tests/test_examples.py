"""The examples of the guide are true: each command can be typed, each script runs.

The code blocks of all pages form one project: YAML and Python whose first line is a path are
written there, `sh` is composed, Python without a path is run, and `console` must print what it
shows.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from engine import __main__ as program
from engine import api, errors
from engine.core.assemble import layout
from engine.core.compile import build
from engine.feeds.generated import generate, write
from engine.live.outputs import COMMANDS
from engine.settings import build as portfolio_of
from engine.verbs import Arguments
from tests.test_docs import GUIDE, ROOT, Block, blocks, targets

BLOCKS = [
    block
    for path in [ROOT / "README.md", *sorted(GUIDE.glob("*.md"))]
    for block in blocks(path.read_text(encoding="utf-8"), path.name)
]
LINES = [line for b in BLOCKS if b.language == "sh" for line in b.text.splitlines()]
SCRIPTS = [block for block in BLOCKS if block.language == "python" and "# " not in block.text[:2]]
CONSOLES = [block for block in BLOCKS if block.language == "console"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every file of the guide, and the tape of the example."""
    root = tmp_path_factory.mktemp("project")
    for block in BLOCKS:
        if path := re.match(r"# (\S+\.(?:py|yaml))\n", block.text):
            file = root / path[1]
            assert not file.exists(), f"{block.page}: {path[1]} stands in the guide twice"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text.removeprefix(path[0]), encoding="utf-8")
            if file.suffix == ".py":
                (file.parent / "__init__.py").touch()
    for symbol in ("BTC/USDT", "ETH/USDT"):
        name = f"{symbol.replace('/', '_')}_1m.parquet"
        write(root / "var" / "tape" / name, generate(symbol, 20_000, 60_000, 1))
    return root


def type_in(line: str) -> None:
    """Do what a line of the shell says as far as it needs no time; raise where it cannot be."""
    name, verb, *words = shlex.split(line)
    if name == "make":
        assert verb in targets(), f"there is no target {verb}"
        return
    assert name.endswith("chanquant"), f"{line}: is neither chanquant nor make"
    assert verb in program.VERBS, f"there is no verb {verb}"
    flags = {word for word in words if word.startswith("--")}
    assert flags <= {flag.partition(" ")[0] for flag in program.FLAGS}, f"no such flag: {flags}"
    if verb == "data":
        assert program.main([verb, *words]) in (0, 3), f"{line}: exit code"
    elif verb != "new":
        assert verb != "do" or words[0] in COMMANDS, f"there is no action {words[0]}"
        overrides = tuple(word for word in words if "=" in word or word[0] in "~+")
        is_live = verb in ("up", "run", "status", "do")
        settings = api.compose(Arguments(overrides=overrides).on_paper if is_live else overrides)
        if verb == "compile":
            build.addresses_of(layout(portfolio_of(settings)).parts)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:80])
def test_command_can_be_typed(line: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    type_in(line)


@pytest.mark.parametrize(
    "line",
    [
        *("make tea", "chanquant trade", "chanquant do trade", "chanquant data chek"),
        *("chanquant check costs.takr=0", "chanquant up feed=tape"),
    ],
)
def test_a_wrong_command_is_found(line: str) -> None:
    with pytest.raises((AssertionError, errors.ConfigError)):
        type_in(line)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda block: block.page)
def test_script_runs(script: Block, project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script.text],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{script.page}: {done.stderr}"
    assert done.stdout


@pytest.mark.parametrize("console", CONSOLES, ids=lambda block: block.page)
def test_console_prints_what_it_shows(
    console: Block, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    command, _, shown = console.text.partition("\n")
    program.main(shlex.split(command.removeprefix("$ chanquant")))
    printed = capsys.readouterr()
    assert printed.out + printed.err == shown
