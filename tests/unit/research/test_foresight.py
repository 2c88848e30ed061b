"""A strategy that knows the future from a file is right too often, on the real bars of a feed."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.core.compile.declare import Strategy
from engine.core.portfolio import Instance, Portfolio, parse_timeframe
from engine.core.records import Sizing
from engine.errors import CheckFailed
from engine.feeds.tape import Tape, from_bars
from engine.research.checks import check
from engine.research.foresight import oracles
from engine.research.sample import recorded
from engine.strategies.bollinger import Bollinger
from engine.strategies.dca import Dca
from engine.strategies.donchian import Donchian
from engine.strategies.ema_cross import EmaCross
from engine.strategies.external import External
from engine.strategies.grid import Grid
from engine.strategies.macd import Macd
from engine.strategies.rsi_reversion import RsiReversion
from engine.strategies.supertrend import Supertrend
from tests.golden import golden
from tests.market import portfolio
from tests.unit.research.planted import ReadsAhead, ReadsFalls, ReadsHighs, ReadsLows, Rests

SYMBOL = "BTC/USDT"
HOUR = 3_600_000
START = 1_704_067_200_000  # 2024-01-01


@pytest.fixture(scope="module")
def feed(shared: Path) -> Tape:
    file = shared / "ohlcv" / "binance_spot_BTC_USDT_1h_2017-2021.parquet"
    return Tape(timeframe="1h", files={SYMBOL: str(file)})


def trading(strategy: Strategy) -> Portfolio:
    one = Instance("it", strategy, (SYMBOL,), HOUR, Sizing.FIXED, 1.0)
    return portfolio(one, symbols=[SYMBOL])


@pytest.mark.parametrize("ahead", [1, 5, 20])
def test_a_file_with_later_rows_is_caught(ahead: int, feed: Tape) -> None:
    assert feed.files
    plan = trading(ReadsAhead(path=feed.files[SYMBOL], ahead=ahead))
    with pytest.raises(CheckFailed) as caught:
        check(plan, feed)
    golden(f"check/reads_{ahead}_ahead.txt", str(caught.value))


@pytest.mark.parametrize("strategy", [ReadsLows, ReadsHighs, ReadsFalls])
def test_orders_that_rest_where_the_price_turns_are_caught(
    strategy: type[Strategy], feed: Tape
) -> None:
    assert feed.files
    plan = trading(strategy(path=feed.files[SYMBOL]))
    with pytest.raises(CheckFailed) as caught:
        check(plan, feed)
    golden(f"check/{strategy.__name__}.txt", str(caught.value))


def targets(decided: Strategy, feed: Tape, path: Path, early: int) -> Portfolio:
    """Write what a strategy decides as a file, stamped `early` ms too early; follow it."""
    rows = recorded(trading(decided), feed.load([SYMBOL], [HOUR])).wanted["it"]
    pq.write_table(pa.table({"ts": rows["ts"] - early, "target": rows["target"]}), path)
    return trading(External(path=str(path)))


DECIDED = [EmaCross(fast=10, slow=30), RsiReversion(length=14, low=40.0, high=60.0)]


@pytest.mark.parametrize("decided", DECIDED)
def test_a_row_that_is_known_before_its_bar_closed_is_caught(
    decided: Strategy, feed: Tape, tmp_path: Path
) -> None:
    path = tmp_path / "targets.parquet"
    with pytest.raises(CheckFailed) as caught:
        check(targets(decided, feed, path, early=HOUR), feed)
    name = type(decided).__name__
    golden(f"check/open_times_{name}.txt", str(caught.value).replace(str(path), path.name))


@pytest.mark.parametrize("decided", DECIDED)
def test_a_row_that_is_known_when_its_bar_closed_passes(
    decided: Strategy, feed: Tape, tmp_path: Path
) -> None:
    plan = targets(decided, feed, tmp_path / "targets.parquet", early=0)
    checked, warnings = check(plan, feed)
    assert [(one.of, one.signals == one.calls) for one in checked] == [("the feed", True)]
    assert warnings == []


def test_where_too_little_shows_there_is_a_warning(feed: Tape, tmp_path: Path) -> None:
    path = tmp_path / "targets.parquet"
    decided = EmaCross(fast=12, slow=60)
    _, warnings = check(targets(decided, feed, path, early=HOUR), feed)
    golden("check/open_times_perhaps.txt", "\n".join(warnings).replace(str(path), path.name))
    _, warnings = check(targets(decided, feed, path, early=0), feed)
    assert warnings == []


@pytest.mark.parametrize(("ahead", "sides"), [(5, "long"), (24, "long"), (5, "long_short")])
def test_an_entry_that_is_always_right_is_caught_whatever_the_exit(
    ahead: int, sides: str, feed: Tape, tmp_path: Path
) -> None:
    """Labels of what the next bars bring, held for so many bars: its falls say nothing."""
    bars = feed.load([SYMBOL], [HOUR]).bars[SYMBOL][:6_000]
    gain = bars["close"][ahead:] / bars["close"][:-ahead] - 1.0
    rows, free = [], 0
    for i in np.flatnonzero(np.abs(gain) > 0.01).tolist():
        if i >= free and (gain[i] > 0.0 or sides == "long_short"):
            closed = int(bars["ts"][i]) + HOUR
            rows += [(closed, float(np.sign(gain[i]))), (closed + ahead * HOUR, 0.0)]
            free = i + ahead + 1
    path = tmp_path / "labels.parquet"
    ts, target = zip(*rows, strict=True)
    pq.write_table(pa.table({"ts": ts, "target": target}), path)
    with pytest.raises(CheckFailed) as caught:
        check(trading(External(path=str(path))), feed)
    golden(f"check/labels_{ahead}_{sides}.txt", str(caught.value).replace(str(path), path.name))


def test_a_rising_market_is_no_foresight(tmp_path: Path) -> None:
    """Nearly every entry is right where nearly every price is followed by a higher one."""
    random = np.random.default_rng(1)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.002, 0.002, 4_000)))
    bars = {"ts": START + HOUR * np.arange(4_000), "volume": np.ones(4_000)}
    bars |= dict.fromkeys(("open", "high", "low", "close"), close)
    target = (np.arange(4_000) % 10 < 5).astype(float)
    path = tmp_path / "targets.parquet"
    pq.write_table(pa.table({"ts": bars["ts"], "target": target}), path)
    plan = trading(External(path=str(path)))
    assert list(oracles(recorded(plan, from_bars({SYMBOL: bars}, [SYMBOL], [HOUR], "1h")))) == []


def test_spikes_that_come_back_are_no_foresight() -> None:
    """Each bid 3 % below is filled by a spike to 5 % below, and the price is back by the close."""
    random = np.random.default_rng(1)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.001, 4_000)))
    bars = {"ts": START + HOUR * np.arange(4_000), "volume": np.ones(4_000)}
    bars |= dict.fromkeys(("open", "high", "low", "close"), close)
    bars["open"] = np.append(close[0], close[:-1])
    bars["high"] = np.maximum(bars["open"], close) * 1.001
    far = np.where(random.random(4_000) < 0.2, 0.95, 0.999)
    bars["low"] = np.minimum(bars["open"], close) * far
    sample = recorded(trading(Rests(apart=0.03)), from_bars({SYMBOL: bars}, [SYMBOL], [HOUR], "1h"))
    assert len(sample.filled["it"]) > 100
    assert list(oracles(sample)) == []


HONEST = {
    "quick": EmaCross(fast=3, slow=5),
    "usual": EmaCross(),
    "slow": EmaCross(fast=50, slow=200),
    "weakness": RsiReversion(length=2, low=10.0, high=90.0),
    "swings": RsiReversion(length=5, low=45.0, high=55.0),
    "bollinger": Bollinger(),
    "dca": Dca(),
    "donchian": Donchian(),
    "grid": Grid(),
    "macd": Macd(),
    "supertrend": Supertrend(),
    "rests near": Rests(apart=0.002),
    "rests": Rests(apart=0.01),
    "rests far": Rests(apart=0.03),
    "rests farther": Rests(apart=0.1),
}


@pytest.mark.parametrize(
    "file",
    [
        "ohlcv/bitfinex_spot_BTCUSD_1m_2018.parquet",
        "ohlcv/binance_spot_SOL_USDT_15m_2020-2021.parquet",
        "ohlcv/binance_spot_BTC_USDT_1h_2017-2021.parquet",
        "ohlcv/binance_spot_ADA_USDT_1h_2017-2021.parquet",  # of 35 bids 10 % below, 30 are right
        "freqtrade/ETH_BTC_5m.parquet",  # of 115 openings, 0.76 are right within two bars
        "freqtrade/UNITTEST_BTC_1m.parquet",  # hardly traded: prices jump between bid and ask
        "freqtrade/XRP_ETH_5m.parquet",
    ],
)
def test_an_honest_strategy_is_never_that_right(file: str, shared: Path) -> None:
    (timeframe,) = re.findall(r"_(\d+[mh])[_.]", file)
    span = parse_timeframe(timeframe)
    ones = [
        Instance(name, strategy, (SYMBOL,), span, Sizing.FIXED, 1.0)
        for name, strategy in HONEST.items()
    ]
    plan = portfolio(*ones, symbols=[SYMBOL])
    feed = Tape(timeframe=timeframe, files={SYMBOL: str(shared / file)})
    assert list(oracles(recorded(plan, feed.load([SYMBOL], plan.spans)))) == []
