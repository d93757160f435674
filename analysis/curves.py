"""Learning curves over steps, from episodes of unequal length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis.load import Run
from emotional_ed.analysis.statistics import estimate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The IQM over members of the return, per span of steps."""

    steps: Array
    """[T], ends of the spans."""
    value: Array
    """[T], the IQM."""
    low: Array
    """[T], lower end of the 95 % interval."""
    high: Array
    """[T], upper end of the 95 % interval."""
    members: Array
    """[P, T], each member's own curve; NaN before its first episode ended."""


def learning_curve(run: Run, points: int = 50) -> Curve:
    """Cut training into `points` spans and average each member's episodes that ended in each.

    A span in which a member finished no episode repeats its last value. Spans before every member has
    finished one are left out of the IQM (NaN).
    """
    edges = np.linspace(0, run.steps, points + 1)
    span = np.clip(np.searchsorted(edges, run.episodes["step"], side="left") - 1, 0, points - 1)
    cell = run.episodes["member"] * points + span
    size = run.population * points
    count = np.bincount(cell, minlength=size).reshape(-1, points)
    total = np.bincount(cell, weights=run.episodes["return"], minlength=size).reshape(-1, points)
    members = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    for t in range(1, points):
        members[:, t] = np.where(np.isnan(members[:, t]), members[:, t - 1], members[:, t])
    value, low, high = np.full((3, points), np.nan)
    for known in np.flatnonzero(~np.isnan(members).any(axis=0)):
        point = estimate(members[:, known], resamples=500)
        value[known], low[known], high[known] = point.value, point.low, point.high
    return Curve(edges[1:], value, low, high, members)
