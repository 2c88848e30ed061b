"""Tables of the compiled core: a checked build refuses a row that does not exist."""

from typing import Any

import numba
import numpy as np
import pytest

from engine.core.assemble import layout
from engine.core.compile import build, table
from engine.core.compile.table import attach
from engine.core.machine import Compiled
from tests.market import portfolio, random_bars, run, state


def book_target(block: Any, addresses: Any, log: Any, k: int) -> float:
    """Read one word of a row of the block."""
    core: Any = attach(block, addresses, log)
    return core.books[k].quantity + len(core.books)


@pytest.mark.parametrize("row", [1, -1, 10**12])
def test_a_checked_build_refuses_a_row_outside_its_table(row: int) -> None:
    machine = Compiled(layout(portfolio()))
    with table.checked():
        read = numba.njit(error_model="python")(book_target)
        assert read(machine.block, np.zeros(1, np.int64), machine.log, 0) == 2.0
        with pytest.raises(IndexError, match="no such row"):
            read(machine.block, np.zeros(1, np.int64), machine.log, row)


def test_the_whole_core_runs_checked_and_leaves_the_same_bytes() -> None:
    events = random_bars(5_000, seed=8)
    plain = run(Compiled, portfolio(), events)
    with table.checked():
        assert build.driver() is not None
        assert state(run(Compiled, portfolio(), events)) == state(plain)
