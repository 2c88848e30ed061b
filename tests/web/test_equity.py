"""The curve, the falls and the day's profit, from what a real engine wrote over two days."""

import shutil
from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, event, insert, select

from engine.store.database import open_engine, read_only
from engine.store.tables import Row, tables
from tests.unit.live.engines import trade
from web import equity
from web.equity import DAY, HOUR, MINUTE, POINTS, TICKS
from web.plot import BOTTOM, FALL_BOTTOM, FALL_TOP, HEIGHT, TOP, WIDTH, plot
from web.view import State

EQUITY, TRADE = tables("engine")["equity"], tables("engine")["trade"]
MIDNIGHT = 1_704_153_600_000  # 2024-01-02
STOPPED = State("stopped", "store")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of a market that ended in its second day."""
    folder = tmp_path_factory.mktemp("two-days")
    trade(folder, "2024-01-02T03:00:30")
    return folder


@pytest.fixture
def store(folder: Path) -> Iterator[Connection]:
    """Yield a connection that reads."""
    yield from reading(folder)


@pytest.fixture(scope="module")
def long(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Yield a store with 35 days of minutes behind those of the engine."""
    engine = copied(folder, tmp_path_factory.mktemp("long") / "var")
    with engine.begin() as connection:
        append(connection, 35 * DAY // MINUTE)
    yield engine
    engine.dispose()


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Iterator[Engine]:
    """Yield a store that a test may write."""
    engine = copied(folder, tmp_path / "var")
    yield engine
    engine.dispose()


def copied(folder: Path, to: Path) -> Engine:
    """Return a copy of what the engine left, to be written."""
    shutil.copytree(folder, to)
    return open_engine(to)


def reading(folder: Path) -> Iterator[Connection]:
    """Yield a connection that reads the store of a folder."""
    database = read_only(folder)
    with database.connect() as connection:
        yield connection
    database.dispose()


def append(connection: Connection, count: int, value: float | None = None) -> Row:
    """Store more minutes behind the last one, a random walk or all the same; return that one."""
    newest = select(EQUITY).order_by(EQUITY.c.seq.desc()).limit(1)
    last = dict(connection.execute(newest).mappings().one())
    walk = (
        float(last["equity"]) * (1.0 + np.random.default_rng(1).normal(0.0, 1e-4, count)).cumprod()
    )
    rows = []
    for k, now in enumerate(walk.tolist(), 1):
        at = {"seq": last["seq"] + 10 * k, "ts": last["ts"] + k * MINUTE}
        rows.append(last | at | {"equity": Decimal(repr(value or now))})
    connection.execute(insert(EQUITY), rows)
    return last


def minutes(connection: Connection) -> list[tuple[int, float, float]]:
    """Return time, equity and fall of every minute, the plain way."""
    rows = connection.execute(select(EQUITY).order_by(EQUITY.c.seq)).mappings().all()
    values = [float(row["equity"]) for row in rows]
    highs = accumulate(values, max)
    times = [row["ts"] for row in rows]
    return [(t, v, v / h - 1.0) for t, v, h in zip(times, values, highs, strict=True)]


# ── the curve ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", equity.RANGES)
def test_every_point_is_a_minute_that_was_written_down(store: Connection, name: str) -> None:
    written = minutes(store)
    now = equity.now(store, STOPPED)
    assert now is not None
    curve = equity.curve(store, name, *now)
    assert {(p.ts, p.equity, p.fall) for p in curve.points} <= set(written)
    assert curve.points[-1].ts == curve.end == written[-1][0]
    span = equity.RANGES[name]
    assert curve.start == (max(written[0][0], curve.end - span) if span else written[0][0])
    assert min(p.ts for p in curve.points) >= curve.start


def test_an_hour_has_each_of_its_minutes(store: Connection) -> None:
    written = minutes(store)
    curve = equity.curve(store, "1h", *written[-1][:2])
    assert [(p.ts, p.equity, p.fall) for p in curve.points] == written[-61:]


@pytest.mark.parametrize("name", equity.RANGES)
def test_a_long_curve_is_thin_and_its_falls_are_true(long: Engine, name: str) -> None:
    with long.connect() as connection:
        written = minutes(connection)
        now = written[-1][0]
        found = equity.curve(connection, name, now, written[-1][1])
    assert len(found.points) <= POINTS
    assert {(p.ts, p.equity, p.fall) for p in found.points} <= set(written)
    span = equity.RANGES[name] or now - written[0][0]
    assert len(found.points) > min(POINTS, span // MINUTE) // 2
    steps = {b.ts - a.ts for a, b in pairwise(found.points[:-1])}
    assert steps == {equity.step_of(span)}
    assert found.points[0].ts % equity.step_of(span) == 0


def test_points_stay_in_place_while_time_goes_on(long: Engine) -> None:
    with long.connect() as connection:
        now = minutes(connection)[-1][0]
        before = equity.sampled(connection, now - 10 * MINUTE - 7 * DAY, now - 10 * MINUTE)
        after = equity.sampled(connection, now - 7 * DAY, now)
    assert set(before[2:-2]) <= set(after) | set(before[:2])


def test_the_live_equity_ends_the_curve(store: Connection) -> None:
    last = minutes(store)[-1]
    live = State("running", "stream", ts=last[0] + 30_000, equity=20_000.0)
    now = equity.now(store, live)
    assert now == (last[0] + 30_000, 20_000.0)
    points = equity.curve(store, "1h", *now).points
    assert (points[-1].ts, points[-1].equity, points[-1].fall) == (*now, 0.0)
    assert points[-2].ts == last[0]


def test_a_hole_is_not_drawn_across(copy: Engine) -> None:
    with copy.begin() as connection:
        now = minutes(connection)[-1][0]
        hole = EQUITY.c.ts.between(now - 20 * HOUR, now - 10 * HOUR)
        drop_triggers(connection)
        connection.execute(EQUITY.delete().where(hole))
        found = equity.curve(connection, "1d", now, 10_000.0)
    drawn = plot(found, "UTC")
    assert drawn is not None
    assert drawn.line.count("M") == 2
    assert drawn.area.count("z") == 2


def drop_triggers(connection: Connection) -> None:
    """Let the history of a copy be changed."""
    names = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    for (name,) in connection.exec_driver_sql(names).all():
        connection.exec_driver_sql(f'DROP TRIGGER "{name}"')


def test_a_curve_reads_no_table_through(long: Engine) -> None:
    asked: list[tuple[str, Any]] = []
    with long.connect() as connection:
        now = minutes(connection)[-1][0]
        equity.curve(connection, "all", now, 10_000.0)  # the highs are known now
        event.listen(long, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
        equity.curve(connection, "all", now, 10_000.0)
        equity.today(connection, now, 10_000.0)
        equity.now(connection, STOPPED)
        plans = [
            row[3]
            for statement, given in asked.copy()
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
        ]
    bounded = {"SCAN CONSTANT ROW", "SCAN grid", "SCAN equity", "SCAN trade"}  # the two by LIMIT
    assert {plan for plan in plans if "SCAN" in plan} <= bounded
    unbounded = [s for s, _ in asked if "LIMIT" not in s and "min(run.id)" not in s]
    assert all("equity.seq > ?" in s for s in unbounded)
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]


# ── trades on it ──────────────────────────────────────────────────────────────────────────────


def test_ticks_are_the_trades_of_the_range(store: Connection) -> None:
    now = minutes(store)[-1][:2]
    rows = store.execute(select(TRADE).order_by(TRADE.c.seq, TRADE.c.ordinal)).mappings().all()
    for name, span in equity.RANGES.items():
        curve = equity.curve(store, name, *now)
        since = now[0] - span if span else 0
        closed = [r for r in rows if since <= r["closed_at"] <= now[0]]
        assert [(t.ts, t.profit) for t in curve.ticks] == [
            (r["closed_at"], float(r["profit"])) for r in closed
        ]
        assert not curve.is_cut
    assert len(rows) > len(equity.curve(store, "1h", *now).ticks) > 0


def test_only_the_last_trades_are_ticks(copy: Engine) -> None:
    with copy.begin() as connection:
        rows = connection.execute(select(TRADE).order_by(TRADE.c.seq.desc())).mappings().all()
        now = minutes(connection)[-1][0]

        def add(count: int, since: int) -> list[int]:
            """Store so many trades of the last hour."""
            at = [
                {"seq": rows[0]["seq"] + since + k, "closed_at": now - 9_999 + k + since}
                for k in range(1, count + 1)
            ]
            connection.execute(insert(TRADE), [dict(rows[0]) | one for one in at])
            return [one["closed_at"] for one in at]

        before = [tick.ts for tick in equity.curve(connection, "1h", now, 10_000.0).ticks]
        added = add(TICKS - len(before), 0)
        whole = equity.curve(connection, "1h", now, 10_000.0)
        added += add(9, len(added))
        cut = equity.curve(connection, "1h", now, 10_000.0)
    assert ([tick.ts for tick in whole.ticks], whole.is_cut) == ([*before, *added[:-9]], False)
    assert ([tick.ts for tick in cut.ticks], cut.is_cut) == ([*before, *added][-TICKS:], True)


# ── the day ───────────────────────────────────────────────────────────────────────────────────


def test_today_begins_with_the_equity_at_midnight(store: Connection) -> None:
    opening = {t: v for t, v, _ in minutes(store)}[MIDNIGHT]
    found = equity.today(store, MIDNIGHT + HOUR, opening + 5.0)
    assert found is not None
    assert (found.since, found.opening) == (MIDNIGHT, opening)
    assert found.profit == pytest.approx(5.0)
    assert found.ratio == pytest.approx(5.0 / opening)
    later = select(TRADE.c.closed_at).where(TRADE.c.seq > found.seq)
    assert min(store.execute(later).scalars()) > MIDNIGHT


def test_the_first_day_begins_with_the_first_minute(store: Connection) -> None:
    first = minutes(store)[0]
    found = equity.today(store, first[0] + HOUR, 9_000.0)
    assert found is not None
    assert (found.since, found.opening, found.profit) == (first[0], 10_000.0, -1_000.0)


def test_a_day_after_a_pause_begins_with_the_last_equity_before(store: Connection) -> None:
    last = minutes(store)[-1]
    found = equity.today(store, last[0] + 3 * DAY, last[1] - 1.0)
    assert found is not None
    assert found.opening == last[1]


def test_nothing_is_known_of_an_empty_store(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "new")
    with engine.connect() as connection:
        assert equity.now(connection, STOPPED) is None
        assert equity.today(connection, MIDNIGHT, 0.0) is None
        curve = equity.curve(connection, "1d", MIDNIGHT, 10_000.0)
    engine.dispose()
    assert plot(curve, "UTC") is None


# ── the highest ───────────────────────────────────────────────────────────────────────────────


def test_highs_are_read_once_and_then_what_is_new(copy: Engine) -> None:
    highs = equity.Highs()
    with copy.begin() as connection:
        highs.read(connection)
        before = minutes(connection)
        assert highs.at(before[-1][0]) == max(v for _, v, _ in before)
        last = append(connection, 3, 20_000.0)
        asked: list[object] = []
        event.listen(copy, "before_cursor_execute", lambda *a: asked.append(a[3]))
        highs.read(connection)
        after = minutes(connection)
    assert asked[0] == (last["seq"],)
    assert highs.at(after[-1][0]) == 20_000.0
    times = [t for t, _, _ in after]
    for at in (times[0] - 1, times[0], times[700] + 1, times[-5], times[-1]):
        known = [v for _, v, _ in after[: bisect_right(times, at)]]
        assert highs.at(at) == max(known, default=0.0)


def test_the_highs_of_two_stores_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    trade(tmp_path / "other", "2024-01-01T00:10")
    for one in (folder, tmp_path / "other", folder):
        for connection in reading(one):
            written = minutes(connection)
            assert equity.highs_of(connection).at(MIDNIGHT * 2) == max(v for _, v, _ in written)


# ── the picture ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", equity.RANGES)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_a_picture_keeps_inside_its_frame(long: Engine, name: str, zone: str) -> None:
    with long.connect() as connection:
        now = minutes(connection)[-1]
        found = equity.curve(connection, name, *now[:2])
    drawn = plot(found, zone)
    assert drawn is not None
    places = list(visited(drawn.line))
    assert {x for x, _ in places} <= set(range(WIDTH + 1))
    assert all(TOP <= y <= BOTTOM for _, y in places)
    assert places[-1][0] == WIDTH
    assert all(FALL_TOP <= y <= FALL_BOTTOM for _, y in visited(drawn.fall.split("V")[0]))
    assert len(places) == len(found.points)
    assert 2 <= len(drawn.levels) <= 7
    assert drawn.levels[0][0] == BOTTOM < HEIGHT
    assert drawn.levels[-1][0] == TOP
    assert drawn.levels[0][1] <= min(p.equity for p in found.points)
    assert drawn.levels[-1][1] >= max(p.equity for p in found.points)
    assert 1 <= len(drawn.times) <= 6
    assert all(0.0 <= x <= 100.0 for x, _ in drawn.times)


def visited(path: str) -> Iterator[tuple[int, int]]:
    """Yield the places that a path of one piece goes through."""
    begin, *moves = path.removeprefix("M").split("l")
    x, y = map(int, begin.split())
    yield x, y
    for move in moves:
        dx, dy = map(int, move.split())
        x, y = x + dx, y + dy
        yield x, y


def test_trades_are_ticks_where_they_were_closed() -> None:
    points = [equity.Point(0, 10.0, 0.0), equity.Point(100 * MINUTE, 11.0, 0.0)]
    won, lost = equity.Tick(25 * MINUTE, 1.0), equity.Tick(50 * MINUTE, -1.0)
    drawn = plot(equity.Curve(0, 100 * MINUTE, points, [won, won, lost], False), "UTC")
    assert drawn is not None
    assert (drawn.gains, drawn.losses) == ("M250 184v-7", "M500 184v7")


def test_a_flat_curve_is_a_picture_too() -> None:
    points = [equity.Point(k * MINUTE, 10_000.0, 0.0) for k in range(3)]
    drawn = plot(equity.Curve(0, 2 * MINUTE, points, [], False), "UTC")
    assert drawn is not None
    assert len({y for _, y in visited(drawn.line)}) == 1
    assert drawn.deepest == 0.0


def test_an_account_that_lost_all_is_a_picture_too() -> None:
    points = [equity.Point(0, 10.0, 0.0), equity.Point(MINUTE, -1.0, -1.0)]
    assert plot(equity.Curve(0, MINUTE, points, [], False), "UTC") is not None
