"""The synthetic bars that all engines are measured on: see ../shared/data/workload.py."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import SHARED

NAMES = ("open", "high", "low", "close", "volume")


def bars(count: int, seed: int = 42) -> dict[str, Any]:
    """Return ts (s), open, high, low, close and volume of gapless one-minute bars."""
    spec = importlib.util.spec_from_file_location("workload", SHARED / "workload.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.make(count, seed))


def save(folder: Path, count: int) -> Path:
    """Write the bars where another environment can read them."""
    file = folder / "bars.npz"
    np.savez(file, **bars(count))
    return file
