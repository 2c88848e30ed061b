"""What a backtest says of its costs, and that its warnings are about itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.api import backtest, compose
from engine.errors import ConfigError
from engine.feeds import tape
from engine.feeds.generated import generate
from tests.unit.research.test_report import Page

MINUTE, HOUR = 60_000, 3_600_000
START = 1_704_067_200_000  # 2024-01-01
PRICES = ("open", "high", "low", "close")


def test_slippage_is_what_fills_were_away_from_the_price() -> None:
    bars = generate("X/USD", 300, MINUTE, 5)
    result = backtest(
        compose(["strategy=[ema_cross]", "universe.symbols=[X/USD]", "costs.slippage_bps=20"]),
        {"X/USD": bars},
    )
    orders = [row for row in result.orders.to_pylist() if row["status"] == "filled"]
    assert {np.sign(row["filled"]) for row in orders} == {1.0, -1.0}
    opens = dict(zip(bars["ts"].tolist(), bars["open"].tolist(), strict=True))
    away = [row["filled"] * (row["price"] - opens[row["filled_at"]]) for row in orders]
    assert min(away) > 0.0
    assert result.facts["costs"]["slippage"] == pytest.approx(sum(away))
    assert result.facts["costs"]["fees"] == result.facts["fees"]
    assert result.facts["cash"] == 100_000.0
    assert "The run covers 1 day: under 90" in " ".join(result.facts["warnings"])


@pytest.fixture
def held(tmp_path: Path) -> Any:
    """Return a backtest that holds 4 contracts of 0.5 units for two hours of funding at 1 %."""

    def hold(wish: float, *given: str) -> Any:
        ts = [START + HOUR * i for i in range(4)]
        path = tmp_path / "wishes.parquet"
        pq.write_table(pa.table({"ts": [ts[1], ts[3]], "target": [wish, 0.0]}), path)
        opened, closed = [100.0, 100.0, 110.0, 110.0], [100.0, 110.0, 110.0, 110.0]
        bars = {"open": opened, "high": closed, "low": opened, "close": closed}
        symbol, x = "X/USD:USD", r"X/USD\:USD"
        return backtest(
            compose(
                [
                    *(f"universe.symbols=[{x}]", "strategy=[external]", "risk=[]"),
                    f"universe.instruments={{{x}: {{kind: linear, contract_size: 0.5}}}}",
                    *(f"strategy.external.path={path}", "sizing=fixed", "sizing.quantity=4.0"),
                    *("feed.timeframe=1h", "costs.taker=0", "costs.slippage_bps=100"),
                    *("costs.funding_ratio=0.01", "costs.funding_hours=1", *given),
                ]
            ),
            {symbol: {"ts": ts, **bars, "volume": [1.0] * 4}},
        )

    return hold


def test_funding_is_a_cost_beside_fees_and_slippage(held: Any, tmp_path: Path) -> None:
    # 2 units bought at 101 and sold at 110 x 0.99 = 108.9: slippage 2 x 1 + 2 x 1.1.
    # Funding at the second and third hour: 2 x 110 x 0.01 each time.
    result = held(1.0)
    assert result.facts["costs"] == pytest.approx({"fees": 0.0, "slippage": 4.2, "funding": 4.4})
    (trade,) = result.trades.to_pylist()
    assert (trade["funding"], trade["profit"]) == pytest.approx((-4.4, 2 * (108.9 - 101.0) - 4.4))
    result.save(tmp_path / "run")
    page = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    text = page.text[page.text.index("Costs, USD") :]
    assert "Fees none was charged Slippage −4.20 −21.00 % Funding −4.40 −22.00 %" in text  # of 20


def test_a_short_receives_it(held: Any) -> None:
    # 2 units sold at 99 and bought at 110 x 1.01 = 111.1
    result = held(-1.0)
    assert result.facts["costs"] == pytest.approx({"fees": 0.0, "slippage": 4.2, "funding": -4.4})
    assert result.facts["final_equity"] == pytest.approx(100_000.0 + 2 * (99.0 - 111.1) + 4.4)


def test_what_costs_nothing_is_said_in_words(held: Any, tmp_path: Path) -> None:
    result = held(1.0, "costs.funding_ratio=0", "costs.slippage_bps=0")
    assert {f"{cost}" for cost in result.facts["costs"].values()} == {"0.0"}  # and no -0.0
    result.save(tmp_path / "run")
    page = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert "Slippage none: every fill had its price Funding none was due" in page.text


def test_trades_and_open_positions_make_up_what_the_account_earned() -> None:
    minutes, symbols = 3_000, {"A/USD": 1, "B/USD": 2, "X/USD:USD": 3, "Y/USD:USD": 4}
    bars = {symbol: generate(symbol, minutes, MINUTE, seed) for symbol, seed in symbols.items()}
    names = [symbol.replace(":", r"\:") for symbol in symbols]
    result = backtest(
        compose(
            [
                f"universe.symbols=[{','.join(names)}]",
                f"universe.instruments={{{names[2]}: {{kind: linear, contract_size: 0.5}},"
                f" {names[3]}: {{kind: linear, contract_size: 10, margin: cross}}}}",
                *("strategy=[grid,ema_cross,buy_and_hold]", "risk=[]", "sizing.ratio=0.05"),
                "strategy.grid.spacing=0.002",
                "strategy.ema_cross.exits.take_profit_ladder=[{at: 0.001, share: 0.5}]",
                "strategy.buy_and_hold.exits.take_profit_ladder=[{at: 0.001, share: 0.5}]",
                *("costs.funding_ratio=0.001", "costs.funding_hours=1", "report.scenarios=false"),
            ]
        ),
        bars,
    )
    still, trades = result.facts["open_positions"], result.trades.to_pylist()
    assert {row["strategy"] for row in still} >= {"grid", "buy_and_hold"}
    assert {row["symbol"] for row in still} == {*symbols}
    assert len(trades) > 20
    assert result.facts["costs"]["funding"] != 0.0
    made = sum(row["profit"] for row in [*still, *trades])
    assert result.facts["final_equity"] - result.facts["cash"] == pytest.approx(made, rel=1e-9)


def test_the_hash_of_the_data_covers_files_of_targets_and_rates(held: Any, tmp_path: Path) -> None:
    rates = tmp_path / "rates.csv"

    def funded(rate: float) -> str:
        rates.write_text("ts,rate\n" + "".join(f"{START + HOUR * i},{rate}\n" for i in range(5)))
        files = rf"costs.funding_files={{X/USD\:USD: {rates}}}"
        return str(held(1.0, files).facts["data_hash"])

    constant = [held(wish).facts["data_hash"] for wish in (1.0, 1.0, 0.5)]
    assert constant[0] == constant[1] != constant[2]
    assert held(1.0, "costs.funding_ratio=0").facts["data_hash"] == constant[0]  # configuration
    assert funded(0.001) == funded(0.001) != funded(0.002)
    assert funded(0.001) != constant[0]


def test_the_hash_of_the_data_is_that_of_the_feed_alone_where_no_file_is_beside_it() -> None:
    bars = {"X/USD": generate("X/USD", 300, MINUTE, 5)}
    settings = compose(["strategy=[ema_cross]", "universe.symbols=[X/USD]"])
    read = tape.from_bars(bars, ["X/USD"], [MINUTE], "1m")
    assert backtest(settings, bars).facts["data_hash"] == read.sha256


def test_an_exit_that_is_held_back_is_no_opening_that_was_denied(held: Any) -> None:
    told = held(1.0, "strategy.external.exits.opposite_signal=ignore").facts["warnings"]
    assert "1 exit was held back: opposite_signal." in told
    assert not any("denied" in sentence for sentence in told)


def test_a_tick_above_the_price_is_refused() -> None:
    grid = "universe.instruments={X/USD: {tick: 1000}}"
    settings = compose(["universe.symbols=[X/USD]", grid, "feed.timeframe=1h"])
    bars = {"X/USD": {"ts": [START], **{key: [100.0] for key in PRICES}, "volume": [1.0]}}
    with pytest.raises(ConfigError) as refused:
        backtest(settings, bars)
    assert str(refused.value) == (
        "universe.instruments.X/USD.tick: must be the step of its prices, was 1000 where the first"
        " one is 100. Write it as a price, such as 0.01."
    )
