"""A day of the market at full speed leaves memory and open files as they were."""

import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np

from tests.system.test_parity import ENGINE, ROOT, engine, progress

SYMBOLS = 20
WARM = 0.25  # of the run, while caches fill
GROWTH_MAX = 4_000_000  # bytes per million events, what two pieces of the market differ by
HANDLES_MAX = 1  # a journal file may be open or just closed


def sampled(process: int) -> tuple[int, int]:
    """Return the resident memory in bytes and the number of open files of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096, len(list(Path(f"/proc/{process}/fd").iterdir()))


def test_a_day_leaves_memory_and_handles_flat(tmp_path: Path) -> None:
    typed = [
        f"universe.symbols=[{','.join(f'S{i}/USDT' for i in range(SYMBOLS))}]",
        "strategy=[ema_cross,rsi_reversion]",
        "sizing.ratio=0.02",
        "risk.open_positions.count_max=40",
        "feed.interval_ms=1000",
        "feed.start='2024-01-01'",
        "feed.end='2024-01-02'",
        "feed.speed=null",
        f"store.directory={tmp_path}",
        "store.segment_mb=4",
    ]
    engine("compile", typed, "mode=paper")
    running = subprocess.Popen([*ENGINE, "run", *typed], cwd=ROOT)
    found = []
    for _ in count():
        seq, _ = progress(tmp_path / "engine.db")
        if running.poll() is not None:
            break
        if seq >= 0:
            found.append((seq, *sampled(running.pid)))
    assert running.returncode == 0
    last = progress(tmp_path / "engine.db")[0]
    seq, memory, handles = np.array([row for row in found if WARM * last < row[0] < last]).T
    slope = float(np.polyfit(seq / 1e6, memory, 1)[0])
    print(
        f"{last:,} events: {slope / 1e3:,.0f} kB per million events, {memory.max() / 1e6:.0f} MB,"
        f" {handles.min()} to {handles.max()} files, {len(seq)} samples",
        file=sys.stderr,
    )
    assert len(np.unique(seq)) > 20
    assert slope < GROWTH_MAX
    first, last_quarter = np.array_split(handles, 4)[0], np.array_split(handles, 4)[-1]
    assert np.median(last_quarter) <= np.median(first) + HANDLES_MAX
