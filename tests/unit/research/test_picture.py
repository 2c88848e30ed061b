import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.image import imread

from engine.compose import compose
from engine.errors import ConfigError
from engine.research import picture
from engine.research.result import Result
from engine.settings import validate

Finished = Callable[..., Result]

DAY = 86_400_000


def drawn(result: Result, folder: Path) -> tuple[int, int]:
    """Return width and height of the picture of a run, in pixels."""
    path = folder / "report.png"
    picture.write(result, path)
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_the_picture_is_as_wide_as_said_and_grows_with_the_years(
    finished: Finished, tmp_path: Path
) -> None:
    width, one = drawn(finished(300, [], span=DAY), tmp_path)
    _, three = drawn(finished(800, [], span=DAY), tmp_path)
    assert width == picture.WIDTH * picture.DPI
    assert three - one == pytest.approx(2 * 0.26 * picture.DPI, abs=1)  # two more lines


def test_gains_and_losses_are_tinted(finished: Finished, tmp_path: Path) -> None:
    def tints(trades: list[tuple[str, str, int, int]]) -> set[tuple[int, ...]]:
        picture.write(finished(90, trades, span=DAY), tmp_path / "x.png")
        pixels = (imread(tmp_path / "x.png")[..., :3] * 255).round().astype(int)
        return set(map(tuple, pixels[-120:].reshape(-1, 3).tolist()))  # the heat map's lines

    def greenish(found: set[tuple[int, ...]]) -> bool:
        return any(g > r + 20 for r, g, _ in found)

    def reddish(found: set[tuple[int, ...]]) -> bool:
        return any(r > g + 40 for r, g, _ in found)

    rise, fall = tints([("a", "X", 45, 70)]), tints([("a", "X", 10, 40)])
    assert (greenish(rise), reddish(rise)) == (True, False)
    assert (greenish(fall), reddish(fall)) == (False, True)


@pytest.mark.parametrize("count", [0, 1])
def test_the_shortest_runs_have_a_picture(finished: Finished, tmp_path: Path, count: int) -> None:
    result = finished(1, [])
    drawn(Result(**vars(result) | {"equity": result.equity.slice(0, count)}), tmp_path)


def test_names_are_only_text(finished: Finished, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(finished(strategies=["$x^$", "动量", "{\\bf"]), tmp_path)


def test_a_picture_needs_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    assert validate(compose(["report.png=true"])).report.png
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"report\.png=true: must be false without matplotlib"):
        validate(compose(["report.png=true"]))
    assert not validate(compose()).report.png
