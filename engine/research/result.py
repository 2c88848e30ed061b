"""What a backtest answers: facts, statistics and tables, and the folder they are written to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine import clock
from engine.core.block import table_of
from engine.core.machine import Machine, Rows
from engine.core.portfolio import Portfolio
from engine.core.records import Kind, Reason, Status
from engine.feeds.tape import Recording
from engine.research import gate, report, stats, warnings
from engine.research.columns import numbers, to_array, to_table
from engine.research.recorder import Line
from engine.settings import Settings
from engine.version import code_version


@dataclass(frozen=True)
class Result:
    """What a backtest answers.

    facts    what `result.json` begins with: run_id, hashes, counts, final_equity, warnings …
    stats    statistic → value, None where it is not defined (`research.stats`)
    kpi      target → value, limit, passed (`research.gate`)
    equity   ts (ms), equity, drawdown (fraction, 0 or less): one row per distinct time
    trades   one row per closed round trip, in the order of closing
    orders   one row per order, in the order of placing
    bars     symbol → rows of `Bar`, as they were read
    config   the configuration as YAML, secrets masked
    lines    what strategies show on the charts of prices (`research.recorder`)
    scenarios  optimistic, base, pessimistic → what `figures` returns; empty where left out
    """

    facts: dict[str, Any]
    stats: dict[str, float | None]
    kpi: dict[str, Any]
    equity: pa.Table
    trades: pa.Table
    orders: pa.Table
    bars: dict[str, Rows]
    config: str
    lines: Sequence[Line] = ()
    scenarios: dict[str, dict[str, float | None]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the content of `result.json`."""
        parts = {"stats": self.stats, "scenarios": self.scenarios, "kpi": self.kpi}
        return self.facts | parts

    def save(self, folder: Path, html: bool = True, png: bool = False) -> None:
        """Write the result's files to a new folder."""
        folder.mkdir(parents=True)
        text = json.dumps(self.document(), indent=2, allow_nan=False)
        (folder / "result.json").write_text(text + "\n", encoding="utf-8")
        (folder / "config.yaml").write_text(self.config, encoding="utf-8")
        for name in ("trades", "orders", "equity"):
            file = folder / f"{name}.parquet"
            pq.write_table(getattr(self, name), file, compression="zstd", use_dictionary=False)
        if html:
            report.write(self, folder / "report.html")
        if png:
            from engine.research import picture  # matplotlib takes a second to import

            picture.write(self, folder / "report.png")


@dataclass(frozen=True)
class Replay:
    """A machine that has processed all events, its logs, and the equity after each event."""

    machine: Machine
    logs: dict[str, Rows]
    equity: Any


def gather(
    settings: Settings,
    recording: Recording,
    events: Rows,
    done: Replay,
    started: int,
    seconds: float,
    lines: Sequence[Line] = (),
) -> Result:
    """Return the result of a replay that began at `started` (ms) and took `seconds`."""
    facts = _facts(settings, recording, events, done, started) | {"seconds": seconds}
    trades = _trades(done)
    ts, equity = _curve(events, done)
    figures = _stats(done, facts, trades, ts, equity)
    known = warnings.about(facts, figures, trades, ts, equity)
    facts["warnings"] = [*known, *facts["warnings"]]
    return Result(
        facts=facts,
        stats=figures,
        kpi=gate.judge(gate.targets(settings), figures, trades),
        equity=to_table(
            {
                "ts": ts,
                "equity": equity,
                "drawdown": stats.drawdowns(done.machine.plan.portfolio.cash, equity),
            }
        ),
        trades=trades,
        orders=_orders(done),
        bars=recording.bars,
        config=settings.masked_yaml,
        lines=lines,
    )


def figures(events: Rows, done: Replay) -> dict[str, float | None]:
    """Return the final equity of a replay and every statistic, as `Result.stats` has them."""
    facts = {"open_positions": _open_positions(done), "fees": _fees(done)}
    found = _stats(done, facts, _trades(done), *_curve(events, done))
    return {"final_equity": _final_equity(done)} | found


def _final_equity(done: Replay) -> float:
    return float(done.equity[-1]) if len(done.equity) else done.machine.plan.portfolio.cash


def _fees(done: Replay) -> float:
    return float(table_of(done.machine.block, "account")[0]["fees"])


def _curve(events: Rows, done: Replay) -> tuple[Any, Any]:
    """Return each distinct time and the equity after its last event."""
    last = np.append(np.diff(events["ts"]) > 0, np.ones(min(1, len(events)), bool))
    return events["ts"][last], done.equity[last]


def _stats(
    done: Replay, facts: dict[str, Any], trades: pa.Table, ts: Any, equity: Any
) -> dict[str, float | None]:
    fills = done.logs["fills"]
    open_since = np.array([p["opened_at"] for p in facts["open_positions"]], np.int64)
    opened = np.append(to_array(trades["opened_at"]), open_since)
    closed = np.append(
        to_array(trades["closed_at"]), np.full_like(open_since, ts[-1:].max(initial=0))
    )
    plan = done.machine.plan
    sizes = np.array(
        [plan.portfolio.instruments[place.symbol].contract_size for place in plan.books]
    )
    return stats.compute(
        plan.portfolio.cash,
        ts,
        equity,
        trades,
        notional=float(np.abs(fills["quantity"] * fills["price"] * sizes[fills["book"]]).sum()),
        fees=facts["fees"],
        opened_at=opened,
        closed_at=closed,
    )


def _facts(
    settings: Settings, recording: Recording, events: Rows, done: Replay, started: int
) -> dict[str, Any]:
    plan = done.machine.plan
    portfolio = plan.portfolio
    stamp = clock.utc(started).translate(str.maketrans("", "", "-:.Z")).replace("T", "-")
    return {
        "run_id": f"{stamp}-{settings.config_hash[:8]}",
        "code_version": code_version(),
        "config_hash": settings.config_hash,
        "data_hash": recording.sha256,
        "started_at": clock.utc(started),
        "bars": int((events["kind"] <= Kind.TICK).sum()),
        "symbols": list(portfolio.symbols),
        "strategies": [instance.name for instance in portfolio.instances],
        "compiled": all(type(part).compiled for part in plan.parts),
        "fill_on": portfolio.fill_on.name.lower(),
        "made_up": recording.made_up,
        "currency": settings.account.currency,
        "cash": portfolio.cash,
        "trades": len(done.logs["trades"]),
        "final_equity": _final_equity(done),
        "fees": _fees(done),
        "costs": _costs(done),
        "signals": len(done.logs["signals"]),
        "denied": int((done.logs["decisions"]["approved"] == 0).sum()),
        "refused": int((done.logs["orders"]["status"] == Status.REFUSED).sum()),
        "open_positions": _open_positions(done),
        "warnings": [*recording.warnings, *_warnings(done)],
    }


def _costs(done: Replay) -> dict[str, float]:
    """Return what each cost took; funding and rebates that were received are below 0."""
    logs = done.logs
    return {
        "fees": _fees(done),
        "slippage": 0.0 + float(logs["fills"]["slippage"].sum()),  # 0.0 + -0.0 is 0.0
        "funding": 0.0 - float(logs["postings"]["amount"].sum()),
    }


def _warnings(done: Replay) -> list[str]:
    """Return what a reader of the figures must know, one sentence each."""
    portfolio, orders = done.machine.plan.portfolio, done.logs["orders"]
    refusals = orders["reason"][orders["status"] == Status.REFUSED]
    denials = done.logs["denials"]["reason"]
    kept = denials == Reason.OPPOSITE_SIGNAL
    found = []
    for reasons, what, became in (
        (denials[~kept], "opening", "denied"),
        (denials[kept], "exit", "held back"),
        (refusals, "order", "refused"),
    ):
        for code, count in zip(*np.unique(reasons, return_counts=True), strict=True):
            told = f"{warnings.counted(int(count), what)} {became}"
            found.append(f"{told}: {portfolio.reason(int(code))}.")
    python = [i.name for i in portfolio.instances if not type(i.strategy).compiled]
    if python:
        found.append(f"{', '.join(python)} ran as ordinary Python: slower by a factor of 100.")
    return found


def _names(done: Replay, books: Any) -> dict[str, list[str]]:
    """Return the columns strategy and symbol for the books of some rows."""
    named = [done.machine.plan.book(k) for k in range(len(done.machine.plan.books))]
    return {
        "strategy": [named[k][0].name for k in books],
        "symbol": [named[k][1] for k in books],
    }


def _open_positions(done: Replay) -> list[dict[str, Any]]:
    books = table_of(done.machine.block, "books")
    symbols = table_of(done.machine.block, "symbols")
    found = []
    for k in np.flatnonzero(books["position"]):
        book, instance = books[k], done.machine.plan.book(int(k))
        symbol = symbols[book["symbol"]]
        value = book["position"] * symbol["price"] * symbol["contract_size"]
        moved = (book["earned"] - book["spent"]) * symbol["contract_size"]  # as in log_trade
        found.append(
            {
                "strategy": instance[0].name,
                "symbol": instance[1],
                "opened_at": int(book["opened_at"]),
                "quantity": float(book["position"]),
                "entry_price": float(book["entry"]),
                "price": float(symbol["price"]),
                "value": float(value),
                "profit": float(moved + value - book["paid"] + book["funding"]),
            }
        )
    return found


def _trades(done: Replay) -> pa.Table:
    rows, plan = done.logs["trades"], done.machine.plan
    spans = np.array([place.span for place in plan.books], np.int64)
    sizes = np.array([plan.portfolio.instruments[p.symbol].contract_size for p in plan.books])
    cost = rows["entry"] * rows["quantity"] * sizes[rows["book"]]
    return to_table(
        _names(done, rows["book"])
        | {
            "opened_at": rows["opened_at"],
            "closed_at": rows["closed_at"],
            "quantity": rows["quantity"],
            "entry_price": rows["entry"],
            "exit_price": rows["exit"],
            "fees": rows["fees"],
            "funding": rows["funding"],
            "profit": rows["profit"],
            "return": rows["profit"] / np.abs(cost),
            "equity_at_entry": rows["equity"],
            "bars_held": (rows["closed_at"] - rows["opened_at"]) // spans[rows["book"]],
            "exit_reason": _reasons(plan.portfolio, rows["reason"]),
        }
    )


def _found(ids: Any, wanted: Any) -> tuple[Any, Any]:
    """Return where the wanted stand among ascending ids, and a mask of those that do.

    A replay that goes on from a state ends orders that were placed before it.
    """
    at = np.searchsorted(ids, wanted)
    known = np.zeros(len(wanted), bool)
    inside = at < len(ids)
    known[inside] = ids[at[inside]] == wanted[inside]
    return at[known], known


def _orders(done: Replay) -> pa.Table:
    """Return each order once, with what became of it; `working` where no event came any more."""
    rows, fills, portfolio = done.logs["orders"], done.logs["fills"], done.machine.plan.portfolio
    placed = rows[rows["status"] == Status.PLACED]
    last = placed.copy()
    final = rows[(rows["status"] != Status.PLACED) & (rows["status"] != Status.PARTIAL)]
    at, known = _found(placed["id"], final["id"])
    last[at] = final[known]
    fees, filled, paid = np.zeros((3, len(placed)))
    filled_at = np.zeros(len(placed), np.int64)
    at, known = _found(placed["id"], fills["order"])
    mine = fills[known]
    np.add.at(fees, at, mine["fee"])
    np.add.at(filled, at, mine["quantity"])
    np.add.at(paid, at, mine["quantity"] * mine["price"])
    filled_at[at] = mine["ts"]
    is_filled = filled != 0.0
    is_whole = last["status"] == Status.FILLED
    price = np.divide(paid, filled, out=np.zeros_like(paid), where=is_filled)
    price = np.where(is_whole & (filled == last["quantity"]), last["price"], price)
    is_over = (last["status"] == Status.REFUSED) | (last["status"] == Status.CANCELED)
    words = {int(status): status.name.lower() for status in Status}
    words[int(Status.PLACED)] = "working"
    refusals = [
        reason if over else None
        for reason, over in zip(_reasons(portfolio, last["reason"]), is_over.tolist(), strict=True)
    ]
    return to_table(
        {"id": placed["id"]}
        | _names(done, placed["book"])
        | {
            "placed_at": placed["ts"],
            "quantity": placed["quantity"],
            "reason": _reasons(portfolio, placed["reason"]),
            "tag": _tags(done, placed),
            "status": [words[status] for status in last["status"].tolist()],
            "refusal": refusals,
            "filled_at": numbers(filled_at, is_filled),
            "filled": filled,
            "price": numbers(price, is_filled),
            "fee": fees,
        }
    )


def _reasons(portfolio: Portfolio, codes: Any) -> list[str]:
    """Return the word of each reason code."""
    words = {code: portfolio.reason(code) for code in np.unique(codes).tolist()}
    return [words[code] for code in codes.tolist()]


def _tags(done: Replay, placed: Rows) -> list[str | None]:
    """Return why the strategy wanted each order; None for one that it did not ask for."""
    signals = done.logs["signals"]
    moments = zip(signals["seq"].tolist(), signals["book"].tolist(), strict=True)
    tags = dict(zip(moments, signals["tag"].tolist(), strict=True))
    texts = [instance.strategy.tags for instance in done.machine.plan.portfolio.instances]
    instances = [place.instance for place in done.machine.plan.books]
    return [
        texts[instances[book]].get(tags.get((seq, book), 0)) if reason == Reason.SIGNAL else None
        for seq, book, reason in placed[["seq", "book", "reason"]].tolist()
    ]
