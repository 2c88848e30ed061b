import base64
import hashlib
import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.research import report
from engine.research.result import Result

Finished = Callable[..., Result]


class Page(HTMLParser):
    """The parts of a page: start tags with attributes, texts by element, executable scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.open = self.section = ""
        self.cells: dict[str, list[tuple[str, str]]] = {}  # title above → class and text
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open = tag
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag == "td":
            self.cells.setdefault(self.section, []).append(
                ((dict(attrs).get("class") or "").strip(), "")
            )

    def handle_data(self, data: str) -> None:
        if self.open == "script" and data.strip():
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif data.strip():
            self.texts.append(" ".join(data.split()))
        if self.open == "h2" and data.strip():
            self.section = " ".join(data.split())
        elif self.open == "td" and data.strip():
            kind, text = self.cells[self.section].pop()
            self.cells[self.section].append((kind, text + " ".join(data.split())))

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    @property
    def charts(self) -> dict[str, Any]:
        (data,) = (text for attributes, text in self.scripts if attributes.get("id") == "charts")
        return dict(json.loads(data))


def written(result: Result, folder: Path) -> Page:
    report.write(result, folder / "report.html")
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_loads_nothing(finished: Finished, tmp_path: Path) -> None:
    page = written(finished(), tmp_path)
    loading = {"src", "href", "srcset", "data", "action", "poster", "background", "onload"}
    styles = [names["style"] or "" for _, names in page.tags if "style" in names]
    assert all(re.fullmatch(r"--heat: \d+%", style) for style in styles)
    assert not [(tag, names) for tag, names in page.tags if loading & set(names)]
    assert not {"link", "iframe", "img", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    style = (Path(report.__file__).parent / "templates" / "report.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_admits_exactly_the_scripts_of_the_page(
    finished: Finished, tmp_path: Path
) -> None:
    page = written(finished(), tmp_path)
    (policy,) = (
        names["content"] or ""
        for tag, names in page.tags
        if tag == "meta" and names.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    digests = {
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for attributes, text in page.scripts
        if attributes.get("type") != "application/json"
    }
    assert len(digests) == 2
    assert set(rules["script-src"].split()) == digests
    assert (rules["default-src"], rules["base-uri"]) == ("'none'", "'none'")


def test_the_page_tells_the_figures_it_was_given(finished: Finished, tmp_path: Path) -> None:
    result = finished(warnings=["Two bars are missing."], final_equity=12_345.678)
    page = written(result, tmp_path)
    for text in (
        "ema_cross on BTC/USD",
        "2018-01-01 00:01 to 2018-01-01 05:00 UTC · 300 bars",
        "Final equity, USD 12,345.68",
        "Read this first Two bars are missing.",
        "Win rate 50.00 %",
        "c0ffee" * 8,
        "deda" * 16,
        "the next event’s price (fill_on: next)",
        "2018-01-01 00:10 2018-01-01 00:40 30 10 108.9",
        "stop loss",
    ):
        assert text in page.text, text
    profit = result.trades["profit"][0].as_py()
    assert f"{profit:+,.2f}".replace("-", "−") in page.text
    tips = {names["data-tip"] for _, names in page.tags if "data-tip" in names}
    assert "The part of the trades that made money after fees." in tips
    assert page.charts["equity"]["data"][1]["y"] == result.equity["equity"].to_pylist()


def test_hostile_names_are_only_text(finished: Finished, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    quote = "\"'><b onmouseover=alert(1)>{{ 7 * 7 }}"
    page = written(
        finished(
            trades=[(quote, evil, 10, 40), ("ema_cross", "BTC/USD", 50, 60)],
            strategies=[quote],
            symbols=[evil],
            warnings=[evil, quote],
        ),
        tmp_path,
    )
    assert len(page.scripts) == 3
    assert not {"img", "b"} & {tag for tag, _ in page.tags}
    assert evil in html.unescape(page.text)
    assert quote in page.text
    assert "<" not in page.charts["equity"]["data"][0]["name"]


def test_embedded_data_cannot_end_its_element() -> None:
    text = report.embedded({"</script>": "<!-- <script>"})
    assert "<" not in text
    assert json.loads(text) == {"</script>": "<!-- <script>"}
    with pytest.raises(ValueError, match="JSON"):
        report.embedded(float("nan"))


def test_gains_and_losses_are_told_apart(finished: Finished, tmp_path: Path) -> None:
    page = written(finished(), tmp_path)
    classes = [kind for kind, _ in page.cells["Trades"]]
    assert classes.count("number profit") == classes.count("number loss") == 2  # one trade each


def test_a_run_without_trades_says_so(finished: Finished, tmp_path: Path) -> None:
    page = written(finished(trades=[]), tmp_path)
    assert "No round trip was closed in this run." in page.text
    assert "Profit factor –" in page.text
    assert not {"None", "nan", "inf"} & set(page.text.lower().split())


@pytest.mark.parametrize("count", [0, 1])
def test_the_shortest_runs_have_a_page(finished: Finished, tmp_path: Path, count: int) -> None:
    result = finished(max(count, 1), trades=[])
    if not count:
        for symbol in result.bars:
            result.bars[symbol] = result.bars[symbol][:0]
        result = Result(**vars(result) | {"equity": result.equity.slice(0, 0)})
    page = written(result, tmp_path)
    assert len(page.charts["prices"]) == count
    assert ("there are no candles to show" in page.text) == (not count)
    assert ("No events ·" in page.text) == (not count)


def test_many_trades_are_cut_in_the_middle_and_it_is_said(
    finished: Finished, tmp_path: Path
) -> None:
    trades = [("ema_cross", "BTC/USD", bar, bar + 1) for bar in range(1_203)]
    page = written(finished(1_300, trades), tmp_path)
    assert "Shown are the first 500 and the last 500 of 1,203 trades" in page.text
    assert len(page.cells["Trades"]) == 1_000 * 13
    assert "500 ema_cross" in page.text
    assert "501 ema_cross" not in page.text
    assert "703 ema_cross" not in page.text
    assert "704 ema_cross" in page.text


def test_open_positions_books_and_limits_are_listed(finished: Finished, tmp_path: Path) -> None:
    position = {"strategy": "ema_cross", "symbol": "BTC/USD", "opened_at": 1_514_764_800_000}
    position |= {"quantity": 0.5, "entry_price": 100.0, "price": 90.0, "profit": -5.1}
    result = finished(
        trades=[("a", "BTC/USD", 10, 40), ("b", "BTC/USD", 50, 60)],
        open_positions=[position],
        fill_on="close",
        compiled=False,
    )
    result.kpi["sharpe"] = {"value": 1.5, "limit": 2.0, "passed": False}
    result.kpi["win_rate.a"] = {"value": 0.5, "limit": 0.45, "passed": True}
    page = written(result, tmp_path)
    assert "ema_cross BTC/USD 2018-01-01 00:00 0.5 100 90 −5.10" in page.text
    assert "Sharpe ratio 1.50 2.00 ✗ no" in page.text
    assert "Win rate of a 50.00 % 45.00 % ✓ yes" in page.text
    assert "By strategy; amounts in USD" in page.text
    assert "By strategy and symbol" not in page.text  # there is one symbol
    assert "which a real order cannot reach (fill_on: close)" in page.text
    assert "interpreted, the same but slower" in page.text


def test_longs_and_shorts_are_summed_up_where_both_were_traded(
    finished: Finished, tmp_path: Path
) -> None:
    result = finished()
    assert "By side" not in written(result, tmp_path).text
    at = result.trades.schema.get_field_index("quantity")
    trades = result.trades.set_column(at, "quantity", pa.array([10.0, -10.0]))
    sides = texts(written(replace(result, trades=trades), tmp_path), "By side; amounts in USD")
    assert (sides[0], sides[8]) == ("long", "short")


def test_only_so_many_symbols_have_price_charts(finished: Finished, tmp_path: Path) -> None:
    symbols = [f"C{number}/USD" for number in range(22)]
    page = written(finished(50, trades=[], symbols=symbols), tmp_path)
    assert len(page.charts["prices"]) == 20
    assert "Shown are the first 20 of 22 symbols." in page.text
    assert "ema_cross on C0/USD, C1/USD, C2/USD and 19 more" in page.text


def texts(page: Page, title: str) -> list[str]:
    return [text for _, text in page.cells[title]]


def test_months_years_and_drawdowns_are_listed(finished: Finished, tmp_path: Path) -> None:
    swing = ("a", "BTC/USD", 10, 40), ("a", "BTC/USD", 45, 70)  # bars are days of 2018
    page = written(finished(400, list(swing), span=86_400_000), tmp_path)
    months = page.cells["Monthly returns, UTC"]
    assert len(months) == 2 * 13  # two years of twelve months and a total
    loss, gain = (cell for cell in page.cells["Trades"] if "%" in cell[1])
    assert (loss[0], gain[0]) == ("number loss", "number profit")
    # Prices are 100 + 10 sin(bar / 9), quantities 10, fees 1. So the loss of 10 February is
    # 100 (sin(40 / 9) - sin(10 / 9)) - 1 = -187.06, and the gain of 12 March is +194.61.
    assert months[13:17] == [
        ("number", "+0.00"),
        ("number loss", "−1.87"),
        ("number profit", "+1.98"),
        ("number", "+0.00"),
    ]
    assert months[25] == ("number profit", "+0.08 %")
    years = texts(page, "Years, UTC; amounts in USD")
    assert years[7:] == ["2018", "+0.08 %", "−1.87 %", "2", "50.00 %", "+7.55", "2.00"]
    falls = texts(page, "Worst drawdowns")
    assert falls == ["2018-02-10 00:00", "2018-02-11 00:00", "2018-03-13 00:00", "−1.87 %", "31.0"]
    assert len(page.charts["rolling"]["data"][0]["x"]) == 400 - 89
    assert "Left out: 398 days on which the equity did not move." in page.text


def test_costs_are_shares_of_what_was_made_before_them(finished: Finished, tmp_path: Path) -> None:
    costs = {"fees": 40.0, "slippage": 20.0}
    page = written(finished(final_equity=10_100.0, costs=costs), tmp_path)
    text = page.text[page.text.index("Costs, USD") :]
    for name, amount, share in (
        ("Profit before costs", "+160.00", "100.00 %"),  # 100 + 40 + 20
        ("Fees", "−40.00", "−25.00 %"),
        ("Slippage", "−20.00", "−12.50 %"),
        ("Profit", "+100.00", "62.50 %"),
    ):
        assert f"{name} {amount} {share}" in text
    page = written(finished(final_equity=9_900.0, costs=costs), tmp_path)
    assert "Profit before costs −40.00 – Fees −40.00 –" in page.text


def test_scenarios_stand_side_by_side(finished: Finished, tmp_path: Path) -> None:
    page = written(finished(), tmp_path)
    assert "under other costs" not in page.text
    result = finished()
    for name, equity in (("optimistic", 11_000.0), ("base", 10_000.0), ("pessimistic", 9_000.0)):
        result.scenarios[name] = {"final_equity": equity, "total_return": equity / 10_000 - 1}
    page = written(result, tmp_path)
    cells = page.cells["The same run under other costs"]
    assert [text for _, text in cells[:4]] == [
        "Final equity, USD", "11,000.00", "10,000.00", "9,000.00",
    ]  # fmt: skip
    assert cells[5:8] == [("number profit", "+10.00 %"), ("number", "+0.00 %"),
                          ("number loss", "−10.00 %")]  # fmt: skip
    assert ("number", "–") in cells  # what a scenario does not say


@pytest.mark.parametrize("least", [0.0, -500.0])
def test_a_run_that_lost_everything_has_a_page(
    finished: Finished, tmp_path: Path, least: float
) -> None:
    result = finished(100, [], span=86_400_000, final_equity=least)
    equity = np.array([10_000.0, 4_000.0, *[least] * 97, 5.0])
    page = written(valued(result, equity), tmp_path)
    assert page.charts["daily"]["data"]
    assert len(page.charts["rolling"]["data"][0]["x"]) == 100 - 89
    assert "Left out: 98 days on which the equity did not move." in page.text
    assert not {"None", "nan", "inf"} & set(page.text.lower().split())


def test_a_run_that_begins_with_nothing_has_a_page(finished: Finished, tmp_path: Path) -> None:
    page = written(valued(finished(3, []), np.zeros(3)), tmp_path)
    assert page.charts["equity"]["data"][0]["y"] == [0.0, 0.0, 0.0]


def valued(result: Result, equity: Any) -> Result:
    table = {"ts": result.equity["ts"], "equity": equity, "drawdown": equity / 10_000.0 - 1.0}
    return replace(result, equity=pa.table(table))


def test_a_page_that_fails_leaves_the_one_before(finished: Finished, tmp_path: Path) -> None:
    written(finished(), tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    result = finished()
    result.kpi["sharpe"] = {"value": "wrong", "limit": 2.0, "passed": False}
    with pytest.raises(TypeError):
        written(result, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_bytes() == before
