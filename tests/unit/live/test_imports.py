"""What a live engine must not load: it is heavy, or it is not needed to trade."""

import subprocess
import sys

HEAVY = {"alembic", "pandas", "plotly", "polars", "pyarrow", "rich.console", "ccxt"}
HEAVY |= {"uvicorn"}  # is loaded as well, but when the engine trades already


def test_a_live_engine_loads_nothing_heavy() -> None:
    program = (
        "import sys; from engine.verbs import run; from engine.api import compose;"
        " compose(['mode=paper']); print(*sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(ran.stdout.split())
    assert "engine.live.shell" in loaded
    assert not loaded & HEAVY
