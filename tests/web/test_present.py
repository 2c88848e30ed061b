"""Figures, times and words as people see them."""

from decimal import Decimal
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined

from tests.web.conftest import Panel
from web import present, reader
from web.view import Reader

ENVIRONMENT = Environment(autoescape=True, undefined=StrictUndefined)
present.install(ENVIRONMENT)

WINTER = 1_704_067_200_000  # 2024-01-01T00:00:00Z
ENGLISH = Reader()
SHANGHAI = Reader("zh", "Asia/Shanghai")


def drawn(template: str, shown_to: Reader = ENGLISH, **context: Any) -> str:
    return ENVIRONMENT.from_string(template).render(context, reader=shown_to)


@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        ("money", Decimal("12345.6"), "12,345.60"),
        ("money", -0.004, "0.00"),
        ("money", -3.1, "−3.10"),
        ("signed_money", 12.4, "+12.40"),
        ("signed_money", Decimal("-1234.567"), "−1,234.57"),
        ("signed_money", 0, "0.00"),
        ("price", Decimal("60000.10"), "60,000.10"),
        ("price", Decimal("1E-8"), "0.00000001"),
        ("price", Decimal("1E+3"), "1,000"),
        ("price", Decimal("60000.0"), "60,000"),
        ("price", Decimal("0.0"), "0"),
        ("price", 0.1 + 0.2, "0.3"),
        ("price", 1e-05, "0.00001"),
        ("price", 123456789.123, "123,456,790"),
        ("quantity", Decimal("-0.420"), "−0.420"),
        ("quantity", Decimal("113.25597557577883"), "113.25598"),
        ("quantity", Decimal("1234.56789012"), "1,234.56789012"),
        ("signed_quantity", Decimal("0.42"), "+0.42"),
        ("percent", 0.0124, "+1.24 %"),
        ("percent", -0.0031, "−0.31 %"),
        ("percent", 0.0, "0.00 %"),
        ("percent(signed=false)", 0.0124, "1.24 %"),
        ("percent(signed=false, digits=0)", 0.5, "50 %"),
        ("count", 1234567, "1,234,567"),
        ("tone", 1, "gain"),
        ("tone", Decimal("-0.1"), "loss"),
        ("tone", 0.0, "flat"),
        ("reason", "stop_loss", "stop-loss"),
        ("reason", "of_my_own", "of_my_own"),
        ("duration", 11_520_000, "3 h 12 min"),
        ("duration", 172_800_000, "2 d 0 h"),
        ("duration", 4_999, "4 s"),
        ("moment", WINTER, "2024-01-01 00:00:00"),
        ("clock_time", WINTER + 3_723_000, "01:02:03"),
    ],
)
def test_value_is_written(template: str, value: object, text: str) -> None:
    assert drawn("{{ value|" + template + " }}", value=value).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    "template",
    [
        "ago",
        "clock_time",
        "count",
        "duration",
        "moment",
        "money",
        "percent",
        "price",
        "quantity",
        "reason",
        "signed_money",
        "signed_quantity",
    ],
)
def test_nothing_is_a_dash(template: str) -> None:
    assert drawn("{{ none|" + template + " }}") == "–"
    assert drawn("{{ none|tone }}") == "flat"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), Decimal("NaN")])
@pytest.mark.parametrize("template", ["money", "signed_money", "price", "percent", "count"])
def test_no_number_is_a_dash(template: str, value: float | Decimal) -> None:
    assert drawn("{{ value|" + template + " }}", value=value) == "–"


def test_times_are_in_the_readers_zone() -> None:
    assert drawn("{{ ms|moment }}", SHANGHAI, ms=WINTER) == "2024-01-01 08:00:00"
    assert drawn("{{ ms|clock_time }}", SHANGHAI, ms=WINTER) == "08:00:00"
    assert drawn("{{ ms|moment }}", Reader(zone="America/New_York"), ms=WINTER) == (
        "2023-12-31 19:00:00"
    )


def test_age_is_absolute_text_and_knows_when_it_is_old() -> None:
    html = drawn("{{ ms|ago(10) }}", SHANGHAI, ms=WINTER)
    assert html == (
        '<time class="ago" datetime="2024-01-01T00:00:00Z" data-ms="1704067200000"'
        ' data-stale-ms="10000" title="2024-01-01 08:00:00 Asia/Shanghai">'
        "2024-01-01 08:00:00</time>"
    )
    assert "stale" not in drawn("{{ ms|ago }}", ms=WINTER)


def test_words_are_the_readers() -> None:
    assert drawn("{{ 'stop_loss'|reason }}", SHANGHAI) == "止损"
    assert drawn("{{ 'pause ema_cross BTC/USDT'|latch }}", SHANGHAI) == "暂停 ema_cross BTC/USDT"
    assert drawn("{{ 3723000|duration }}", SHANGHAI) == "1 小时 2 分钟"
    assert drawn("{{ _('of %(limit)s', limit='<b>') }}") == "of &lt;b&gt;"
    assert drawn("{{ _('of %(limit)s', limit=none|ago) }}", SHANGHAI) == "上限 –"
    assert "<time" in drawn("{{ _('of %(limit)s', limit=0|ago) }}")
    assert drawn("{{ _('<b> 99 % of') }}") == "&lt;b&gt; 99 % of"


def test_sparkline_fills_its_box() -> None:
    assert present.spark_points([1.0, 3.0, 2.0]) == "1.0,23.0 48.0,1.0 95.0,12.0"
    assert present.spark_points([5.0, 5.0]) == "1.0,12.0 95.0,12.0"


# ── the reader's cookie ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "chosen", [SHANGHAI, Reader(), Reader("zh", "Etc/GMT+8", "red", "dark"), Reader(theme="light")]
)
def test_reader_is_read_back(chosen: Reader) -> None:
    assert reader.read(reader.written(chosen), Reader("en", "UTC", "red", "light")) == chosen


@pytest.mark.parametrize(
    "text", [None, "", "zh", "x|y|z|w", "zz|../../etc/passwd|blue|<b>", "|" * 9, "%00|%00|%00|%00"]
)
def test_what_is_no_reader_is_the_default(text: str | None) -> None:
    assert reader.read(text, SHANGHAI) == SHANGHAI


def test_reader_is_kept_and_shown(panel: Panel) -> None:
    client = panel("viewer")
    page = client.get("/positions")
    assert 'lang="en"' in page.text
    answer = client.post(
        "/reader",
        data={"language": "zh", "zone": "Asia/Shanghai", "rising": "red", "theme": "dark",
              "csrf": _csrf(page.text)},
        headers={"Origin": "https://127.0.0.1", "Referer": "https://127.0.0.1/positions?a=1"},
        follow_redirects=False,
    )  # fmt: skip
    assert (answer.status_code, answer.headers["location"]) == (303, "/positions?a=1")
    assert {"HttpOnly", "Secure"} <= set(answer.headers["set-cookie"].split("; "))
    page = client.get("/positions")
    assert 'lang="zh-CN"' in page.text
    assert 'data-bs-theme="dark"' in page.text
    assert 'data-rising="red"' in page.text
    assert "持仓" in page.text


@pytest.mark.parametrize(
    ("referer", "location"),
    [
        ("https://evil.example//evil.example/x", "/evil.example/x"),
        ("https://127.0.0.1/\\evil.example", "/evil.example"),
        ("", "/"),
    ],
)
def test_way_back_stays_in_the_panel(panel: Panel, referer: str, location: str) -> None:
    client = panel("viewer")
    answer = client.post(
        "/reader",
        data={"csrf": _csrf(client.get("/positions").text)},
        headers={"Origin": "https://127.0.0.1", "Referer": referer},
        follow_redirects=False,
    )
    assert answer.headers["location"] == location


def _csrf(page: str) -> str:
    return page.partition('name="csrf" value="')[2].partition('"')[0]
