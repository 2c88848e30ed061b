"""The documentation is complete and current: what is missing fails, and so does what is stale.

Tables of the guide are compared with the code by their first column. Its examples are run in
tests/test_examples.py.
"""

import ast
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from engine import __main__ as program
from engine import api, errors, failpoint
from engine.compose import compose
from engine.core import indicators
from engine.core.records import Reason, Status
from engine.feeds.generated import generate
from engine.live.outputs import COMMANDS
from engine.research.result import Result
from engine.sections import Common, Gate, Instrument
from engine.store.tables import ACTIONS, tables
from tests.test_tidy import tracked
from web.pages import PAGES as PAGES_OF_PANEL
from web.view import ROLES

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "guide"
PAGES = [ROOT / path for path in tracked() if path.endswith(".md")]
PARTS = {"strategy": "strategies.md", "risk": "rules.md"}


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def blocks(text: str, page: str = "") -> list[Block]:
    """Return the fenced blocks of a text."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [Block(page, language, content) for language, content in found]


def prose(text: str) -> str:
    """Return a text without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def table(text: str, title: str) -> dict[str, str]:
    """Return code → row, for each code in the first column of the tables below a title."""
    part = re.search(rf"(?ms)^##+ {re.escape(title)}\n(.*?)(?=^#|\Z)", prose(text))
    assert part, f"there is no title {title}"
    rows = re.findall(r"^\|(?! *-|\w)[^`\n]*`.*$", part[1], flags=re.MULTILINE)
    return {code: row for row in rows for code in re.findall(r"`([^`]+)`", row.split("|")[1])}


def difference(documented: Iterable[str], actual: Iterable[str]) -> str:
    """Return what is documented and does not exist, and the other way around."""
    documented, actual = set(documented), set(actual)
    missing, stale = sorted(actual - documented), sorted(documented - actual)
    told = [f"not documented: {', '.join(missing)}"] if missing else []
    return "; ".join(told + ([f"no longer there: {', '.join(stale)}"] if stale else []))


def read(page: str) -> str:
    return (GUIDE / page).read_text(encoding="utf-8")


# ── what there is ─────────────────────────────────────────────────────────────────────────────


def _options(group: str) -> list[str]:
    return [path.stem for path in (ROOT / "conf" / group).glob("*.yaml")]


def _groups() -> dict[str, str]:
    found = [path.name for path in (ROOT / "conf").iterdir() if path.is_dir()]
    return {group: " ".join(_options(group)) for group in found if group != "local"}


def _settings() -> dict[str, Any]:
    """Return every key that is set once, such as `costs.taker`, with its default."""
    tree = compose().tree
    found = {"mode.name": tree["mode"]["name"], "plugins": tree["plugins"]}
    for file in ROOT.glob("conf/*/*.yaml"):
        group = file.parent.name
        if group not in (*PARTS, "mode", "experiment", "env", "local"):
            keys = yaml.safe_load(file.read_text(encoding="utf-8"))
            found |= {f"{group}.{k}": tree[group].get(k, v) for k, v in keys.items()}
    return {key: value for key, value in found.items() if not key.endswith("._target_")}


def _errors() -> dict[str, str]:
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: str(c.exit_code) for name, c in classes if issubclass(c, errors.ChanQuantError)}


def _variables() -> set[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "engine").rglob("*.py"))
    return set(re.findall(r"CHANQUANT_[A-Z]+", text))


def _findings() -> set[str]:
    text = "".join((ROOT / f"engine/feeds/{n}.py").read_text() for n in ("files", "quality"))
    return set(re.findall(r"\b(?:_error|found|Finding)\(\s*\"(\w+)\"", text))


def _source(*folders: str) -> str:
    return "".join(p.read_text("utf-8") for f in folders for p in (ROOT / f).rglob("*.py"))


def _sentences(code: str) -> set[str]:
    """Return from each text of a module, but its docstrings, the clause that says what must be."""
    nodes = list(ast.walk(ast.parse(code)))
    parts = [v for n in nodes if isinstance(n, ast.JoinedStr) for v in n.values]
    parts += [n.value for n in nodes if isinstance(n, ast.Expr)]
    found = set()
    for node in nodes:
        whole = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in whole)
        clause = re.search(r"\bmust .*?(?=[.:]| \(|$)", text)
        if clause and node not in parts:
            found.add(clause[0].replace("… …", "…"))
    return found


def _refusals() -> set[str]:
    """Return what the store, the journal and recovery refuse to go on with."""
    live = [f"engine/live/{name}.py" for name in ("recover", "run", "snapshot")]
    files = [*(ROOT / "engine/store").glob("*.py"), *(ROOT / name for name in live)]
    return {s for file in files for s in _sentences(file.read_text(encoding="utf-8"))}


def _kinds() -> set[str]:
    return set(re.findall(r"(?:happening|_say)\(\s*\"(\w+)\"", _source("engine/live")))


def _columns(store: str) -> dict[str, set[str]]:
    return {name: set(table.columns.keys()) for name, table in tables(store).items()}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _verbs() -> set[str]:
    """Return each verb with its words: `data check FILE…`."""
    return {
        f"{name} {words}".strip()
        for name, verb in program.VERBS.items()
        for words in verb.words.split(" | ")
    }


def _indicators() -> set[str]:
    functions = inspect.getmembers(indicators, inspect.isfunction)
    calls = {f"{name}({', '.join(inspect.signature(f).parameters)})" for name, f in functions}
    return calls | {*indicators.__all__} - {name for name, _ in functions} - {"UNKNOWN"}


@pytest.mark.parametrize(
    ("page", "title", "actual"),
    [
        ("commands.md", "Verbs", _verbs),
        ("commands.md", "Flags", lambda: set(program.FLAGS)),
        ("commands.md", "Exit codes", lambda: re.findall(r"\d+", program.EXIT_CODES)),
        ("commands.md", "Errors", _errors),
        ("commands.md", "Environment variables", _variables),
        ("configuration.md", "Groups", _groups),
        ("configuration.md", "Several instances", lambda: Common.model_fields),
        ("configuration.md", "Settings", lambda: {*_settings(), *Instrument.model_fields}),
        ("gate.md", "Targets", lambda: {f"gate.{key}" for key in Gate.model_fields}),
        ("strategies.md", "Shipped strategies", lambda: _options("strategy")),
        ("strategies.md", "Indicators", _indicators),
        ("rules.md", "Shipped rules", lambda: _options("risk")),
        ("fills.md", "Reasons", lambda: {r.name.lower() for r in Reason} - {"none", "rule"}),
        ("fills.md", "Statuses", lambda: {s.name.lower() for s in Status}),
        ("running.md", "Commands", lambda: COMMANDS),
        ("running.md", "Events", _kinds),
        ("store.md", "engine.db", lambda: tables("engine")),
        ("store.md", "panel.db", lambda: tables("panel")),
        ("panel.md", "Pages", lambda: [page.path for page in PAGES_OF_PANEL]),
        ("panel.md", "Actions", lambda: ACTIONS),
        ("panel.md", "Accounts", lambda: ROLES),
        ("data.md", "Check", _findings),
        ("development.md", "Make targets", targets),
        ("development.md", "Failpoints", lambda: failpoint.NAMES),
    ],
)
def test_table_is_complete(page: str, title: str, actual: Any) -> None:
    wrong = difference(table(read(page), title), actual())
    assert not wrong, f"docs/guide/{page}, {title}: {wrong}"


@pytest.mark.parametrize("group", PARTS)
def test_parameters_and_reasons_are_documented(group: str) -> None:
    rows = table(read(PARTS[group]), f"Shipped {PARTS[group].removesuffix('.md')}")
    for name in _options(group):
        text = (ROOT / "conf" / group / f"{name}.yaml").read_text(encoding="utf-8")
        parameters = set(yaml.safe_load(text)[name]) - {"_target_", *Common.model_fields}
        missing = [word for word in parameters if f"`{word}`" not in rows[name]]
        assert not missing, f"docs/guide/{PARTS[group]}, {name}: not documented: {missing}"


def test_options_codes_and_defaults_are_in_their_rows() -> None:
    rows = table(read("configuration.md"), "Groups")
    for group, options in _groups().items():
        shown = re.findall(r"`([^`]+)`", rows[group].split("|")[2])
        assert not difference(shown, options.split()), group
    rows = table(read("commands.md"), "Errors")
    assert all(f"| `{code}` |" in rows[name] for name, code in _errors().items())
    rows = table(read("configuration.md"), "Settings")
    for key, default in _settings().items():
        shown = re.findall(r"`([^`]+)`", rows[key].split("|")[2])
        assert yaml.safe_load(shown[0]) == default, key


@pytest.mark.parametrize("store", ["engine", "panel"])
def test_columns_of_the_store_are_documented(store: str) -> None:
    rows, everywhere = table(read("store.md"), f"{store}.db"), table(read("store.md"), "Columns")
    for name, columns in _columns(store).items():
        told = set(re.findall(r"`(\w+)`", rows[name].split("|", 2)[2]))
        missing, stale = columns - told - everywhere.keys(), told - columns
        assert not missing, f"docs/guide/store.md, {name}: not documented: {missing}"
        assert not stale, f"docs/guide/store.md, {name}: no longer there: {stale}"
    assert everywhere.keys() <= set().union(*_columns("engine").values())


def test_every_strategy_has_its_figures() -> None:
    text, told = read("shipped-strategies.md"), set(_options("strategy")) - {"external"}
    markets = [title for marks, title in titles_of(text) if marks == "###"]
    assert markets
    for market in markets:
        wrong = difference(table(text, market), told)
        assert not wrong, f"docs/guide/shipped-strategies.md, {market}: {wrong}"


def test_every_refusal_has_a_heading() -> None:
    titles = {title.strip("`") for marks, title in titles_of(read("recovery.md")) if marks == "###"}
    wrong = difference(titles, _refusals())
    assert not wrong, f"docs/guide/recovery.md: {wrong}"


def test_a_refusal_is_read() -> None:
    code = "x = f'{path}: must have {n} rows, was {m} ({why}). Restore it.'; 'it must be'"
    assert _sentences(code) == {"must have … rows, was …"}


def test_a_gap_and_a_leftover_are_found() -> None:
    page = (
        "# A\n\n## Verbs\n\n| Verb | Does |\n|---|---|\n| `run` `old` | `x` |\n\n## B\n\n| `z` |\n"
    )
    assert list(table(page, "Verbs")) == ["run", "old"]
    told = difference(table(page, "Verbs"), ["run", "new"])
    assert told == "not documented: new; no longer there: old"


# ── results ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def result() -> Result:
    """Return a small backtest on generated bars."""
    bars = {"BTC/USDT": generate("BTC/USDT", 2_000, 60_000, 1)}
    small: Result = api.backtest(api.compose(["strategy=[ema_cross]"]), bars)
    return small


@pytest.mark.parametrize("title", ["trades.parquet", "orders.parquet", "equity.parquet"])
def test_columns_are_documented(title: str, result: Result) -> None:
    columns = getattr(result, title.removesuffix(".parquet")).column_names
    assert not difference(table(read("results.md"), title), columns)


def test_fields_and_statistics_are_documented(result: Result) -> None:
    assert not difference(table(read("results.md"), "result.json"), result.document())
    assert not difference(table(read("results.md"), "Statistics"), result.stats)


def test_files_are_documented(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "run", png=True)
    written = [path.name for path in (tmp_path / "run").iterdir()]
    assert not difference(table(read("results.md"), "Files"), written)


# ── tree, links, languages ────────────────────────────────────────────────────────────────────


def entries(tree: str) -> set[str]:
    """Return the paths of a tree of two levels."""
    found, folder = set(), ""
    for line in tree.splitlines():
        folder = folder if line.startswith(" ") else ""
        found.add(folder + line.split()[0])
        folder = folder or line.split()[0]
    return found


def _places() -> set[str]:
    """Return what stands at the root and in engine, without files whose names begin with a dot."""
    found = set()
    for path in map(Path, tracked()):
        if not path.name.startswith(("__init__", ".", "py.typed")) and path.parts[0][0] != ".":
            for depth in (1, 2) if path.parts[0] == "engine" else (1,):
                name = "/".join(path.parts[:depth])
                found.add(name if len(path.parts) <= depth else f"{name}/")
    return found


def test_the_tree_is_current() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (tree,) = [block.text for block in blocks(text) if block.language == "text"]
    wrong = difference(entries(tree), _places())
    assert not wrong, f"README.md, Tree: {wrong}"


def test_a_tree_is_read() -> None:
    assert entries("a/  x\n  b.py  y\n  c/\nd\n") == {"a/", "a/b.py", "a/c/", "d"}


def titles_of(text: str) -> list[tuple[str, str]]:
    """Return (marks, words) of each title."""
    return re.findall(r"^(#+) (.+)", prose(text), flags=re.MULTILINE)


def slug(title: str) -> str:
    """Return the anchor of a title, as it is made on code hosts."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def dead_links(page: Path) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    text = prose(page.read_text("utf-8"))
    found = []
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#]*)(?:#([^)]*))?\)", text):
        file = (page.parent / target) if target else page
        titles = (
            titles_of(file.read_text("utf-8")) if file.suffix == ".md" and file.is_file() else []
        )
        if not file.exists() or (anchor and anchor not in [slug(title) for _, title in titles]):
            found.append(f"{target}#{anchor}" if anchor else target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not dead_links(page)


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# B\n\n## A title!\n")
    (tmp_path / "a.md").write_text(
        "[x](b.md) [x](b.md#a-title) [x](b.md#c) [x](c.md) [x](http://a)\n"
    )
    assert dead_links(tmp_path / "a.md") == ["b.md#c", "c.md"]


def test_every_page_of_the_guide_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"(docs/guide/{page.name})" in text for page in GUIDE.glob("*.md"))


def test_documents_named_in_the_code_exist() -> None:
    for path in (ROOT / "engine").rglob("*.py"):
        for name in re.findall(r"docs/[\w/.-]+\.md", path.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{path.relative_to(ROOT)} names {name}"


def test_both_readmes_have_the_same_shape() -> None:
    english, chinese = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")
    )
    assert blocks(english) == blocks(chinese)
    links = r"\]\(([^)]+)\)"
    assert re.findall(links, english) == re.findall(links, chinese)
    assert [marks for marks, _ in titles_of(english)] == [marks for marks, _ in titles_of(chinese)]
