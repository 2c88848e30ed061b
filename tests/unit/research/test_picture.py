import itertools
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from matplotlib.figure import Figure
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


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> Callable[[Result], Figure]:
    """Return how to get the figure of a run with everything in its place."""
    found: list[Figure] = []

    def kept(figure: Figure, *_: object, **__: object) -> None:
        figure.draw_without_rendering()
        found.append(figure)

    def make(result: Result) -> Figure:
        monkeypatch.setattr(Figure, "savefig", kept)
        picture.write(result, Path())
        return found.pop()

    return make


PERPETUALS = [f"{coin}/USDT:USDT" for coin in ("BTC", "ETH", "SOL", "XRP")]


@pytest.mark.parametrize(
    "facts",
    [
        {"symbols": PERPETUALS, "strategies": ["ema_cross", "macd", "supertrend", "donchian"]},
        {"symbols": ["VERYLONG" * 9 + "/USDT"] * 9, "strategies": ["a_long_name" * 4] * 3},
    ],
)
def test_a_long_title_leaves_the_charts_their_room(
    finished: Finished, laid_out: Callable[[Result], Figure], facts: dict[str, list[str]]
) -> None:
    charts = laid_out(finished(**facts)).axes[1:]
    assert [axes for axes in charts if axes.get_position().width < 0.85] == []


def test_no_text_of_the_head_leaves_the_picture_or_lies_on_another(
    finished: Finished, laid_out: Callable[[Result], Figure]
) -> None:
    strategies = ["ema_cross", "macd", "supertrend", "donchian"]
    figure = laid_out(
        finished(final_equity=-64_568_002_089.71, symbols=PERPETUALS, strategies=strategies)
    )
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert max(box.x1 for box in boxes) < picture.WIDTH * picture.DPI
    assert not [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]


def test_large_amounts_have_no_exponent(
    finished: Finished, laid_out: Callable[[Result], Figure]
) -> None:
    result = finished()
    worth = pa.array(result.equity["equity"].to_numpy() * 6.5e6)
    index = result.equity.schema.get_field_index("equity")
    equity = result.equity.set_column(index, "equity", worth)
    figure = laid_out(Result(**vars(result) | {"equity": equity}))
    labels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert "64,000,000,000" in labels, labels
