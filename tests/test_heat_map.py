"""Heat maps: every label stands inside the picture, and colours say what is sure."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from PIL import Image

from emotional_ed.analysis.heat_map import Panel, heat_maps, plot_heat_maps
from emotional_ed.experiments.contests.rungs import COMPONENTS, RUNGS
from emotional_ed.experiments.contests.tasks import TASKS

ROWS = list(TASKS)


def full() -> list[Panel]:
    """Return two panels as large as those of the ladder."""
    rng = np.random.default_rng(0)
    found = []
    for title, columns in (("rungs", RUNGS), ("parts", COMPONENTS)):
        shape = (len(ROWS), len(columns))
        values = rng.choice([-1, 1], shape) * np.exp(rng.normal(1, 2, shape))
        found.append(Panel(title, tuple(columns), values, np.sign(values).astype(np.int64)))
    return found


def drawn(figure: Any) -> NDArray[np.int64]:
    """Return the figure's pixels, [H, W, 3]."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(np.int64)


def test_every_task_and_arm_is_labelled_inside_the_picture() -> None:
    figure = heat_maps(full(), ROWS, title="gain")
    pixels = drawn(figure).sum(-1)  # [H, W]
    height, width = pixels.shape
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ROWS
    assert [label.get_text().replace("\n", " ") for label in first.get_xticklabels()] == list(RUNGS)
    assert [label.get_text() for label in second.get_xticklabels()] == list(COMPONENTS)
    boxes = []
    for axis in figure.axes:
        labels = [*axis.get_xticklabels(), *(label for label in axis.get_yticklabels() if label.get_text())]
        for label in labels:
            box = label.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= width
            assert 0 <= box.y0 < box.y1 <= height
            inside = pixels[height - int(box.y1) : height - int(box.y0), int(box.x0) : int(box.x1)]
            assert (inside < 300).mean() > 0.02, label.get_text()  # dark letters
            boxes.append((label.get_text(), box))
    for i, (name, one) in enumerate(boxes):
        for other_name, other in boxes[i + 1 :]:
            assert not one.overlaps(other), (name, other_name)


def cell(image: NDArray[np.int64], panel: Panel, row: int, column: int) -> NDArray[np.int64]:
    """Return the colour near the corner of a cell of a single panel, where no letter stands."""
    figure = heat_maps([panel], [str(i) for i in range(len(panel.values))])
    drawn(figure)
    x, y = figure.axes[0].transData.transform((column - 0.42, row - 0.36))
    colour: NDArray[np.int64] = image[len(image) - int(y), int(x)]
    return colour


def test_losses_are_orange_gains_purple_and_what_is_not_sure_or_not_there_is_grey(tmp_path: Path) -> None:
    values = np.array([[-60.0, 60.0], [-60.0, 60.0], [np.nan, 1.0]])
    panel = Panel("x", ("a", "b"), values, np.array([[-1, 1], [0, 0], [0, 1]]))
    path = plot_heat_maps([panel], ["0", "1", "2"], tmp_path / "new" / "x.png")
    image = np.asarray(Image.open(path).convert("RGB")).astype(np.int64)
    red, _, blue = cell(image, panel, 0, 0)
    assert red > blue + 60
    red, green, blue = cell(image, panel, 0, 1)
    assert blue > green + 40
    assert red > green
    for row, column in ((1, 0), (1, 1), (2, 0)):
        colour = cell(image, panel, row, column)
        assert np.ptp(colour) < 12
        assert colour.min() > 225
    assert cell(image, panel, 2, 1).sum() > cell(image, panel, 0, 1).sum()  # a small gain is paler


def test_numbers_say_what_is_sure_with_an_arrow_and_the_file_is_small(tmp_path: Path) -> None:
    values = np.array([[-60.4, 0.04, np.nan, 12.6]])
    figure = heat_maps([Panel("x", ("a", "b", "c", "d"), values, np.array([[-1, 1, 0, 0]]))], ["only"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["▼-60", "▲+0.0", "+13"]
    path = plot_heat_maps(full(), ROWS, tmp_path / "a.png", title="gain")
    assert path.stat().st_size < 200_000
    assert not list(tmp_path.glob("*.part"))
    plain = io.BytesIO()
    heat_maps(full(), ROWS, title="gain").savefig(plain, dpi=100)
    one, other = (np.asarray(Image.open(where).convert("RGB")).astype(int) for where in (path, plain))
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 2  # few colours, the same picture


def test_what_does_not_fit_is_refused() -> None:
    ok = np.zeros((2, 1))
    with pytest.raises(ValueError, match=r"values: got \(2, 1\) with signs \(1, 1\)"):
        Panel("x", ("a",), ok, np.zeros((1, 1), dtype=np.int64))
    with pytest.raises(ValueError, match="two arrays of 2 columns"):
        Panel("x", ("a", "b"), ok, ok.astype(np.int64))
    with pytest.raises(ValueError, match="values: got one that is infinite"):
        Panel("x", ("a",), np.full((2, 1), np.inf), ok.astype(np.int64))
    with pytest.raises(ValueError, match="panels: got none"):
        heat_maps([], ["a"])
    with pytest.raises(ValueError, match="panels: got 'x' of 2 rows, expected 3"):
        heat_maps([Panel("x", ("a",), ok, ok.astype(np.int64))], ["a", "b", "c"])
