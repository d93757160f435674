"""Interquartile means with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A statistic over independent seeds, with how sure it is."""

    value: float
    """The point estimate."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    seeds: int
    """Number of independent runs behind it."""

    def __format__(self, spec: str) -> str:
        spec = spec or ".2f"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def iqm(scores: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Return the interquartile mean: the mean of what is left without the lowest and highest quarter.

    Reference:
        Agarwal et al. (2021), "Deep RL at the edge of the statistical precipice".
    """
    return np.asarray(stats.trim_mean(np.asarray(scores, dtype=np.float64), 0.25, axis=axis))


def estimate(scores: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Estimate the IQM over seeds with a percentile bootstrap interval.

    Args:
        scores: one number a seed, [N].
        level: coverage of the interval, in (0, 1).
        resamples: bootstrap samples.
        seed: of the bootstrap's own generator; equal seeds give equal intervals.

    Raises:
        ValueError: there is no score, or one is not finite.
    """
    numbers = np.asarray(scores, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError(f"scores: got {numbers!r}, expected finite numbers, one a seed")
    centre = float(iqm(numbers))
    if len(numbers) == 1 or np.ptp(numbers) == 0:
        return Estimate(centre, centre, centre, len(numbers))
    result = stats.bootstrap(
        (numbers,),
        iqm,
        confidence_level=level,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    interval = result.confidence_interval
    return Estimate(centre, float(interval.low), float(interval.high), len(numbers))
