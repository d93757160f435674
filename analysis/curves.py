"""Learning curves over steps, from episodes of unequal length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotional_ed.analysis.bootstrap import Array, generator, interval, resample
from emotional_ed.analysis.run import Run
from emotional_ed.analysis.statistics import iqm
from emotional_ed.checks import require_int


@dataclass(frozen=True)
class Curve:
    """The IQM over members of the return, per span of steps."""

    steps: Array
    """[T], ends of the spans."""
    value: Array
    """[T], the IQM; NaN where not every member has a value."""
    low: Array
    """[T], lower end of the 95 % interval; NaN too if there is one member only."""
    high: Array
    """[T], upper end of the 95 % interval."""
    members: Array
    """[P, T], each member's own curve; NaN before its first episode ended and after its last step."""


def learning_curve(run: Run, points: int = 50, *, resamples: int = 500, seed: int = 0) -> Curve:
    """Cut training into `points` spans and average each member's episodes that ended in each.

    A span in which a member finished no episode repeats its last value. The IQM is given only where every
    member has a value, so that no step of the curve comes from members that come or go. The bootstrap draws
    whole curves.

    Args:
        run: what to draw.
        points: number of spans T.
        resamples: bootstrap samples.
        seed: of the bootstrap's own generator.

    Raises:
        ValueError: points or resamples are below 1.
    """
    require_int("points", points, 1)
    edges = np.linspace(0, run.steps, points + 1)
    members = _member_curves(run, edges)
    known = np.flatnonzero(~np.isnan(members).any(axis=0))
    value, low, high = np.full((3, points), np.nan)
    if len(known):
        seen = members[:, known].T  # [K, P]
        value[known] = iqm(seen)
        drawn = resample(np.zeros(run.population, np.intp), resamples, generator(resamples, seed))
        samples = np.stack([iqm(row[drawn]) for row in seen], axis=-1)  # [B, K]
        if run.population > 1:
            low[known], high[known] = interval(samples, 0.95, run.population)
    return Curve(edges[1:], value, low, high, members)


def _member_curves(run: Run, edges: Array) -> Array:
    points = len(edges) - 1
    span = np.clip(np.searchsorted(edges, run.episodes["step"], side="left") - 1, 0, points - 1)
    cell = run.episodes["member"] * points + span
    size = run.population * points
    count = np.bincount(cell, minlength=size).reshape(-1, points)
    total = np.bincount(cell, weights=run.episodes["return"], minlength=size).reshape(-1, points)
    members = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    for t in range(1, points):
        members[:, t] = np.where(np.isnan(members[:, t]), members[:, t - 1], members[:, t])
    members[edges[:-1] >= run.member_steps[:, None]] = np.nan
    return members
