"""Every bad file is refused with one sentence for each problem; golden/data holds the wording."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import ChanQuantError
from engine.feeds.tape import Tape, from_bars

GOLDEN = Path(__file__).parents[2] / "golden/data/bad_files.txt"

Columns = dict[str, Any]
Make = Callable[..., Columns]
Save = Callable[[str, Columns], str]

CELLS: Mapping[str, tuple[str, int, float]] = {
    "close is not a number": ("close", 2, math.nan),
    "volume is infinite": ("volume", 4, math.inf),
    "low is zero": ("low", 1, 0.0),
    "open is negative": ("open", 0, -99.5),
    "volume is negative": ("volume", 3, -1.0),
    "high is below low": ("high", 3, 101.0),
    "open is above high": ("open", 2, 104.0),
    "low is above close": ("low", 4, 104.25),
}


def golden() -> dict[str, str]:
    sections = GOLDEN.read_text().split("== ")[1:]
    return {name: text.strip() for name, _, text in (one.partition("\n") for one in sections)}


def refusal(load: Callable[[], Any]) -> str:
    with pytest.raises(ChanQuantError) as refused:
        load()
    return f"exit {refused.value.exit_code}\n{refused.value}"


def told(tape: Tape, *symbols: str, spans: tuple[int, ...] = (60_000,)) -> str:
    return refusal(lambda: tape.load(symbols or ("BTC/USD",), spans))


def told_of(name: str, **settings: Any) -> str:
    return told(Tape(files={"BTC/USD": name}, **settings))


@pytest.mark.parametrize("case", CELLS)
def test_a_bad_value(case: str, bars: Make, save: Save) -> None:
    column, row, value = CELLS[case]
    columns = bars()
    columns[column][row] = value
    assert told_of(save("btc.parquet", columns)) == golden()[case]


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("out of order", lambda ts: ts[[0, 2, 1, 4, 3]]),
        ("the same ts twice", lambda ts: ts[[0, 1, 1, 3, 4]]),
        ("ts past the minute", lambda ts: ts + np.array([0, 0, 500, 0, 1_000])),
        ("ts in local time", lambda ts: ts + 30_000),
        ("ts in seconds", lambda ts: ts // 1_000),
        ("ts in microseconds from the fourth row on", lambda ts: ts * [1, 1, 1, 1_000, 1_000]),
        ("ts in nanoseconds", lambda ts: ts * 1_000_000),
        ("ts before 1970", lambda ts: ts * [-1, 1, 1, 1, 1]),
    ],
)
def test_bad_times(case: str, change: Callable[[Any], Any], bars: Make, save: Save) -> None:
    columns = bars()
    columns["ts"] = change(columns["ts"])
    assert told_of(save("btc.parquet", columns)) == golden()[case]


def test_bars_of_another_timeframe(bars: Make, save: Save) -> None:
    name = save("btc.parquet", bars(30, step=300_000))
    assert told_of(name) == golden()["bars of another timeframe"]


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("columns of another name", lambda c: {"ts": c["ts"], "Open": c["open"]}),
        ("trades without side", lambda c: {"ts": c["ts"], "price": c["open"], "amount": c["low"]}),
        ("ts as a date", lambda c: c | {"ts": c["ts"].astype("datetime64[ms]")}),
        ("ts as a fraction", lambda c: c | {"ts": c["ts"] / 1_000}),
        ("ts is empty", lambda c: c | {"ts": pa.array([None, *c["ts"][1:4], None], pa.int64())}),
        ("prices as text", lambda c: c | {"close": ["1", "2", "n/a", "4", "5"], "low": [""] * 5}),
        ("no rows", lambda c: {name: column[:0] for name, column in c.items()}),
    ],
)
def test_bad_columns(case: str, change: Callable[[Any], Any], bars: Make, save: Save) -> None:
    assert told_of(save("btc.parquet", change(bars()))) == golden()[case]


def test_a_column_that_stands_there_twice(bars: Make, save: Save) -> None:
    columns = bars()
    table = pa.Table.from_arrays(
        [*columns.values(), columns["close"]], names=[*columns.keys(), "close"]
    )
    assert told_of(save("btc.csv", table)) == golden()["a column twice"]
    assert (
        told_of(save("btc.parquet", table)).replace(".parquet", ".csv")
        == golden()["a column twice"]
    )


HEADER = "ts,open,high,low,close,volume\n"


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("csv of nothing", ""),
        ("csv of a header only", HEADER),
        ("csv without a header", "1514764800000,1,1,1,1,1\n1514764860000,1,1,1,1,1\n"),
        ("csv with semicolons", "ts;open;high;low;close;volume\n1514764800000;1;1;1;1;1\n"),
        ("csv with ragged rows", f"{HEADER}1514764800000,1,1,1,1\n2,1\n1514764860000,1,1,1,1,1\n"),
        ("csv with a word", f"{HEADER}1514764800000,1,1,1,1,1\n1514764860000,1,1,1,one,1\n"),
        ("csv with an empty value", f"{HEADER}1514764800000,1,1,,1,1\n"),
        ("csv with dates", f"{HEADER}2018-01-01 00:00:00,1,1,1,1,1\n"),
    ],
)
def test_bad_csv(case: str, text: str, save: Save) -> None:
    Path("btc.csv").write_text(text)
    assert told_of("btc.csv") == golden()[case]


def test_a_file_that_is_none(bars: Make, save: Save) -> None:
    name = save("btc_usd_1m.parquet", bars())
    Path("folder.parquet").mkdir()
    content = Path(name).read_bytes()
    Path("cut.parquet").write_bytes(content[: len(content) // 2])
    Path("text.parquet").write_text("not Parquet")
    Path("latin.csv").write_bytes(f"{HEADER}1514764800000,1,1,1,1,é\n".encode("latin-1"))
    names = ["btc_usd_m1.parquet", "xyz", "no/btc.parquet", "folder.parquet"]
    names += ["cut.parquet", "text.parquet", "latin.csv"]
    files = {f"{i}/USD": path for i, path in enumerate(names)}
    assert told(Tape(files=files), *files) == golden()["files that are none"]


def test_a_damaged_page_inside_a_file_is_no_traceback(bars: Make, save: Save) -> None:
    content = bytearray(Path(save("btc.parquet", bars(500))).read_bytes())
    content[100:160] = bytes(60)
    Path("btc.parquet").write_bytes(content)
    assert told_of("btc.parquet") == golden()["a damaged file"]


def test_nothing_between_start_and_end(bars: Make, save: Save) -> None:
    name = save("btc.parquet", bars())
    assert told_of(name, start="2019-01-01") == golden()["nothing from start on"]


def test_several_bad_files_at_once(bars: Make, trades: Make, save: Save) -> None:
    bad, worse = bars(), bars()
    bad["close"][1] = math.nan
    worse["ts"] = worse["ts"][::-1].copy()
    worse["volume"][:] = -1.0
    prints = trades(0, 500, 400)
    prints["price"][0], prints["amount"][2] = 0.0, math.nan
    files = {
        "A/USD": save("bad.parquet", bad),
        "B/USD": save("worse.csv", worse),
        "C/USD": save("prints.parquet", prints),
        "D/USD": save("good.parquet", bars()),
    }
    assert told(Tape(files=files), *files) == golden()["several bad files"]


def test_a_missing_file_among_bad_ones_is_a_matter_of_configuration(bars: Make, save: Save) -> None:
    bad = bars()
    bad["close"][1] = math.nan
    files = {"A/USD": save("bad.parquet", bad), "B/USD": "no.parquet"}
    assert told(Tape(files=files), *files) == golden()["bad and missing"]


def test_parameters(bars: Make, save: Save) -> None:
    files = {"BTC/USD": save("btc.parquet", bars()), "ETH/USDD": "gone.parquet"}
    tape = Tape("1x", files=files, start="soon", end="2018-13-01")
    assert told(tape, "BTC/USD", "ETH/USD") == golden()["parameters"]
    assert told(Tape(start="2019-01-01", end="2018-01-01")) == golden()["no files, end first"]


def test_a_timeframe_that_the_bars_do_not_divide(bars: Make, save: Save) -> None:
    tape = Tape("2m", files={"BTC/USD": save("btc.parquet", bars(step=120_000))})
    assert told(tape, spans=(60_000, 120_000, 180_000)) == golden()["indivisible timeframe"]


def test_bad_tables_in_memory(bars: Make) -> None:
    bad, ragged = bars(), bars()
    bad["close"][1] = math.nan
    ragged["close"] = ragged["close"][:2]
    tables = {"A/USD": bad, "B/USD": ragged, "C/USD": 7, "D/USD": {"price": [1.0]}}
    told = refusal(lambda: from_bars(tables, tuple(tables), (60_000,), "1m"))
    assert told == golden()["tables in memory"]
    told = refusal(lambda: from_bars({"BTC/USDT": bars()}, ("BTC/USD",), (), "1m"))
    assert told == golden()["tables of other symbols"]


def test_each_golden_sentence_belongs_to_a_test() -> None:
    source = Path(__file__).read_text()
    assert [name for name in golden() if f'"{name}"' not in source] == []
