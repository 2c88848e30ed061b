"""A compiled function is used again exactly when nothing it reaches has changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import types

from engine.core.compile import build, cache
from engine.core.compile.declare import Strategy
from engine.errors import ConfigError

STRATEGY = """
from engine.core.compile.declare import Strategy
from helper import factor

class It(Strategy):
    length: int = 3

    def step(p, s, bar, out):
        out.target = factor(bar.close) * {number}{comment}
"""
HELPER = """
def factor(x):
    return {number}
"""
PRINT = """
import numpy as np
from engine.core.compile import build
from strategy import It
from engine.core.assemble import layout
from engine.core.machine import Compiled
from engine.core.block import table_of
from engine.core.portfolio import Instance
from engine.core.records import Sizing
from tests.market import bar_events, portfolio, MINUTE
machine = Compiled(layout(portfolio(Instance("it", It(), ("X/USD",), MINUTE, Sizing.FIXED, 1.0))))
machine.advance(bar_events([[100.0] * 4]), 0, 1, np.empty(1))
print(build.key_of(It), float(table_of(machine.block, "books")["out"]["target"][0]))
"""


def target_of(folder: Path, number: float, helper: float, comment: str = "") -> tuple[str, float]:
    """Return key and target of a strategy in a new process."""
    (folder / "strategy.py").write_text(STRATEGY.format(number=number, comment=comment))
    (folder / "helper.py").write_text(HELPER.format(number=helper))
    root = str(Path(__file__).parents[4])
    done = subprocess.run(
        [sys.executable, "-c", PRINT],
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        check=True,
    )
    key, target = done.stdout.split()
    return key, float(target)


def test_an_edit_is_never_missed(tmp_path: Path) -> None:
    first = target_of(tmp_path, 0.5, 1.0)
    assert first[1] == 0.5
    edited = target_of(tmp_path, 0.25, 1.0)
    assert edited[1] == 0.25
    helper = target_of(tmp_path, 0.25, 2.0)  # numba's own cache would run the old helper
    assert helper[1] == 0.5
    assert len({first[0], edited[0], helper[0]}) == 3
    assert target_of(tmp_path, 0.5, 1.0, comment="  # said") == first


def factor(x: float) -> float:
    return 2.0 * x


def other_factor(x: float) -> float:
    return 3.0 * x


def product(x: float) -> float:
    return factor(x)


def test_a_function_that_stands_alone_is_not_missed_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANQUANT_CACHE", str(tmp_path))
    signature = types.float64(types.float64)
    doubled = build.standalone(product, signature)
    assert doubled(1.5) == 3.0
    assert build.standalone(product, signature) is doubled
    monkeypatch.setitem(globals(), "factor", other_factor)
    assert build.standalone(product, signature)(1.5) == 4.5
    assert len(list((tmp_path / "keys").iterdir())) == 2


def test_what_is_long_unused_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANQUANT_CACHE", str(tmp_path))
    for key in ("old", "new"):
        cache.keep(key)
        code = tmp_path / "code" / "x" / f"build.It_{key}-1.nbc"
        code.parent.mkdir(parents=True, exist_ok=True)
        code.touch()
    now = (tmp_path / "keys" / "new").stat().st_mtime
    os.utime(tmp_path / "keys" / "old", (now, now - cache.KEEP_SECONDS - 1.0))
    assert cache.prune(now) == 1
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [
        "build.It_new-1.nbc",
        "new",
    ]


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHANQUANT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache.folder() == Path("/elsewhere/chanquant")


def test_a_class_is_known_as_compiled_once_it_is() -> None:
    class Fresh(Strategy):
        length: int = 3

        def step(p, s, bar, out):
            out.target = p.length / 12345.0

    (cache.folder() / "keys" / build.key_of(Fresh)).unlink(missing_ok=True)
    assert not build.is_compiled(Fresh)
    build.function_of(Fresh)
    assert build.is_compiled(Fresh)


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o720])
def test_code_is_not_loaded_from_where_others_may_write(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANQUANT_CACHE", str(tmp_path / "cache"))
    cache.must_be_ours()
    (tmp_path / "cache").chmod(mode)
    with pytest.raises(
        ConfigError, match="must be this user's or root's and writable by nobody else"
    ):
        cache.must_be_ours()
    ran = subprocess.run(
        [sys.executable, "-m", "engine", "compile"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr.count("must be this user's")) == (2, 1)
