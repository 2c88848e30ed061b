"""What settings may be besides numbers; what they may not be stands in tests/golden/config."""

from engine.compose import compose
from engine.settings import Settings, validate


def settings(*overrides: str) -> Settings:
    return validate(compose(overrides))


def test_a_panel_that_others_may_reach() -> None:
    web = settings(
        "web.host=0.0.0.0",
        "web.hosts=[panel.example]",
        "web.zone=Asia/Shanghai",
        "web.proxy=10.0.0.1",
        "web.language=zh",
        "web.rising=red",
    ).web
    assert (web.hosts, web.proxy, web.zone) == (("panel.example",), "10.0.0.1", "Asia/Shanghai")


def test_nothing_is_told_without_a_port() -> None:
    assert settings("telemetry.port=null", "web.port=0").telemetry.port is None
