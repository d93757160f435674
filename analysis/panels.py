"""Small multiples: lines with bands, single members drawn thin, bars, shaded phases and a marked moment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotional_ed.analysis.small_png import save_small
from emotional_ed.checks import require_int

# Colours that stay apart for colour-blind eyes (Okabe and Ito), in the order in which roles use them.
COLOURS = {
    "felt": "#D55E00",
    "control": "#0072B2",
    "other": "#009E73",
    "third": "#CC79A7",
    "plain": "#56606B",
}
"""Role of a line -> its colour."""
_STYLES = {"felt": "-", "control": "--", "other": "-.", "third": ":", "plain": "-"}
_SHADE = "#ECE7DA"
_SIZES: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.5,
    "legend.fontsize": 8.5,
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve of a panel, N points."""

    y: ArrayLike
    """[N]; NaN leaves a gap."""
    x: ArrayLike | None = None
    """[N]; 0, 1, 2, ... if None."""
    low: ArrayLike | None = None
    """[N], lower end of the band; None draws no band."""
    high: ArrayLike | None = None
    """[N], its upper end."""
    role: str = "felt"
    """Which colour and style, a key of `COLOURS`."""
    label: str = ""
    """In the legend; not listed if empty."""
    thin: bool = False
    """Whether it is a single member, drawn thin."""
    steps: bool = False
    """Whether it jumps instead of sloping."""
    dots: bool = False
    """Whether its points are marked."""
    right: bool = False
    """Whether it belongs to the y axis on the right."""


@dataclass(frozen=True, kw_only=True)
class Bars:
    """One group of bars of a panel, one a tick."""

    heights: ArrayLike
    """[N]."""
    low: ArrayLike | None = None
    """[N], lower end of the interval."""
    high: ArrayLike | None = None
    """[N], its upper end."""
    role: str = "felt"
    """Which colour, a key of `COLOURS`."""
    label: str = ""
    """In the legend."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One small picture: what it says stands above it, as its title."""

    title: str
    """What is to be seen."""
    across: str = ""
    """Label of the x axis."""
    up: str = ""
    """Label of the y axis."""
    up_right: str = ""
    """Label of the y axis on the right, if some line belongs to it."""
    lines: Sequence[Line] = ()
    """Drawn in this order."""
    bars: Sequence[Bars] = ()
    """Side by side at each tick."""
    shaded: Sequence[tuple[float, float]] = ()
    """Spans of x with another background."""
    moment: float | None = None
    """Where a dotted upright line stands."""
    moment_label: str = ""
    """What happens there."""
    ticks: Sequence[str] = ()
    """Names of x = 0, 1, 2, ...; numbers if empty."""
    limits: tuple[float, float] | None = None
    """Ends of the left y axis; what lies beyond is marked with an arrow and its number."""
    legend: str = "best"
    """Where the legend stands, in matplotlib's words; none if empty."""
    grid: NDArray[Any] | None = field(default=None, compare=False)
    """[rows, columns], shown as an image instead of lines; NaN is blank."""
    arrows: Sequence[tuple[float, float, float, float, float]] = ()
    """On a grid: column, row, how far the arrow goes across and down, and how thick it is, in (0, 1]."""
    marks: Sequence[tuple[float, float, str]] = ()
    """On a grid: column, row, text, in the cell's corner."""
    full: float | None = None
    """On a grid: the value of the darkest colour; the largest value if None."""


def draw_panels(
    panels: Sequence[Panel],
    path: str | os.PathLike[str],
    *,
    columns: int = 2,
    title: str = "",
    height: float = 2.6,
    width: float = 9.0,
    shared_legend: bool = False,
) -> Path:
    """Save panels as one PNG; the file is replaced as a whole or not at all.

    Args:
        panels: what to draw, row by row.
        path: where the PNG goes.
        columns: panels a row, >= 1.
        title: above all of them.
        height: of one row, in inches of 100 pixels.
        width: of the picture.
        shared_legend: whether the first panel's legend stands below all of them instead of in each.

    Raises:
        ValueError: there is no panel, or matplotlib is not installed.
    """
    require_int("columns", columns, 1)
    if not panels:
        raise ValueError("panels: got none, expected at least one")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("plots: got no matplotlib, expected pip install 'emotional-ed[plots]'") from None
    rows = -(-len(panels) // columns)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(_SIZES):
        figure = Figure(figsize=(width, height * rows + 0.4 * bool(title)), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        for axis, panel in zip(axes, panels, strict=False):
            _draw(axis, panel, legend="" if shared_legend else panel.legend)
        if title:
            figure.suptitle(title, fontsize=11.5, fontweight="bold")
        if shared_legend:
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        return save_small(figure, target)


def _draw(axis: Any, panel: Panel, legend: str) -> None:
    axis.set_title(panel.title, loc="left")
    axis.set_xlabel(panel.across)
    axis.set_ylabel(panel.up)
    if panel.grid is not None:
        _draw_grid(axis, panel)
        return
    for left, right in panel.shaded:
        axis.axvspan(left, right, color=_SHADE, linewidth=0, zorder=0)
    if panel.moment is not None and np.isfinite(panel.moment):
        axis.axvline(panel.moment, color="#333333", linewidth=1, linestyle=":", zorder=1)
    if panel.limits is not None:
        axis.set_ylim(*panel.limits)
    beside = _right_axis(axis, panel)
    for line in panel.lines:
        _draw_line(beside if line.right else axis, line)
    for number, bars in enumerate(panel.bars):
        _draw_bars(axis, bars, number, len(panel.bars))
    if panel.moment is not None and panel.moment_label:
        axis.annotate(
            panel.moment_label, (panel.moment, 1), xycoords=("data", "axes fraction"),
            xytext=(3, -2), textcoords="offset points", va="top", fontsize=8, color="#333333",
        )  # fmt: skip
    if panel.ticks:
        axis.set_xticks(range(len(panel.ticks)), panel.ticks)
    if any(line.steps for line in panel.lines):
        axis.yaxis.get_major_locator().set_params(integer=True)
    for line in panel.lines if panel.limits is not None else ():
        if not line.right:
            _tell_what_is_beyond(axis, line, panel.limits)
    axis.spines[["top"] if beside is not axis else ["top", "right"]].set_visible(False)
    labels = [line.label for line in panel.lines] + [bars.label for bars in panel.bars]
    if legend and any(labels):
        handles, names = axis.get_legend_handles_labels()
        if beside is not axis:
            more, others = beside.get_legend_handles_labels()
            handles, names = handles + more, names + others
        (beside if beside is not axis else axis).legend(
            handles, names, loc=legend, frameon=True, framealpha=0.85, edgecolor="none", handlelength=1.8
        )


def _right_axis(axis: Any, panel: Panel) -> Any:
    """Return a second y axis in the colour of its lines, or the axis itself if no line belongs to it."""
    roles = {side: [one.role for one in panel.lines if one.right == side] for side in (False, True)}
    if not roles[True]:
        return axis
    beside = axis.twinx()
    beside.set_ylabel(panel.up_right)
    beside.spines["top"].set_visible(False)
    for one, side in ((axis, False), (beside, True)):
        if len(set(roles[side])) == 1:
            one.yaxis.label.set_color(COLOURS[roles[side][0]])
            one.tick_params(axis="y", colors=COLOURS[roles[side][0]])
    return beside


def _draw_line(axis: Any, line: Line) -> None:
    y = np.asarray(line.y, dtype=np.float64)
    x = np.arange(len(y)) if line.x is None else np.asarray(line.x, dtype=np.float64)
    colour = COLOURS[line.role]
    if line.low is not None and line.high is not None:
        step = "mid" if line.steps else None
        axis.fill_between(x, line.low, line.high, color=colour, alpha=0.22, linewidth=0, step=step)
    axis.plot(
        x,
        y,
        "-" if line.thin else _STYLES[line.role],
        color=colour,
        alpha=0.55 if line.thin else 1,
        linewidth=0.9 if line.thin else 1.8,
        label=line.label or None,
        drawstyle="steps-mid" if line.steps else "default",
        marker="o" if line.dots else None,
        markersize=3.5,
    )


def _draw_bars(axis: Any, bars: Bars, number: int, groups: int) -> None:
    heights = np.asarray(bars.heights, dtype=np.float64)
    wide = 0.8 / groups
    x = np.arange(len(heights)) + (number - (groups - 1) / 2) * wide
    error = None
    if bars.low is not None and bars.high is not None:
        low, high = np.asarray(bars.low, dtype=np.float64), np.asarray(bars.high, dtype=np.float64)
        error = np.abs(np.stack([heights - low, high - heights]))
    axis.bar(
        x, heights, 0.92 * wide, color=COLOURS[bars.role], label=bars.label or None, yerr=error,
        error_kw={"elinewidth": 1, "ecolor": "#333333"},
    )  # fmt: skip


def _tell_what_is_beyond(axis: Any, line: Line, limits: tuple[float, float] | None) -> None:
    """Mark points that lie beyond the ends of the y axis with an arrow and their number."""
    assert limits is not None
    y = np.asarray(line.y, dtype=np.float64)
    x = np.arange(len(y)) if line.x is None else np.asarray(line.x, dtype=np.float64)
    beyond = [(at, value) for at, value in zip(x, y, strict=True) if value < limits[0] or value > limits[1]]
    for i, (at, value) in enumerate(beyond):
        end, mark = (limits[0], "v") if value < limits[0] else (limits[1], "^")
        axis.plot([at], [end], mark, color=COLOURS[line.role], markersize=5, clip_on=False, zorder=5)
        if i == len(beyond) - 1:  # one number is enough where several are beyond
            axis.annotate(
                f"{value:.0f}", (at, end), xytext=(-4, 3 if mark == "v" else -3), textcoords="offset points",
                ha="right", va="bottom" if mark == "v" else "top", fontsize=8, color=COLOURS[line.role],
            )  # fmt: skip


def _draw_grid(axis: Any, panel: Panel) -> None:
    image = axis.imshow(panel.grid, cmap="YlOrBr", vmin=0, vmax=panel.full, aspect="equal")
    assert panel.grid is not None
    if np.nanmax(panel.grid, initial=0) > 0:
        axis.figure.colorbar(image, ax=axis, shrink=0.8)
    for column, row, right, down, thick in panel.arrows:
        axis.annotate(
            "", (column + right, row + down), xytext=(column, row), zorder=3,
            arrowprops={
                "arrowstyle": "->", "color": COLOURS["control"], "linewidth": 0.7 + 2.3 * thick,
                "shrinkA": 0, "shrinkB": 0, "alpha": 0.35 + 0.65 * thick,
            },
        )  # fmt: skip
    for column, row, text in panel.marks:
        axis.text(column - 0.44, row - 0.42, text, ha="left", va="top", fontsize=9, fontweight="bold")
    axis.set_xticks([])
    axis.set_yticks([])
