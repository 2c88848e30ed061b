"""A strategy that knows the future from a file is right too often, on the real bars of a feed."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.core.compile.declare import Strategy
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Sizing
from engine.errors import CheckFailed
from engine.feeds.tape import Tape
from engine.research.checks import check
from engine.research.foresight import oracles
from engine.research.sample import recorded
from engine.strategies.ema_cross import EmaCross
from engine.strategies.external import External
from engine.strategies.rsi_reversion import RsiReversion
from tests.golden import golden
from tests.market import portfolio
from tests.unit.research.planted import ReadsAhead

SYMBOL = "BTC/USDT"
HOUR = 3_600_000


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


HONEST = {
    "quick": EmaCross(fast=3, slow=5),
    "usual": EmaCross(),
    "slow": EmaCross(fast=50, slow=200),
    "weakness": RsiReversion(length=2, low=10.0, high=90.0),
    "swings": RsiReversion(length=5, low=45.0, high=55.0),
}


@pytest.mark.parametrize(
    "file",
    [
        "ohlcv/bitfinex_spot_BTCUSD_1m_2018.parquet",
        "ohlcv/binance_spot_SOL_USDT_15m_2020-2021.parquet",
        "freqtrade/UNITTEST_BTC_1m.parquet",  # hardly traded: prices jump between bid and ask
        "freqtrade/XRP_ETH_5m.parquet",
    ],
)
def test_an_honest_strategy_is_never_that_right(file: str, shared: Path) -> None:
    span = {"1m": 1, "5m": 5, "15m": 15}[re.findall(r"_(\d+m)", file)[0]] * 60_000
    ones = [
        Instance(name, strategy, (SYMBOL,), span, Sizing.FIXED, 1.0)
        for name, strategy in HONEST.items()
    ]
    plan = portfolio(*ones, symbols=[SYMBOL])
    feed = Tape(timeframe=f"{span // 60_000}m", files={SYMBOL: str(shared / file)})
    assert list(oracles(recorded(plan, feed.load([SYMBOL], plan.spans)))) == []
