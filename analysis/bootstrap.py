"""Resampling of seeds within their tasks, and intervals that are right for few seeds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from emotional_ed.checks import require_int, require_range

Array = NDArray[np.float64]
RESAMPLES = 2000
"""Bootstrap samples unless told otherwise."""


def finite_scores(name: str, scores: ArrayLike) -> Array:
    """Return scores as floats, [N].

    Raises:
        ValueError: there is none, one is not finite, or they do not form a row.
    """
    try:
        numbers = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: got {scores!r}, expected finite numbers, one a seed") from None
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError(f"{name}: got {numbers!r}, expected finite numbers, one a seed")
    return numbers


def stratum_numbers(name: str, strata: ArrayLike | None, count: int) -> NDArray[np.intp]:
    """Return the number of each score's stratum, [N]; without strata all scores form one."""
    if strata is None:
        return np.zeros(count, dtype=np.intp)
    labels = np.asarray(strata)
    if labels.shape != (count,):
        raise ValueError(f"{name}: got shape {labels.shape}, expected {(count,)}, one a score")
    return np.unique(labels, return_inverse=True)[1].astype(np.intp)


def resample(strata: NDArray[np.intp], resamples: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw positions with replacement, each stratum from itself.

    Args:
        strata: number of the stratum of each score, [N].
        resamples: how many samples B to draw.
        rng: where the random numbers come from.

    Returns:
        Positions into the scores, [B, N].
    """
    order = np.argsort(strata, kind="stable")
    sizes = np.bincount(strata)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    within = (rng.random((resamples, len(strata))) * sizes[strata]).astype(np.intp)
    return order[starts[strata] + within]


def interval(samples: Array, level: float, scores: int, strata: int = 1) -> tuple[Array, Array]:
    """Return the ends of the expanded percentile interval of a bootstrap distribution.

    Equation:
        The ends are the quantiles Phi(-t) and Phi(t) with t = sqrt(N / (N - K)) t_{N-K, (1 + level) / 2}:
        the plain percentile interval of N scores in K strata is too narrow by about that factor.

    Args:
        samples: the statistic of each bootstrap sample, [B, ...].
        level: coverage, in (0, 1).
        scores: how many independent scores N there are.
        strata: in how many strata K.

    Returns:
        Lower and upper ends, [...]; infinite if there is no more than one score a stratum.

    Raises:
        ValueError: the level is outside (0, 1).

    Source:
        Hesterberg (2015), "What teachers should know about the bootstrap", The American Statistician 69(4).
    """
    require_range("level", level, 0.0, 1.0, low_open=True, high_open=True)
    free = scores - strata
    if free < 1:
        ends = np.full(samples.shape[1:], math.inf)
        return -ends, ends
    reach = math.sqrt(scores / free) * stats.t.ppf((1 + level) / 2, free)
    low, high = np.quantile(samples, [stats.norm.cdf(-reach), stats.norm.cdf(reach)], axis=0)
    return low, high


def generator(resamples: int, seed: int) -> np.random.Generator:
    """Check both and return a generator of its own; the global random state is never touched."""
    require_int("resamples", resamples, 1)
    require_int("seed", seed, 0)
    return np.random.default_rng(seed)
