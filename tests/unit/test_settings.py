"""From a tree to settings and a portfolio: every shipped option, every kind of parameter, secrets.

What is said about wrong values stands word for word in tests/golden/config.
"""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.compose import compose
from engine.core.compile.declare import Part
from engine.core.portfolio import Instrument, Portfolio
from engine.core.records import FillOn, Sizing
from engine.errors import ConfigError
from engine.feeds.synthetic import Synthetic
from engine.feeds.tape import Tape
from engine.secret import Secret
from engine.settings import Settings, build, validate
from engine.venues.simulated import Simulated

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "conf").glob("*/*.yaml"))
PARTS = [file for file in FILES if file.parent.name in ("strategy", "risk")]
NEEDED = {  # by an option, beside its choice
    "feed=journal": ["feed.run=any"],
    "sizing=risk": ["strategy.ema_cross.exits.stop_loss=0.01"],
    "strategy=[pairs]": ["universe.symbols=[ETH/USDT,BTC/USDT]"],
}
QUOTED = ("cash", "notional_min", "notional_max", "start", "end")  # money and times

COMMAND = [
    "universe.symbols=[BTC/USD]",
    "feed=tape",
    "feed.files={BTC/USD: ../shared/data/ohlcv/bitfinex_spot_BTCUSD_1m_2018.parquet}",
    "feed.timeframe=1m",
    "strategy=[ema_cross]",
    "strategy.ema_cross.timeframe=1m",
    "strategy.ema_cross.fast=10",
    "strategy.ema_cross.slow=30",
    "sizing=fixed",
    "sizing.quantity=1",
    "costs.taker=0.001",
    "costs.maker=0.001",
    "costs.slippage_bps=0",
    'account.cash="1000000"',
    "risk=[]",
]

ALL_KINDS = """
from typing import Annotated, Literal

from annotated_types import Ge, Lt
from pydantic import Field

from engine.core.compile.declare import Strategy
from engine.core.money import Money
from engine.secret import Secret


class AllKinds(Strategy):
    whole: Annotated[int, Ge(1), Lt(10)] = 5
    number: Annotated[float, Field(gt=0)] = 0.5
    flag: bool = False
    needed: str
    word: Literal["slow", "quick"] = "slow"
    amount: Money = 5.0
    names: list[str] = []
    weights: dict[str, float] = {}
    maybe: int | None = None
    either: int | str = 1
    copy: int = 1
    token: Secret | None = None

    def step(p, s, bar, out):
        return
"""

Write = Callable[[str, str], None]


def settings(*overrides: str) -> Settings:
    return validate(compose(overrides))


def portfolio(*overrides: str) -> Portfolio:
    return build(settings(*overrides))


def option(file: Path) -> str:
    """Return the override that chooses a file of conf, without what it needs besides."""
    group = file.parent.name
    return f"{group}=[{file.stem}]" if group in ("strategy", "risk") else f"{group}={file.stem}"


# ── what is shipped ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_option_composes_validates_and_builds(file: Path) -> None:
    composed = compose([option(file), *NEEDED.get(option(file), ())])
    assert composed.problems == ()
    built = build(validate(composed))
    assert built.instances
    if file.parent.name == "strategy":
        assert [instance.name for instance in built.instances] == [file.stem]
    if file.parent.name == "risk":
        assert [name for name, _ in built.rules] == [file.stem]


@pytest.mark.parametrize("file", PARTS, ids=lambda file: file.stem)
def test_shipped_values_are_those_of_the_class(file: Path) -> None:
    made = settings(option(file), *NEEDED.get(option(file), ()))
    part: Part = (
        made.risk[file.stem] if file.parent.name == "risk" else made.strategy[file.stem].strategy
    )
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))[file.stem]
    assert type(part).parameters().keys() <= declared.keys()
    for name in type(part).parameters():
        assert getattr(part, name) == getattr(type(part), name, getattr(part, name))


def test_all_strategies_and_rules_trade_together() -> None:
    names = {
        group: ",".join(f.stem for f in PARTS if f.parent.name == group)
        for group in ("strategy", "risk")
    }
    needed = NEEDED["strategy=[pairs]"]
    built = portfolio(*(f"{group}=[{names[group]}]" for group in names), *needed)
    assert len(built.instances) + len(built.rules) == len(PARTS)


@pytest.mark.parametrize(
    "file", sorted((ROOT / "conf/experiment").glob("*.yaml")), ids=lambda f: f.stem
)
def test_experiment_begins_with_its_command(file: Path) -> None:
    head = file.read_text(encoding="utf-8").splitlines()[:2]
    assert head == ["# @package _global_", f"# chanquant backtest experiment={file.stem}"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_money_and_times_are_quoted(file: Path) -> None:
    for key, value in scalars(yaml.compose(file.read_text(encoding="utf-8"))):
        if key in QUOTED and value.value != "null":
            assert value.style == '"', f"{file.name}: {key}"


def scalars(node: yaml.Node | None) -> Iterator[tuple[str, yaml.ScalarNode]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(value, yaml.ScalarNode):
                yield key.value, value
            yield from scalars(value)


# ── from settings to what the core trades ─────────────────────────────────────────────────────


def test_command_of_the_readme() -> None:
    exits = "strategy.ema_cross.exits"
    built = portfolio(*COMMAND, f"{exits}.stop_loss=0.005", f"{exits}.take_profit=0.01")
    instance = built.instances[0]
    assert built.instruments == (Instrument("BTC/USD"),)
    assert built.rules == ()
    assert (built.cash, built.taker, built.slippage) == (1_000_000.0, 0.001, 0.0)
    assert built.fill_on == FillOn.NEXT
    assert (instance.symbols, instance.span) == (("BTC/USD",), 60_000)
    assert (instance.sizing, instance.quantity) == (Sizing.FIXED, 1.0)
    assert (instance.stop_loss, instance.take_profit) == (0.005, 0.01)
    assert vars(instance.strategy) == {"fast": 10, "slow": 30}
    assert portfolio(*COMMAND).instances[0].stop_loss == 0.0


def test_instance_keys_win_over_common_ones() -> None:
    built = portfolio(
        "universe.symbols=[BTC/USDT,ETH/USDT]",
        "strategy=[ema_cross,buy_and_hold]",
        "strategy.ema_cross.symbols=[ETH/USDT]",
        "strategy.ema_cross.timeframe=1h",
        "strategy.ema_cross.sizing={kind: fixed, quantity: 3}",
        "sizing.ratio=0.4",
        "execution.fill_on=close",
        "costs.slippage_bps=2.5",
    )
    own, shared = built.instances
    assert (own.symbols, own.span) == (("ETH/USDT",), 3_600_000)
    assert (own.sizing, own.quantity, own.ratio) == (Sizing.FIXED, 3.0, 0.0)
    assert (shared.symbols, shared.span) == (("BTC/USDT", "ETH/USDT"), 60_000)
    assert (shared.sizing, shared.ratio, shared.reserve_ratio) == (Sizing.EQUITY, 0.4, 0.005)
    assert (built.fill_on, built.slippage) == (FillOn.CLOSE, 0.00025)


def test_the_venue_is_handed_to_the_core() -> None:
    built = portfolio("venue.latency_ms=250", "venue.rejection_ratio=0.1", "venue.seed=7")
    assert (built.latency, built.rejection, built.seed) == (250, 0.1, 7)
    assert portfolio().rejection == 0.0


def test_a_mode_picks_feed_and_venue_and_the_command_line_wins() -> None:
    paper = settings("mode=paper")
    assert (type(paper.feed), type(paper.venue)) == (Synthetic, Simulated)
    assert type(settings("mode=backtest").feed) is Tape
    typed = settings("feed=synthetic", "mode=backtest", "feed.seed=3")
    assert (typed.mode.name, typed.feed.seed) == ("backtest", 3)


def test_the_journal_is_looked_for_where_the_store_is() -> None:
    made = settings("feed=journal", "feed.run=any", "store.directory=elsewhere")
    assert (made.feed.run, made.feed.directory) == ("any", "elsewhere")


def test_instruments_and_currency() -> None:
    grid = '{tick: 0.1, lot: 0.001, notional_min: "10", contract_size: 2, quote: EUR}'
    made = settings("universe.symbols=[ODD]", f"universe.instruments={{ODD: {grid}}}")
    assert made.account.currency == "EUR"
    assert build(made).instruments == (Instrument("ODD", 0.1, 0.001, 10.0, 2.0),)
    assert settings("universe.symbols=[BTC/USDC]").account.currency == "USDC"


def test_money_takes_quoted_and_whole_numbers() -> None:
    assert settings('account.cash="0.10"').account.cash == 0.10
    assert settings("account.cash=5000").account.cash == 5000.0
    with pytest.raises(ConfigError):
        settings("account.cash=5000.0")


def test_settings_carry_their_masked_text_and_hash() -> None:
    made = settings("costs.taker=0.002")
    assert yaml.safe_load(made.masked_yaml)["costs"]["taker"] == 0.002
    assert made.config_hash != settings().config_hash


# ── users' parts ──────────────────────────────────────────────────────────────────────────────


def test_every_kind_of_parameter(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")
    write("kinds/__init__.py", "")
    write("kinds/all_kinds.py", ALL_KINDS)
    write(
        "conf/strategy/mine.yaml",
        "mine:\n  _target_: kinds.all_kinds.AllKinds\n  whole: 9\n  number: 3\n  flag: true\n"
        "  needed: text\n  word: quick\n  amount: '7.5'\n  names: [a, b]\n  weights: {a: 1}\n"
        "  copy: 2\n  token: ${secret:TOKEN}\n",
    )
    part: Any = settings("plugins=[kinds]", "strategy=[mine]").strategy["mine"].strategy
    assert (part.whole, part.number, part.flag, part.needed) == (9, 3.0, True, "text")
    assert (part.word, part.amount, part.names, part.weights) == (
        "quick",
        7.5,
        ["a", "b"],
        {"a": 1},
    )
    assert (part.maybe, part.copy, part.token.reveal()) == (None, 2, "hunter2")


def test_every_wrong_parameter_is_named(write: Write) -> None:
    write("wrong_kinds.py", ALL_KINDS)
    write(
        "conf/strategy/mine.yaml",
        "mine:\n  _target_: wrong_kinds.AllKinds\n  whole: 10\n"
        "  number: 0\n  flag: 1\n  word: medium\n  amount: 7.5\n  names: a\n  weights: {a: b}\n"
        "  maybe: 1.5\n  either: [1]\n  wohle: 3\n  symbols: [ETH/USDT]\n",
    )
    with pytest.raises(ConfigError) as raised:
        settings("plugins=[wrong_kinds]", "strategy=[mine]")
    named = [problem.split(": ")[0].split(".mine.")[1] for problem in raised.value.problems]
    assert named == [
        "whole",
        "number",
        "flag",
        "needed",
        "word",
        "amount",
        "names",
        "weights.a",
        "maybe",
        "either",
        "either",
        "wohle",
    ]


def test_second_file_of_one_class_is_an_instance_of_its_own(write: Write) -> None:
    target = "_target_: engine.strategies.ema_cross.EmaCross"
    write("elsewhere/strategy/ema_fast.yaml", f"ema_fast:\n  {target}\n  fast: 2\n  slow: 3\n")
    composed = compose(["strategy=[ema_cross,ema_fast]"], Path("elsewhere"))
    built = build(validate(composed))
    assert [(i.name, vars(i.strategy)["fast"]) for i in built.instances] == [
        ("ema_cross", 12),
        ("ema_fast", 2),
    ]


def test_plugins_beside_a_config_dir_are_found(write: Write) -> None:
    write("desk/conf/local/default.yaml", "# @package _global_\n\nplugins: [beside]\n")
    write("desk/conf/strategy/mine.yaml", "mine: {_target_: beside.AllKinds, needed: x}\n")
    write("desk/beside.py", ALL_KINDS)
    composed = compose(["strategy=[mine]"], Path("desk/conf"))
    assert [instance.name for instance in build(validate(composed)).instances] == ["mine"]


def test_what_is_not_listed_is_never_imported(write: Write, project: Path) -> None:
    write("unlisted.py", "from pathlib import Path\nPath('ran').touch()\n")
    write("conf/strategy/one.yaml", "one: {_target_: unlisted.Strategy}\n")
    write(
        "conf/strategy/two.yaml",
        "two: {_target_: pathlib.Path.write_text, self: ran, data: oops}\n",
    )
    before = list(sys.path)
    with pytest.raises(ConfigError) as raised:
        settings("strategy=[one,two]")
    assert len(raised.value.problems) == 2
    assert not (project / "ran").exists()
    assert "unlisted" not in sys.modules
    assert sys.path == before


def test_installed_program_finds_its_conf_inside_itself(project: Path) -> None:
    shutil.copytree(ROOT / "engine", "site/engine", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "conf", "site/engine/conf")
    (project / "mine").mkdir()
    program = (
        "import sys; from engine.compose import compose; from engine.settings import validate;"
        "composed = compose(['plugins=[mine]']); validate(composed);"
        "print(composed.origin(('costs', 'taker')), *(p for p in sys.path if p.endswith('engine')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": "site"},
    )
    assert ran.stdout == "site/engine/conf/costs/default.yaml:1\n"


# ── secrets ───────────────────────────────────────────────────────────────────────────────────


def test_secret_is_a_credential_then_a_file_then_the_environment(
    write: Write, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = Secret("TOKEN")
    with pytest.raises(LookupError, match="var/secrets/TOKEN"):
        secret.read()
    monkeypatch.setenv("TOKEN", "from the environment")
    assert secret.read().reveal() == "from the environment"
    write("var/secrets/TOKEN", "from a file\n")
    assert secret.read().reveal() == "from a file"
    write("kept/TOKEN", "from the named folder\r\n")
    monkeypatch.setenv("CHANQUANT_SECRETS", "kept")
    assert secret.read().reveal() == "from the named folder"
    write("credentials/TOKEN", " from systemd ")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(project / "credentials"))
    assert secret.read().reveal() == " from systemd "


def test_secret_never_shows_itself() -> None:
    secret = Secret("TOKEN", "hunter2")
    rebuilt, arguments = secret.__reduce__()
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{[secret]}",
        rebuilt(*arguments),
    ]
    assert "hunter2" not in "".join(shown)
    assert copy.deepcopy(secret).reveal() == "hunter2"
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_unreadable_secret_says_so(write: Write, project: Path) -> None:
    (project / "var/secrets").mkdir(parents=True)
    (project / "var/secrets/TOKEN").write_bytes(b"\xff\xfe")
    with pytest.raises(LookupError, match="must be readable text"):
        Secret("TOKEN").read()


def test_settings_hold_no_text_of_a_secret(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")
    write("shy.py", ALL_KINDS)
    write(
        "conf/strategy/mine.yaml",
        "mine: {_target_: shy.AllKinds, needed: x, token: '${secret:TOKEN}'}\n",
    )
    made = settings("plugins=[shy]", "strategy=[mine]")
    part = made.strategy["mine"].strategy
    assert "hunter2" not in f"{made!r} {vars(part)} {made.masked_yaml} {build(made)!r}"
    assert "token: '***'" in made.masked_yaml
