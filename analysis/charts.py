"""Charts as HTML and SVG without scripts: they stretch to any screen, and letters keep their size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotional_ed.analysis.figures import show_tick, ticks
from emotional_ed.analysis.markup import Markup, element, together

_SIZE = 1000  # width and height of every drawing in its own units


@dataclass(frozen=True)
class Scale:
    """Maps numbers between two ends to the drawing's units."""

    low: float
    """What lies at the left or at the bottom."""
    high: float
    """What lies at the right or at the top."""

    def place(self, numbers: ArrayLike) -> NDArray[np.float64]:
        """Return positions, 0 at the low end, 1 at the high end."""
        return (np.asarray(numbers, dtype=np.float64) - self.low) / (self.high - self.low)


def spanning(*numbers: ArrayLike, margin: float = 0.05, cut: float = 0.0) -> Scale:
    """Return a scale that holds the finite numbers, less a share `cut` at either end, with a margin."""
    seen = np.concatenate([np.ravel(np.asarray(n, dtype=np.float64)) for n in numbers])
    seen = seen[np.isfinite(seen)]
    if not len(seen):
        return Scale(0.0, 1.0)
    low, high = (float(end) for end in np.quantile(seen, [cut, 1 - cut]))
    room = margin * (high - low) if high > low else max(abs(high), 1.0) * 0.5
    return Scale(low - room, high + room)


def line(x: ArrayLike, y: ArrayLike, across: Scale, up: Scale, class_: str) -> Markup:
    """Return a line through the points, broken where a number is missing."""
    return element("path", d=_path(across.place(x), 1 - up.place(y)), class_=class_)


def lines(x: ArrayLike, rows: NDArray[np.float64], across: Scale, up: Scale, class_: str) -> Markup:
    """Return one path of a line a row, [P, T]."""
    parts = (_path(across.place(x), 1 - up.place(row)) for row in rows)
    return element("path", d="".join(parts), class_=class_)


def band(x: ArrayLike, low: ArrayLike, high: ArrayLike, across: Scale, up: Scale, class_: str) -> Markup:
    """Return the area between two lines, where both are known."""
    left, bottom, top = across.place(x), 1 - up.place(low), 1 - up.place(high)
    known = np.isfinite(bottom) & np.isfinite(top)
    if not known.any():
        return Markup("")
    around = np.concatenate([left[known], left[known][::-1]])
    edge = np.concatenate([top[known], bottom[known][::-1]])
    return element("path", d=f"{_path(around, edge)}Z", class_=class_)


def dots(x: ArrayLike, heights: ArrayLike, across: Scale, class_: str) -> Markup:
    """Return points at heights in [0, 1] from the top; round however the drawing is stretched."""
    where, tall = _units(across.place(x)), _units(np.asarray(heights, dtype=np.float64))
    return element("path", d="".join(f"M{a} {b}h0" for a, b in zip(where, tall, strict=True)), class_=class_)


def ticked(x: ArrayLike, across: Scale, class_: str) -> Markup:
    """Return upright lines from edge to edge, for what happened at a moment."""
    return element("path", d="".join(f"M{a} 0V{_SIZE}" for a in _units(across.place(x))), class_=class_)


def _units(places: NDArray[np.float64]) -> list[int]:
    return [int(unit) for unit in np.rint(np.clip(places, -9, 9) * _SIZE)]


def _path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    pieces, pen = [], "M"
    known = np.isfinite(x) & np.isfinite(y)
    across, down = _units(np.where(known, x, 0)), _units(np.where(known, y, 0))
    for a, b, seen in zip(across, down, known, strict=True):
        if seen:
            pieces.append(f"{pen}{a} {b}")
        pen = "L" if seen else "M"
    return "".join(pieces)


def drawing(*parts: Markup, class_: str = "") -> Markup:
    """Return an SVG that fills its place, whatever its shape."""
    box = f"0 0 {_SIZE} {_SIZE}"
    return element(
        "svg", *parts, viewBox=box, preserveAspectRatio="none", class_=class_ or None, aria_hidden="true"
    )


def plot(
    parts: Sequence[Markup],
    across: Scale,
    up: Scale,
    *,
    x_title: str,
    y_title: str,
    label: str,
    small: bool = False,
) -> Markup:
    """Return a chart with axes around drawn parts.

    Args:
        parts: what is drawn, later ones on top.
        across: the horizontal scale.
        up: the vertical scale.
        x_title: what is across.
        y_title: what is up.
        label: the chart in words, for who cannot see it.
        small: one of many beside each other.
    """
    below = ticks(across.low, across.high, 3 if small else 5)
    beside = ticks(up.low, up.high, 3 if small else 5)
    grid = [line([v, v], [up.low, up.high], across, up, "grid") for v in below]
    grid += [line([across.low, across.high], [v, v], across, up, "grid") for v in beside]
    marks = [
        element("span", show_tick(v), class_="tx", style=f"left:{100 * float(across.place(v)):.2f}%")
        for v in below
    ]
    marks += [
        element("span", show_tick(v), class_="ty", style=f"bottom:{100 * float(up.place(v)):.2f}%")
        for v in beside
    ]
    inner = element("div", drawing(*grid, *parts), *marks, class_="area")
    return element(
        "div",
        element("div", y_title, class_="ytitle") if y_title else None,
        inner,
        element("div", x_title, class_="xtitle") if x_title else None,
        class_="plot small" if small else "plot",
        role="img",
        aria_label=label,
    )


def ruler(across: Scale) -> Markup:
    """Return the labels of a horizontal scale."""
    marks = [
        element("span", show_tick(v), class_="tx", style=f"left:{100 * float(across.place(v)):.2f}%")
        for v in ticks(across.low, across.high, 4)
    ]
    return element("div", *marks, class_="ruler")


def whisker(values: ArrayLike, middle: float, low: float, high: float, across: Scale, arm: str) -> Markup:
    """Return one row of a forest chart: a dot a seed, the interval, and the estimate."""
    seen = np.asarray(values, dtype=np.float64)
    golden = (np.arange(1, len(seen) + 1) * 0.618034) % 1  # spread, and the same each time
    parts = [dots(seen, 0.25 + 0.5 * golden, across, f"seed {arm}")]
    unit = Scale(0.0, 1.0)
    for v in ticks(across.low, across.high, 4):
        parts.insert(0, line([v, v], [0, 1], across, unit, "grid"))
    if math.isfinite(low) and math.isfinite(high):
        parts.append(line([low, high], [0.5, 0.5], across, unit, f"interval {arm}"))
    parts.append(dots([middle], [0.5], across, f"estimate {arm}"))
    return drawing(*parts)


def legend(names: Sequence[str], classes: Sequence[str]) -> Markup:
    """Return which line is which."""
    rows = []
    for name, class_ in zip(names, classes, strict=True):
        swatch = element("path", d=f"M0 {_SIZE // 2}H{_SIZE}", class_=f"curve {class_}")
        rows.append(element("li", drawing(swatch, class_="swatch"), name))
    return element("ul", together(*rows), class_="legend")
