"""How the pieces fit together: who imports whom, what is loaded when, and that nothing lies about.

The contracts between packages stand in pyproject.toml under [tool.importlinter]. Each check here
is also tried on a copy with something planted in it.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("engine", "web", "ops")  # top-level packages of this distribution
HEAVY = {"ccxt", "hydra", "jinja2", "numba", "numpy", "omegaconf", "pandas", "plotly", "pyarrow"}
HEAVY |= {"alembic", "pydantic", "rich", "sqlalchemy", "sqlmodel"}


def _run(*command: str, folder: Path = ROOT) -> tuple[int, str]:
    """Return exit code and output of a program of the present environment."""
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [str(program), *command[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _copy(folder: Path) -> Path:
    """Copy pyproject.toml, engine, web and tests to a folder, so that something can be planted."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in ("engine", "web", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


# ── who imports whom ──────────────────────────────────────────────────────────────────────────


def test_packages_import_only_what_they_may() -> None:
    code, told = _run("lint-imports", "--no-cache", "--no-logo")
    assert code == 0, told


FORBIDDEN = (
    ("engine.core.sizing", "engine.research.stats"),
    ("engine.feeds.tape", "engine.api"),
    ("engine.errors", "engine.clock"),
    ("engine.strategies.ema_cross", "engine.rules.stale_price"),
    ("engine.strategies.ema_cross", "engine.strategies.external"),
    ("engine.rules.stale_price", "engine.rules.order_notional"),
    ("engine.verbs.show", "engine.verbs.check"),
    ("engine.parts", "engine.rules.position_size"),
    ("engine.feeds.files", "engine.compose"),
    ("engine.core.sizing", "random"),
    ("engine.core.ledger", "engine.clock"),
    ("engine.core.match", "engine.store.rows"),
    ("engine.store.journal", "engine.settings"),
    ("engine.live.shell", "engine.research.stats"),
    ("engine.venues.simulated", "engine.feeds.tape"),
    ("engine.failpoint", "engine.core.block"),
    ("web.view", "engine.live.shell"),
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what import-linter says of a copy with every forbidden import, and a new module."""
    folder = _copy(tmp_path_factory.mktemp("planted"))
    for importer, imported in FORBIDDEN:
        with (folder / f"{importer.replace('.', '/')}.py").open("a", encoding="utf-8") as file:
            file.write(f"\nimport {imported}\n")
    (folder / "engine" / "homeless.py").touch()
    code, told = _run("lint-imports", "--no-cache", "--no-logo", folder=folder)
    assert code == 1
    assert "0 kept" in told
    return told


@pytest.mark.parametrize(("importer", "imported"), FORBIDDEN)
def test_a_forbidden_import_is_found(importer: str, imported: str, planted: str) -> None:
    assert re.search(rf"{importer} -> {imported} \(l\.\d+", planted)


def test_a_module_that_has_no_layer_is_found(planted: str) -> None:
    assert "homeless" in planted


def strangers(owners: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the distributions other than ours that own one of our top-level names."""
    return sorted(
        f"{owner} owns {name}. Uninstall it, or rename ours."
        for name in OURS
        for owner in {*owners.get(name, ())} - {"chanquant"}
    )


def test_nobody_else_owns_our_names() -> None:
    assert not strangers(metadata.packages_distributions())


def test_a_stranger_with_our_name_is_found() -> None:
    owners = {"engine": ["chanquant", "engine-sdk"], "numpy": ["numpy"]}
    assert strangers(owners) == ["engine-sdk owns engine. Uninstall it, or rename ours."]


# ── what is loaded when ───────────────────────────────────────────────────────────────────────


def loaded_by(code: str) -> set[str]:
    """Return the heavy libraries that are loaded after some lines of Python have run."""
    script = f"{code}\nimport sys\nprint('LOADED', *sys.modules)"
    status, told = _run("python", "-c", script)
    assert status == 0, told
    return HEAVY.intersection(told.rpartition("LOADED")[2].split())


def _verb(*typed: str) -> str:
    return f"from engine.__main__ import main\nassert main({list(typed)}) == 0"


@pytest.mark.parametrize("typed", [(), ("--help",), ("backtest", "--version")])
def test_help_loads_nothing_heavy(typed: tuple[str, ...]) -> None:
    assert loaded_by(_verb(*typed)) == set()


def test_show_does_not_load_the_compiler_nor_the_tables() -> None:
    assert loaded_by(_verb("show", "costs")).isdisjoint({"numba", "pyarrow", "plotly", "pandas"})


@pytest.mark.parametrize("verb", ["status", "do"])
def test_what_is_typed_at_night_loads_neither_the_compiler_nor_alembic(verb: str) -> None:
    loaded = loaded_by(
        f"import engine.verbs.{verb}, engine.api; engine.api.compose(['mode=paper'])"
    )
    assert "sqlalchemy" in loaded
    assert loaded.isdisjoint({"alembic", "numba", "pyarrow", "plotly", "pandas"})


def test_a_notebook_loads_the_compiler_when_it_runs_something() -> None:
    assert loaded_by("import engine.api").isdisjoint({"numba", "pyarrow", "plotly", "pandas"})


def test_what_is_loaded_is_found() -> None:
    assert loaded_by("import rich.table") == {"rich"}


# ── what nobody needs ─────────────────────────────────────────────────────────────────────────


def dead(root: Path) -> list[str]:
    """Return the modules below a folder that nothing imports, starts or names in YAML."""
    files = [path for name in ("engine", "web", "tests") for path in (root / name).rglob("*.py")]
    used = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                used |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
            elif isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used |= set(
                    re.findall(r"(?:engine|tests)[.\w]+", node.value)
                )  # of a verb, a process
    if (root / "Makefile").exists():
        used |= set(re.findall(r"-m (\S+)", (root / "Makefile").read_text(encoding="utf-8")))
    for path in root.glob("conf/**/*.yaml"):
        targets = re.findall(r"_target_: (\S+)", path.read_text(encoding="utf-8"))
        used |= {target.rpartition(".")[0] for target in targets}
    started = re.compile(r"(__init__|__main__|conftest|test_\w+)\.py")
    modules = {".".join(path.relative_to(root).with_suffix("").parts): path for path in files}
    return sorted(
        f"{name}: nothing imports it. Remove it, or use it."
        for name, path in modules.items()
        if not started.fullmatch(path.name) and name not in used
    )


def test_no_module_is_dead() -> None:
    assert not dead(ROOT)


def test_a_dead_module_is_found(tmp_path: Path) -> None:
    planted = {
        "engine/used.py": "",
        "engine/named.py": "",
        "engine/dead.py": "import engine.used",
        "engine/started.py": "",
        "conf/feed/named.yaml": "_target_: engine.named.Named",
        "Makefile": "run:\n\tpython -m engine.started",
    }
    for path, text in planted.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert dead(tmp_path) == ["engine.dead: nothing imports it. Remove it, or use it."]


def test_no_code_is_dead() -> None:
    code, told = _run("vulture")
    assert code == 0, f"Remove it, or name the reason in [tool.vulture].\n{told}"


def test_dead_code_is_found(tmp_path: Path) -> None:
    (_copy(tmp_path) / "engine" / "x.py").write_text("def nobody_calls_this() -> None: ...\n")
    code, told = _run("vulture", folder=tmp_path)
    assert code == 3
    assert "unused function 'nobody_calls_this'" in told


def test_every_dependency_is_declared_and_used() -> None:
    code, told = _run("deptry", ".", "--no-ansi")
    assert code == 0, f"Correct the dependencies in pyproject.toml.\n{told}"


def test_an_undeclared_and_an_unused_dependency_are_found(tmp_path: Path) -> None:
    shutil.rmtree(_copy(tmp_path) / "web")
    (tmp_path / "engine" / "x.py").write_text("import pandas\n")
    code, told = _run("deptry", ".", "--no-ansi", folder=tmp_path)
    assert code == 1
    assert "'pandas' imported but" in told
    assert "'litestar' defined as a dependency but not used" in told
