"""Performance profiles: which share of the runs reached how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from emotional_ed.analysis.bootstrap import Array, finite_scores
from emotional_ed.checks import require_range


@dataclass(frozen=True)
class Profile:
    """The share of runs above each threshold."""

    tau: Array
    """[T], the thresholds."""
    value: Array
    """[T], share of runs with a score above tau, in [0, 1]."""
    low: Array
    """[T], lower end of the band."""
    high: Array
    """[T], upper end of the band."""


def performance_profile(scores: ArrayLike, tau: ArrayLike, *, level: float = 0.95) -> Profile:
    """Return the share of runs whose score is above each threshold, with a band that holds at each one.

    Equation:
        F(tau) = 1 / N sum_i [x_i > tau]; band: Wilson's interval
        (F + z^2 / 2N +- z sqrt(F (1 - F) / N + z^2 / 4N^2)) / (1 + z^2 / N), z the normal quantile.
        Unlike a bootstrap band it has a width where all runs agree.

    Args:
        scores: one number a run, [N].
        tau: thresholds, [T].
        level: coverage at each threshold, in (0, 1).

    Raises:
        ValueError: a score or threshold is missing or not finite.

    Source:
        Dolan and More (2002); Agarwal et al. (2021), section 4.2; Wilson (1927) for the band.
    """
    numbers, thresholds = finite_scores("scores", scores), finite_scores("tau", tau)
    require_range("level", level, 0.0, 1.0, low_open=True, high_open=True)
    count, z = len(numbers), float(stats.norm.ppf((1 + level) / 2))
    above = count - np.searchsorted(np.sort(numbers), thresholds, side="right")
    share = above / count
    centre = share + z * z / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    low, high = np.clip((centre - half) / scale, 0, 1), np.clip((centre + half) / scale, 0, 1)
    return Profile(thresholds, share, low, high)
