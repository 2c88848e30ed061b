"""What all tests share: the shared data, the cache of compiled code, and both kinds of machine."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

pytest.register_assert_rewrite("tests.market")


def pytest_configure(config: pytest.Config) -> None:
    if not SHARED.is_dir() and os.environ.get("CI") == "true":
        raise pytest.UsageError("CI=true, and there is no ../shared/data beside the project")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, in a user's clone, the tests that need ../shared/data."""
    if SHARED.is_dir():
        return
    needing = [item for item in items if "shared" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=needing)
    items[:] = [item for item in items if item not in needing]


def pytest_report_header(config: pytest.Config) -> str:
    return "" if SHARED.is_dir() else "no ../shared/data: the tests that read it are left out"


@pytest.fixture(autouse=True)
def forget_plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget what a test has imported from a folder of its own."""
    path, before = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    importlib.invalidate_caches()
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path_factory.getbasetemp())):
            del sys.modules[name]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real market data and reference values."""
    return SHARED


@pytest.fixture(params=["compiled", "interpreted"])
def machine(request: pytest.FixtureRequest) -> type:
    """Return each kind of machine in turn: the same tests hold for both."""
    from engine.core.machine import Compiled, Interpreted

    return Compiled if request.param == "compiled" else Interpreted
