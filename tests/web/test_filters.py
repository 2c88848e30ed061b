"""What people put into addresses to reach the database: a name that nothing has, or refused."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from litestar.exceptions import ClientException

from tests.web.views import busy, looking, overheard, rows
from web.routes import chain, orders, signals, trades
from web.view import Page

TABLES = ("signal", "decision", "denial", "order", "fill", "trade", "position", "run")
FILTERS: dict[str, tuple[Page, tuple[str, ...]]] = {
    "signals": (signals.PAGE, ("instance", "symbol", "outcome", "older", "newer")),
    "orders": (orders.PAGE, ("instance", "symbol", "status", "older", "newer")),
    "trades": (
        trades.PAGE,
        ("instance", "symbol", "outcome", "sort", "from", "to", "older", "newer"),
    ),
    "chain": (chain.PAGE, ("seq", "instance", "symbol")),
}
CORPUS = (
    "'",
    '"',
    "''",
    "\\",
    "--",
    ";",
    "' --",
    "'/*",
    "' OR '1'='1",
    "' OR 1=1--",
    '" OR ""="',
    "') OR ('1'='1",
    "ema_cross' --",
    "ema_cross'||'",
    "1 OR 1=1",
    "1; DROP TABLE trade",
    "1_0; DROP TABLE trade",
    "1_0) OR (1=1",
    "'; DELETE FROM 'order'; --",
    "' UNION SELECT name FROM sqlite_master --",
    "' UNION ALL SELECT null,null,null,null,null,null,null,null,null,null,null,null,null --",
    "' AND (SELECT count(*) FROM sqlite_master) > 0 --",
    "' AND randomblob(500000000) --",
    "' AND 1=(SELECT load_extension('x')) --",
    "' AND CASE WHEN 1=1 THEN 1 ELSE abs(-9223372036854775808) END --",
    "1 AND SLEEP(5)",
    "1'; SELECT pg_sleep(5); --",
    "1 WAITFOR DELAY '0:0:5'",
    "profit DESC, (SELECT 1)",
    "newest; ATTACH DATABASE 'x' AS x",
    "best, randomblob(1)",
    "2024-01-01' OR '1'='1",
    "%' OR '1' LIKE '%",
    "%27%20OR%201=1",
    "%",
    "_",
    "*",
    "NULL",
    "\x00",
    "a\x00' OR 1=1",
    "ʼ OR 1=1",
    "＇ OR 1=1",
    "¿'¿ OR 1=1",
    "{{7*7}}",
    "${7*7}",
    "%(name)s",
    "%s",
    "?",
    ":instance",
    "9" * 40,
    "1e400",
    "NaN",
    "x" * 5_000,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that nobody changes."""
    return busy(tmp_path_factory.mktemp("busy") / "var")


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, (_, keys) in FILTERS.items() for key in keys]
)
def test_a_filter_never_becomes_a_statement(folder: Path, name: str, key: str) -> None:
    page, before = FILTERS[name][0], [rows(folder, table, "1") for table in TABLES]
    seq = {"seq": str(rows(folder, "trade")[-1]["seq"])} if name == "chain" else {}
    with looking(folder) as view, overheard(view.engine) as said:
        for payload in CORPUS:
            try:
                shown = page.context(replace(view, query=seq | {key: payload}))
            except ClientException as wrong:
                refused = wrong.detail
            else:
                assert key in ("instance", "symbol"), f"{payload} passed as {key}"
                assert not (shown["chains"] if name == "chain" else shown["rows_page"].items)
                refused = f"{key}: must be"
            assert f"{key}: must be" in refused
            assert len(refused) < 200
    assert not [text for text, _ in said for p in CORPUS if len(p) > 4 and p in text]
    assert [rows(folder, table, "1") for table in TABLES] == before


def test_both_names_at_once(folder: Path) -> None:
    for instance, symbol in product(("' OR 1=1--", "ema_cross"), ("' OR ''='", "x")):
        with looking(folder, {"instance": instance, "symbol": symbol}) as view:
            assert not trades.context(view)["trades"]
