"""Proves that paper and backtest are one path: a journal replayed must say what was stored."""

from pathlib import Path

import numpy as np

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.errors import CheckFailed
from engine.research.backtest import begin, replay
from engine.settings import Settings, build
from engine.store.database import read_only
from engine.store.rows import LOGGED, Scribe, difference, stored


def compare(settings: Settings, directory: Path) -> dict[str, int]:
    """Replay the journal that `settings.feed` names and compare every row with the store.

    Returns table → number of rows that are equal, byte for byte but for the run's name. Raises
    CheckFailed with the first difference of each table.
    """
    plan = layout(build(settings))
    recording = settings.feed.load(plan.portfolio.symbols, plan.portfolio.spans)
    events = recording.events
    machine = begin(plan, recording)
    table_of(machine.block, "account")["isolate"] = 1  # as it was live
    done = replay(machine, events)
    scribe = Scribe(plan, "", "", "")
    made = scribe.rows(done.logs) | {"equity": scribe.equity(events, np.asarray(done.equity))}
    first, last = int(events["seq"][0]), int(events["seq"][-1])
    counts, problems = {}, []
    database = read_only(directory)
    with database.connect() as connection:
        for table in (*LOGGED, "equity"):
            kept = stored(connection, table, first - 1, last)
            counts[table] = len(kept)
            if wrong := difference(table, kept, made.get(table, [])):
                problems.append(f"{wrong}. Keep {directory} and report this.")
    database.dispose()
    if problems:
        raise CheckFailed(*problems)
    return counts
