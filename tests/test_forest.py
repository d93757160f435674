"""Forest plots: marks stand where the numbers say, filled where sure, and every label is inside the picture."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from PIL import Image

from emotional_ed.analysis.forest import Series, forest, plot_forest

ROWS = ["fear on predator", "recall on regimes", "curiosity on noisy-maze"]
NAN = [np.nan] * 3


def series(name: str = "level 0") -> Series:
    return Series(name, np.array([[5.0, 10.0, 20.0], [-400.0, -300.0, -90.0], NAN]), np.array([1, -1, 0]))


def marks(figure: Any) -> list[tuple[float, float, str]]:
    """(per cent, row, filling) of every mark."""
    found = []
    for line in figure.axes[0].lines:
        if line.get_marker() in "oDs^" and len(line.get_xdata()):
            (x,), (y,) = np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata())
            found.append((float(x), float(y), to_hex(line.get_markerfacecolor())))
    return found


def test_marks_stand_where_the_numbers_say_and_at_the_edge_if_beyond_it() -> None:
    assert marks(forest([series()], ROWS)) == [(10.0, 0.0, "#542788"), (-150.0, 1.0, "#b35806")]
    unsure = Series("level 0", np.array([[-1.0, 1.0, 3.0]]), np.array([0]))
    assert marks(forest([unsure], ROWS[:1])) == [(1.0, 0.0, "#ffffff")]
    both = marks(forest([series(), series("rival")], ROWS))
    assert [round(row, 3) for _, row, _ in both] == [-0.2, 0.8, 0.2, 1.2]


def test_intervals_reach_from_end_to_end() -> None:
    lines = [line for line in forest([series()], ROWS).axes[0].lines if line.get_linewidth() == 1.4]
    assert [list(map(float, np.asarray(line.get_xdata()))) for line in lines] == [
        [5.0, 20.0],
        [-150.0, -90.0],
    ]


def test_every_label_stands_inside_the_picture() -> None:
    names = [f"a mechanism on {number} tasks" for number in range(27)]
    whole = Series("level 0", np.tile([1.0, 2.0, 3.0], (27, 1)), np.ones(27, dtype=np.int64))
    figure = forest([whole, whole], names, notes=["against the strongest one"] * 27, title="gain")
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == names
    boxes = [label.get_window_extent() for label in (*axis.get_yticklabels(), *axis.texts)]
    assert len(boxes) == 54
    assert all(0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height for box in boxes)
    ticks = [label.get_window_extent() for label in axis.get_xticklabels()]
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(ticks))


def test_the_picture_is_saved_as_a_small_png(tmp_path: Path) -> None:
    path = plot_forest([series()], ROWS, tmp_path / "new" / "forest.png", title="gain")
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "P")


def test_rows_series_and_notes_must_agree() -> None:
    with pytest.raises(ValueError, match="series: got 'level 0' of 3 rows, expected 2"):
        forest([series()], ROWS[:2])
    with pytest.raises(ValueError, match="series: got 0, expected 1 to 4"):
        forest([], ROWS)
    with pytest.raises(ValueError, match="notes: got 1, expected 3, one a row"):
        forest([series()], ROWS, notes=["a"])
    with pytest.raises(ValueError, match=r"ends: got \(2, 2\) with signs \(2,\), expected \(2, 3\)"):
        Series("level 0", np.zeros((2, 2)), np.zeros(2, dtype=np.int64))
