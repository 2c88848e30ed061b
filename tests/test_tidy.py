"""The style of the repository, as rules that say what to do instead.

A rule reads one file and yields (line, sentence). Beside each stands the text that it must find,
so that a rule which no longer sees anything is seen itself.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400


class Source(NamedTuple):
    """A file of the repository; `path` counts from the root."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def nodes(self) -> tuple[Any, ...]:
        return _nodes(self.text) if self.is_python else ()


Rule = Callable[[Source], Iterator[tuple[int, str]]]

RULES: dict[Rule, list[Source]] = {}


def rule(*planted: tuple[str, str]) -> Callable[[Rule], Rule]:
    """Register a rule with the (path, text) that it must find fault with."""

    def register(function: Rule) -> Rule:
        RULES[function] = [Source(*one) for one in planted]
        return function

    return register


@cache
def _nodes(text: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(text)))


@cache
def tracked() -> tuple[str, ...]:
    """Return the files that are or can be committed, from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(path for path in sorted(listed.stdout.splitlines()) if (ROOT / path).is_file())


@cache
def sources() -> tuple[Source, ...]:
    """Return every tracked file that is text and ours: what is bundled is never changed."""
    found = []
    for path in tracked():
        if path.startswith("web/static/bundled/"):
            continue
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            found.append(Source(path, content.decode("utf-8")))
    return tuple(found)


def _name(node: Any) -> str:
    """Return `a.b.c` of an expression, or an empty text."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@cache
def _imports(source: Source) -> tuple[tuple[int, str], ...]:
    """Return (line, dotted name) of each module or name that a file imports."""
    found = []
    for node in source.nodes:
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return tuple(found)


@cache
def _attributes(source: Source) -> tuple[tuple[int, str], ...]:
    """Return (line, dotted name) of each `a.b.c` of a file."""
    return tuple((n.lineno, _name(n)) for n in source.nodes if isinstance(n, ast.Attribute))


# ── length ────────────────────────────────────────────────────────────────────────────────────


@rule(("engine/x.py", "x = 1  # " + "x" * 100), ("conf/x.yaml", "x" * 101), ("Makefile", "x" * 101))
def lines_fit(source: Source) -> Iterator[tuple[int, str]]:
    if Path(source.path).suffix in (".py", ".yaml", ".yml", ".sh", ".css", ".js", ".toml", ""):
        for number, line in enumerate(source.text.splitlines(), 1):
            if len(line) > COLUMNS_MAX:
                yield number, f"has {len(line)} columns. Break it before column {COLUMNS_MAX + 1}."


@rule(("engine/x.py", "def f():\n" + "    x = 1\n" * 60))
def functions_are_short(source: Source) -> Iterator[tuple[int, str]]:
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                limit = f"at most {FUNCTION_LINES_MAX}"
                yield node.lineno, f"{node.name} has {lines} lines, {limit}. Name its parts."


@rule(("engine/x.py", "x = 1\n" * 401))
def modules_are_short(source: Source) -> Iterator[tuple[int, str]]:
    lines = source.text.count("\n")
    if source.is_python and lines > MODULE_LINES_MAX:
        yield 1, f"has {lines} lines, at most {MODULE_LINES_MAX}. Give a part its own module."


@rule(
    ("a.md", "x"), ("a.md", "x\n\n"), ("a.md", "x \n"), ("a.py", "x\r\n"), ("a.py", "if x:\n\ty\n")
)
def text_is_clean(source: Source) -> Iterator[tuple[int, str]]:
    if source.path.startswith("tests/golden/"):
        return  # is what a program printed
    if source.text and (not source.text.endswith("\n") or source.text.endswith("\n\n")):
        yield source.text.count("\n"), "ends with none or several line ends. Write one."
    for number, line in enumerate(source.text.split("\n"), 1):
        if line != line.rstrip():
            yield number, "ends with a blank. Remove it."
        if "\t" in line and Path(source.path).suffix not in ("", ".mk"):
            yield number, "has a tab. Write blanks."


# ── determinism and safety ────────────────────────────────────────────────────────────────────

_TIME_OF_DAY = r"(datetime\.)*(datetime\.(now|utcnow|today)|date\.today)|time\.(time|time_ns|ctime)"
_STOPWATCH = r"time\.(monotonic|perf_counter|process_time)(_ns)?"
_CHANCE = r"(uuid\.)?uuid[14]|os\.urandom|(np|numpy)\.random\.(?!default_rng|Generator|PCG64)\w+"


@rule(
    ("engine/x.py", "a = datetime.now()"),
    ("engine/x.py", "a = datetime.datetime.utcnow()"),
    ("engine/x.py", "a = time.time_ns"),
    ("engine/x.py", "a = time.monotonic()"),
    ("engine/x.py", "from time import perf_counter"),
    ("tests/x.py", "a = time.time()"),
)
def the_clock_has_one_place(source: Source) -> Iterator[tuple[int, str]]:
    if source.path == "engine/clock.py":
        return
    is_shipped = source.path.startswith(("engine/", "web/"))
    banned = f"{_TIME_OF_DAY}|{_STOPWATCH}" if is_shipped else _TIME_OF_DAY
    for line, name in _imports(source) + _attributes(source):
        if re.fullmatch(banned, name):
            yield line, f"uses {name}. Take the time from an event, or from engine.clock."


@rule(
    ("engine/x.py", "import random"),
    ("engine/x.py", "from random import shuffle"),
    ("engine/x.py", "from uuid import uuid4"),
    ("engine/x.py", "a = uuid.uuid4()"),
    ("engine/x.py", "a = os.urandom(8)"),
    ("engine/x.py", "a = np.random.default_rng()"),
    ("tests/x.py", "import secrets"),
)
def nothing_is_left_to_chance(source: Source) -> Iterator[tuple[int, str]]:
    for line, name in _imports(source) + _attributes(source):
        if re.fullmatch(_CHANCE, name):
            yield line, f"uses {name}. Use np.random.default_rng(seed) instead."
    for line, name in _imports(source):
        is_free = name.startswith("secrets") and source.path.startswith("web/")  # sessions, keys
        if re.match(r"(random|secrets)\b", name) and not is_free:
            yield line, f"imports {name}. Use np.random.default_rng(seed) instead."
    for node in source.nodes:
        if (
            isinstance(node, ast.Call)
            and _name(node.func).endswith("default_rng")
            and not node.args
        ):
            yield node.lineno, "makes a generator without a seed. Give it one."


@rule(("engine/core/x.py", "print(1)"))
def only_verbs_print(source: Source) -> Iterator[tuple[int, str]]:
    shows = source.path.startswith("engine/verbs/") or source.path == "engine/__main__.py"
    is_shipped = source.path.startswith(("engine/", "web/"))
    for node in () if shows or not is_shipped else source.nodes:
        if isinstance(node, ast.Call) and _name(node.func) == "print":
            yield node.lineno, "prints. Return the text; engine/verbs shows it."


@rule(
    ("a.py", "eval('1')"),
    ("a.py", "exec('1')"),
    ("a.py", "import pickle"),
    ("a.py", "from shelve import open"),
    ("a.py", "yaml.load(text)"),
    ("a.py", "OmegaConf.to_yaml(config, resolve=True)"),
)
def nothing_runs_or_shows_what_it_reads(source: Source) -> Iterator[tuple[int, str]]:
    for line, name in _imports(source):
        if name.split(".")[0] in ("pickle", "dill", "marshal", "shelve"):
            yield line, f"imports {name}, which runs what it reads. Use JSON, Parquet or bytes."
    for node in source.nodes:
        if not isinstance(node, ast.Call):
            continue
        if _name(node.func) in ("eval", "exec"):
            yield node.lineno, f"calls {_name(node.func)}(). Import by name, or parse with ast."
        if _name(node.func) == "yaml.load":
            yield node.lineno, "calls yaml.load(). Use yaml.safe_load()."
        if any(k.arg == "resolve" and _is_true(k.value) for k in node.keywords):
            yield node.lineno, "resolves a tree, and with it secrets. Use engine.compose."


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


# ── names and words ───────────────────────────────────────────────────────────────────────────

_LEFT_OVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
_VAGUE = {"util", "utils", "helper", "helpers", "manager", "common", "base", "misc"}
_MACHINE = re.compile(r"(?<![\w.$}/-])/(root|home|work|tmp|mnt|Users)(?![\w-])")
_REGISTRY = re.compile(r"(?<!emit-)\bindex[-_]url\b|find[-]links|/sim[p]le\b|pytho[n]hosted")


@rule(("a.py", "# TO" + "DO: later"), ("docs/a.md", "FIX" + "ME"))
def nothing_is_left_for_later(source: Source) -> Iterator[tuple[int, str]]:
    for line, word in _found(_LEFT_OVER, source):
        yield line, f"has a {word}. Do it now, or write an issue."


@rule(("engine/utils.py", ""), ("tests/common/test_x.py", ""))
def files_are_named_after_what_they_hold(source: Source) -> Iterator[tuple[int, str]]:
    vague = _VAGUE.intersection(source.path.removesuffix(".py").split("/"))
    if source.is_python and vague:
        yield 1, f"is named {', '.join(vague)}. Name the one thing that it holds."


@rule(("Makefile", "/" + "home/me/x"), ("a.py", "x = '/" + "tmp'"), ("a.md", "see /" + "work/x."))
def paths_are_relative(source: Source) -> Iterator[tuple[int, str]]:
    for line, path in _found(_MACHINE, source):
        yield line, f"has the path {path} of one machine. Write it from the root, or use tmp_path."


@rule(("a.lock", "--index" + "-url https://host/x"), ("a.toml", "index_" + 'url = "x"'))
def no_registry_is_named(source: Source) -> Iterator[tuple[int, str]]:
    for line, text in _found(_REGISTRY, source):
        yield line, f"names a package registry ({text}). Leave it to the environment."


@rule(("a.md", "Text first\n"), ("a.md", "# One\n\n# Two\n"))
def markdown_has_one_title(source: Source) -> Iterator[tuple[int, str]]:
    if source.path.endswith(".md"):
        prose = re.sub(r"^```.*?^```", "", source.text, flags=re.MULTILINE | re.DOTALL)
        titles = re.findall(r"^# .+", prose, flags=re.MULTILINE)
        if len(titles) != 1 or not source.text.startswith("# "):
            yield 1, f"has {len(titles)} titles. Begin with one `# Title`, then use ##."


def _found(pattern: re.Pattern[str], source: Source) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(source.text.splitlines(), 1):
        for match in pattern.finditer(line):
            yield number, match[0]


# ── words for the next reader ─────────────────────────────────────────────────────────────────


@rule(
    ("engine/x.py", "x = 1"),
    ("engine/x.py", '"""M."""\ndef f(): ...'),
    ("engine/x.py", '"""M."""\nclass C: ...'),
    ("engine/x.py", '"""M."""\nclass C:\n    """C."""\n    def f(self): ...'),
)
def the_public_is_explained(source: Source) -> Iterator[tuple[int, str]]:
    """Not asked of what its class explains: `step`, `check` and `State` of a user's class."""
    is_shipped = source.path.startswith(("engine/", "web/"))
    if not is_shipped or not source.is_python or not source.text:
        return
    if not ast.get_docstring(source.nodes[0]):
        yield 1, "has no docstring. Say what the module turns into what."
    waiting = [source.nodes[0]]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                if isinstance(node, ast.ClassDef):
                    waiting.append(node)
                if not ast.get_docstring(node) and node.name not in ("step", "check", "State"):
                    yield node.lineno, f"{node.name} has no docstring. Say what it returns or is."


# ── tests ─────────────────────────────────────────────────────────────────────────────────────


@rule(
    ("tests/x.py", "pytest.skip('x')"),
    ("tests/x.py", "@pytest.mark.xfail\ndef test(): ..."),
    ("tests/x.py", "@pytest.mark.skipif(x)\ndef test(): ..."),
    ("tests/x.py", "pytest.importorskip('x')"),
    ("tests/x.py", "assert True"),
    ("tests/x.py", "time.sleep(1)"),
    ("tests/x.py", "from time import sleep"),
)
def each_test_can_fail_and_does_not_wait(source: Source) -> Iterator[tuple[int, str]]:
    if not source.path.startswith("tests/"):
        return
    for line, name in _imports(source) + _attributes(source):
        if re.fullmatch(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)", name):
            yield line, f"uses {name}. Make it run, or remove it."
        if re.fullmatch(r"\w+\.sleep", name) and not _is_polling(source, line):
            yield line, "sleeps. Wait for the thing itself, with a limit."
    for node in source.nodes:
        if isinstance(node, ast.Assert) and _is_true(node.test):
            yield node.lineno, "asserts what is always true. Assert what the test is named after."


def _is_polling(source: Source, line: int) -> bool:
    """Tell whether a line stands in a loop that looks again until what it waits for is there."""
    loops = [node for node in source.nodes if isinstance(node, ast.While)]
    return any(loop.lineno < line <= (loop.end_lineno or 0) for loop in loops)


@rule(
    ("tests/x.py", "from unittest.mock import patch"),
    ("tests/x.py", "from engine import clock\nmonkeypatch.setattr(clock, 'now_ms', f)"),
    ("tests/x.py", "monkeypatch.setattr('engine.clock.now_ms', f)"),
)
def our_own_code_is_not_mocked(source: Source) -> Iterator[tuple[int, str]]:
    if not source.path.startswith("tests/"):
        return
    shipped = ("engine", "web")
    ours = {name.split(".")[-1] for _, name in _imports(source) if name.startswith(shipped)}
    for line, name in _imports(source):
        if name.startswith("unittest.mock"):
            yield line, "imports mocks. Use the real thing, or a small one written for tests."
    for node in source.nodes:
        if isinstance(node, ast.Call) and _name(node.func) == "monkeypatch.setattr":
            target = node.args[0] if node.args else None
            text = str(target.value) if isinstance(target, ast.Constant) else _name(target)
            is_limit = len(node.args) > 1 and ast.unparse(node.args[1]).strip("'").isupper()
            if text.split(".")[0] in {*ours, *shipped} and not is_limit:
                yield node.lineno, f"replaces {text}. Pass what it needs as an argument."


# ── the tests of all of this ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("one", RULES, ids=lambda rule: rule.__name__)
def test_repository_keeps_the_rule(one: Rule) -> None:
    problems = [f"{s.path}:{line}: {sentence}" for s in sources() for line, sentence in one(s)]
    assert not problems, "\n" + "\n".join(problems)


@pytest.mark.parametrize(
    ("one", "planted"),
    [(one, planted) for one, texts in RULES.items() for planted in texts],
    ids=lambda value: getattr(value, "__name__", None) or repr(value.text[:40]),
)
def test_rule_finds_what_is_planted(one: Rule, planted: Source) -> None:
    assert list(one(planted))
