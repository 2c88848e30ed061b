"""From files and overrides to one tree: which file wins, and where each value comes from."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from engine.compose import compose, config_hash, masked_yaml
from engine.errors import ConfigError
from engine.secret import Secret

ROOT = Path(__file__).parents[2]
OVERLAY = "# @package _global_\n\n"

Write = Callable[[str, str], None]


def test_first_folder_that_has_a_file_wins(write: Write) -> None:
    assert compose().tree["costs"]["taker"] == 0.001
    write("conf/costs/default.yaml", "{taker: 0.2, maker: 0.0, slippage_bps: 0.0}\n")
    assert compose().tree["costs"]["taker"] == 0.2
    write("elsewhere/costs/default.yaml", "{taker: 0.3, maker: 0.0, slippage_bps: 0.0}\n")
    assert compose().tree["costs"]["taker"] == 0.2
    assert compose([], Path("elsewhere")).tree["costs"]["taker"] == 0.3


def test_each_folder_adds_options(write: Write) -> None:
    write("conf/costs/cheap.yaml", "{taker: 0.1, maker: 0.0, slippage_bps: 0.0}\n")
    write("elsewhere/costs/dear.yaml", "{taker: 0.4, maker: 0.0, slippage_bps: 0.0}\n")
    chosen = {
        name: compose([f"costs={name}"], Path("elsewhere")).tree["costs"]["taker"]
        for name in ("free", "cheap", "dear")
    }
    assert chosen == {"free": 0.0, "cheap": 0.1, "dear": 0.4}


def test_overlays_win_in_the_order_local_experiment_env_command_line(write: Write) -> None:
    write(
        "conf/local/default.yaml", f"{OVERLAY}costs: {{taker: 0.1, maker: 0.1, slippage_bps: 1}}\n"
    )
    write("conf/experiment/one.yaml", f"{OVERLAY}costs: {{taker: 0.2, maker: 0.2}}\n")
    write("conf/env/here.yaml", f"{OVERLAY}costs: {{taker: 0.3}}\n")
    chosen = {"taker": 0.1, "maker": 0.1, "slippage_bps": 1}
    assert compose().tree["costs"].items() >= chosen.items()
    both = compose(["experiment=one", "env=here"]).tree["costs"]
    assert both.items() >= {"taker": 0.3, "maker": 0.2, "slippage_bps": 1}.items()
    assert compose(["costs.taker=0.4", "env=here"]).tree["costs"]["taker"] == 0.4


def test_experiment_chooses_files_over_local_and_the_command_line_over_both(write: Write) -> None:
    defaults = "defaults:\n  - override /strategy: [{}]\n  - _self_\n"
    write("conf/local/default.yaml", OVERLAY + defaults.format("buy_and_hold"))
    write("conf/experiment/one.yaml", OVERLAY + defaults.format("external"))
    assert list(compose().tree["strategy"]) == ["buy_and_hold"]
    assert list(compose(["experiment=one"]).tree["strategy"]) == ["external"]
    typed = compose(["experiment=one", "strategy=[ema_cross]"])
    assert list(typed.tree["strategy"]) == ["ema_cross"]


def test_list_order_is_kept_and_an_empty_list_leaves_nothing() -> None:
    assert list(compose(["risk=[stale_price,order_notional]"]).tree["risk"]) == [
        "stale_price",
        "order_notional",
    ]
    assert "risk" not in compose(["risk=[]"]).tree


def test_colon_of_a_symbol_is_escaped() -> None:
    typed = [r"universe.symbols=[BTC/USDT\:USDT]", r"feed.files={BTC/USDT\:USDT: a.parquet}"]
    composed = compose(typed)
    assert composed.problems == ()
    assert composed.tree["universe"]["symbols"] == ["BTC/USDT:USDT"]
    assert composed.tree["feed"]["files"] == {"BTC/USDT:USDT": "a.parquet"}


def test_refused_override_is_dropped_and_the_others_hold() -> None:
    composed = compose(["costs.taker=0.5", "costs.tacker=1", "costs=nothing", "feed.timeframe=5m"])
    assert len(composed.problems) == 2
    assert composed.tree["costs"]["taker"] == 0.5
    assert composed.tree["feed"]["timeframe"] == "5m"


def test_refused_map_leaves_no_trace() -> None:
    composed = compose(["sizing={kind: fixed, quantty: 2}", "costs.taker.deep=1"])
    assert len(composed.problems) == 2
    assert composed.tree["sizing"] == compose().tree["sizing"]
    assert composed.tree["costs"] == compose().tree["costs"]


def test_choice_may_need_one_that_is_typed_later(write: Write) -> None:
    write("conf/mode/other.yaml", f"{OVERLAY}defaults:\n  - /venue: none\n  - _self_\n")
    write("conf/venue/none.yaml", "kind: none\n")
    write("conf/venue/some.yaml", "kind: some\n")
    composed = compose(["venue=some", "mode=other", "feed=nothing"])
    assert [problem.split(":")[0] for problem in composed.problems] == ["feed=nothing"]
    assert composed.tree["venue"] == {"kind": "some"}


def test_unreadable_root_file_ends_composing_with_its_place(write: Write) -> None:
    write("conf/config.yaml", "defaults:\n  - mode: [\n")
    with pytest.raises(ConfigError) as raised:
        compose(["a=1,2"])
    assert len(raised.value.problems) == 2
    assert raised.value.problems[1].startswith("conf/config.yaml:3: must be YAML")


def test_interpolations_are_resolved(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANQUANT_TEST_FOLDER", "bars")
    write(
        "conf/local/default.yaml",
        f"{OVERLAY}feed:\n  path: ${{oc.env:CHANQUANT_TEST_FOLDER}}/x.csv\n"
        "costs:\n  maker: ${costs.taker}\nreport: ${oc.dict.values:costs}\n",
    )
    composed = compose()
    assert composed.problems == ()
    assert composed.tree["feed"]["path"] == "bars/x.csv"
    assert composed.tree["costs"]["maker"] == 0.001
    assert composed.tree["report"][:3] == [0.001, 0.001, 1.0]


# ── provenance ────────────────────────────────────────────────────────────────────────────────


def test_origin_is_the_line_of_the_last_file_that_sets_a_value(write: Write) -> None:
    write("conf/costs/default.yaml", "taker: 0.1\nmaker: 0.1\n\nslippage_bps: 0.0\n")
    write(
        "conf/experiment/one.yaml", f"{OVERLAY}costs:\n  maker: 0.2\nuniverse:\n  symbols: [A/B]\n"
    )
    composed = compose(["experiment=one"])
    assert composed.origin(("costs", "taker")) == "conf/costs/default.yaml:1"
    assert composed.origin(("costs", "slippage_bps")) == "conf/costs/default.yaml:4"
    assert composed.origin(("costs", "maker")) == "conf/experiment/one.yaml:4"
    assert composed.origin(("universe", "symbols", 0)) == "conf/experiment/one.yaml:6"
    shipped = ROOT / "conf/strategy/ema_cross.yaml"
    assert composed.origin(("strategy", "ema_cross", "fast")) == f"{shipped}:15"
    assert composed.origin(("strategy", "ema_cross")) == f"{shipped}:1"


def test_origin_is_the_override_as_typed() -> None:
    sizing = "strategy.ema_cross.sizing={kind: fixed, quantity: 2}"
    typed = ["costs.taker=0.10", "++costs.maker=0", "universe.symbols=[ETH/USDT]", sizing]
    composed = compose(typed)
    assert composed.origin(("costs", "taker")) == "costs.taker=0.10"
    assert composed.origin(("costs", "maker")) == "++costs.maker=0"
    assert composed.origin(("universe", "symbols")) == "universe.symbols=[ETH/USDT]"
    assert composed.origin(("universe", "symbols", 0)) == "universe.symbols=[ETH/USDT]"
    assert composed.origin(("strategy", "ema_cross", "sizing", "quantity")) == sizing
    exits = "strategy.ema_cross.exits={stop_loss: 0.1}"
    composed = compose([exits])
    assert composed.origin(("strategy", "ema_cross", "exits", "stop_loss")) == exits
    assert composed.origin(("strategy", "ema_cross", "exits", "take_profit")) != exits


def test_every_value_has_an_origin() -> None:
    composed = compose(["experiment=example", "env=ci", "costs.taker=0"])
    for group, keys in composed.tree.items():
        for key in keys if isinstance(keys, dict) else ():
            assert composed.origin((group, key)), f"{group}.{key}"


# ── secrets and hash ──────────────────────────────────────────────────────────────────────────


def test_secrets_stay_names_and_are_masked(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")
    write("conf/local/default.yaml", f"{OVERLAY}report:\n  directory: ${{secret:TOKEN}}\n")
    composed = compose()
    secret = composed.tree["report"]["directory"]
    assert isinstance(secret, Secret)
    with pytest.raises(LookupError):
        secret.reveal()
    assert yaml.safe_load(masked_yaml(composed))["report"]["directory"] == "***"


def test_masked_text_composes_to_the_same_tree() -> None:
    composed = compose(["experiment=example", 'account.cash="0.10"'])
    assert yaml.safe_load(masked_yaml(composed)) == composed.tree


def test_hash_follows_values_and_the_order_of_parts_only(write: Write) -> None:
    plain = config_hash(compose())
    assert plain == config_hash(compose(["costs=default", "costs.taker=0.001"]))
    assert plain != config_hash(compose(["costs.taker=0.002"]))
    one, other = "risk=[stale_price,position_size]", "risk=[position_size,stale_price]"
    assert config_hash(compose([one])) != config_hash(compose([other]))
    shipped = yaml.safe_load((ROOT / "conf/costs/default.yaml").read_text(encoding="utf-8"))
    backwards = dict(reversed(shipped.items()))
    write("conf/costs/default.yaml", yaml.safe_dump(backwards, sort_keys=False))
    assert plain == config_hash(compose())
    assert len(plain) == 64


def test_hydra_is_left_as_it_was_found() -> None:
    for overrides in ([], ["feed=nothing"], ["costs.taker=1,2"], ["experiment=example"]):
        compose(overrides)
        assert not GlobalHydra.instance().is_initialized()
    assert compose().tree == compose().tree
