"""Heat maps beside each other: a row a task, a column an arm; what is sure is in colour."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis.small_png import save_small

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = "PuOr"  # orange is loss, purple is gain: apart for colour-blind eyes, and in grey by the arrows
_LIMIT = 100.0  # per cent at which colours are full
_LINEAR = 2.0  # per cent around 0 within which colour grows evenly; beyond, with the logarithm
_ROW, _COLUMN = 0.27, 0.72  # inches of a cell
_UNSURE = "#666666"
_ARROWS = {1: "▲", 0: "", -1: "▼"}


@dataclass(frozen=True)
class Panel:
    """One heat map."""

    title: str
    """What is compared with what."""
    columns: tuple[str, ...]
    """C names."""
    values: NDArray[np.float64]
    """[T, C] in per cent; NaN leaves a cell empty."""
    signs: NDArray[np.int64]
    """[T, C]: 1 a sure gain, -1 a sure loss, 0 neither; only sure cells are coloured."""

    def __post_init__(self) -> None:
        if self.values.shape != self.signs.shape or self.values.shape[1:] != (len(self.columns),):
            raise ValueError(
                f"values: got {self.values.shape} with signs {self.signs.shape}, expected two arrays of "
                f"{len(self.columns)} columns"
            )
        if np.isinf(self.values).any():
            raise ValueError("values: got one that is infinite, expected numbers, or NaN for empty cells")


def plot_heat_maps(
    panels: Sequence[Panel], rows: Sequence[str], path: str | os.PathLike[str], *, title: str = ""
) -> Path:
    """Save panels that share their rows beside each other as a PNG.

    Args:
        panels: at least one.
        rows: T names.
        path: where the PNG goes.
        title: stands above all.

    Raises:
        ValueError: matplotlib is not installed, there is no panel, or a panel has other rows.
    """
    return save_small(heat_maps(panels, rows, title=title), path)


def heat_maps(panels: Sequence[Panel], rows: Sequence[str], *, title: str = "") -> Figure:
    """Return the figure that `plot_heat_maps` saves."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("plots: got no matplotlib, expected pip install 'emotional-ed[plots]'") from None
    if not panels:
        raise ValueError("panels: got none, expected at least one")
    for one in panels:
        if len(one.values) != len(rows):
            raise ValueError(f"panels: got {one.title!r} of {len(one.values)} rows, expected {len(rows)}")
    widths = [len(one.columns) for one in panels]
    figure = Figure(figsize=(2.2 + _COLUMN * sum(widths), 2.0 + _ROW * len(rows)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels), width_ratios=widths, squeeze=True))
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        _draw(axis, panel, rows if number == 0 else [""] * len(rows))
    figure.suptitle(title, fontsize=11)
    figure.supxlabel(
        "▲ gain, ▼ loss, in colour where sure; grey where not; empty where nothing is learned", fontsize=9
    )
    return figure


def _draw(axis: Any, panel: Panel, rows: Sequence[str]) -> None:
    from matplotlib.colors import SymLogNorm

    sure = np.where(panel.signs == 0, 0.0, np.nan_to_num(panel.values))
    norm = SymLogNorm(_LINEAR, vmin=-_LIMIT, vmax=_LIMIT)
    image = axis.imshow(sure.clip(-_LIMIT, _LIMIT), cmap=_COLOURS, norm=norm, aspect="auto")
    axis.set_xticks(range(len(panel.columns)), [_folded(name) for name in panel.columns], fontsize=8)
    axis.xaxis.tick_top()
    axis.set_yticks(range(len(rows)), rows, fontsize=9)
    axis.tick_params(length=0)
    axis.set_title(panel.title, fontsize=10)
    for side in axis.spines.values():
        side.set_visible(False)
    axis.set_xticks(np.arange(1, len(panel.columns)) - 0.5, minor=True)
    axis.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
    axis.grid(which="minor", color="#dddddd", linewidth=0.6)
    axis.tick_params(which="minor", length=0)
    for i, j in zip(*np.nonzero(np.isfinite(panel.values)), strict=True):
        value, sign = float(panel.values[i, j]), int(panel.signs[i, j])
        text = f"{_ARROWS[sign]}{value:+.{1 if abs(value) < 9.95 else 0}f}"
        colour = _ink(image.cmap(norm(sure[i, j]))) if sign else _UNSURE
        axis.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)


def _ink(paper: tuple[float, float, float, float]) -> str:
    """Return the colour of letters that stand out from a colour."""
    red, green, blue, _ = paper
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def _folded(name: str) -> str:
    return name.replace(" ", "\n")
