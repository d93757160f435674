"""Forest plot: a row a comparison, a mark and an interval for each difference; what is sure is filled."""

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

_LIMIT = 150.0  # per cent at either end of the axis
_LINEAR = 2.0  # per cent around 0 within which the axis is even; beyond, it is logarithmic
_TICKS = (-100, -30, -10, -2, 0, 2, 10, 30, 100)
_ROW = 0.3  # inches
_COLOURS = {1: "#542788", 0: "#888888", -1: "#b35806"}  # those of the heat maps
_KEY = "purple and filled: a sure gain; orange and filled: a sure loss; grey and hollow: neither"
_MARKS = ("o", "D", "s", "^")
_SPREAD = 0.4  # of a row's height, between the first and the last mark


@dataclass(frozen=True)
class Series:
    """One difference of every row."""

    name: str
    """What it is over."""
    ends: NDArray[np.float64]
    """[R, 3], low end, value and high end in per cent; NaN leaves a row out."""
    signs: NDArray[np.int64]
    """[R]: 1 a sure gain, -1 a sure loss, 0 neither."""

    def __post_init__(self) -> None:
        if self.ends.shape != (len(self.signs), 3):
            raise ValueError(
                f"ends: got {self.ends.shape} with signs {self.signs.shape}, expected ({len(self.signs)}, 3)"
            )


def plot_forest(
    series: Sequence[Series],
    rows: Sequence[str],
    path: str | os.PathLike[str],
    *,
    notes: Sequence[str] | None = None,
    title: str = "",
) -> Path:
    """Save comparisons below each other as a PNG.

    Args:
        series: at least one, four at most.
        rows: R names.
        path: where the PNG goes.
        notes: R texts, which stand at the right of the rows.
        title: stands above all.

    Raises:
        ValueError: matplotlib is not installed, there is no series or too many, or one has other rows.
    """
    return save_small(forest(series, rows, notes=notes, title=title), path)


def forest(
    series: Sequence[Series], rows: Sequence[str], *, notes: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """Return the figure that `plot_forest` saves."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("plots: got no matplotlib, expected pip install 'emotional-ed[plots]'") from None
    if not 1 <= len(series) <= len(_MARKS):
        raise ValueError(f"series: got {len(series)}, expected 1 to {len(_MARKS)}")
    for one in series:
        if len(one.signs) != len(rows):
            raise ValueError(f"series: got {one.name!r} of {len(one.signs)} rows, expected {len(rows)}")
    if notes is not None and len(notes) != len(rows):
        raise ValueError(f"notes: got {len(notes)}, expected {len(rows)}, one a row")
    figure = Figure(figsize=(9.5, 1.6 + _ROW * len(rows)), layout="constrained")
    axis = figure.subplots()
    _lay_out(axis, rows, notes)
    offsets = np.linspace(-_SPREAD / 2, _SPREAD / 2, len(series)) if len(series) > 1 else np.zeros(1)
    for one, offset, mark in zip(series, offsets, _MARKS, strict=False):
        _draw(axis, one, float(offset), mark)
    handles = [axis.plot([], [], mark, color="black")[0] for mark in _MARKS[: len(series)]]
    names = [f"over {one.name}" for one in series]
    axis.legend(handles, names, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(series), frameon=False)
    figure.suptitle(title, fontsize=11)
    return figure


def _lay_out(axis: Any, rows: Sequence[str], notes: Sequence[str] | None) -> None:
    axis.set_xscale("symlog", linthresh=_LINEAR, linscale=0.5)
    axis.set_xlim(-_LIMIT, _LIMIT)
    axis.set_xticks(_TICKS, [f"{tick:+d} %" if tick else "0" for tick in _TICKS], fontsize=8)
    axis.xaxis.minorticks_off()
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_yticks(range(len(rows)), rows, fontsize=9)
    axis.tick_params(length=0)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    for number in range(1, len(rows), 2):
        axis.axhspan(number - 0.5, number + 0.5, color="#f5f5f5", zorder=0)
    for side in axis.spines.values():
        side.set_visible(False)
    axis.set_xlabel(_KEY, fontsize=9)
    for number, note in enumerate(notes or ()):
        axis.annotate(
            note, (1, number), (6, 0), ("axes fraction", "data"), "offset points",
            va="center", fontsize=8, color="#444444",
        )  # fmt: skip


def _draw(axis: Any, series: Series, offset: float, mark: str) -> None:
    for row, ((low, value, high), sign) in enumerate(zip(series.ends, series.signs, strict=True)):
        if np.isnan(value):
            continue
        colour, place = _COLOURS[int(sign)], row + offset
        axis.plot([max(low, -_LIMIT), min(high, _LIMIT)], [place, place], color=colour, linewidth=1.4)
        at, inside = np.clip(value, -_LIMIT, _LIMIT), colour if sign else "white"
        axis.plot(at, place, mark, color=colour, markerfacecolor=inside, markersize=5)
