"""How often one arm beats another."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from emotional_ed.analysis.bootstrap import (
    RESAMPLES,
    Array,
    finite_scores,
    generator,
    interval,
    resample,
    stratum_numbers,
)
from emotional_ed.analysis.differences import paired_scores
from emotional_ed.analysis.statistics import Estimate


def probability_of_improvement(
    x: ArrayLike,
    y: ArrayLike,
    *,
    paired: bool = False,
    common_seeds: bool = False,
    strata: tuple[ArrayLike, ArrayLike] | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Estimate P(X > Y) + P(X = Y) / 2: how probably a run of one arm beats a run of the other.

    Equation:
        Unpaired: the mean over tasks of 1 / (N M) sum_ij S(x_i, y_j); S = 1 if x > y, 1/2 if x = y, else 0.
        Paired: the mean over tasks of 1 / N sum_i S(x_i, y_i), how often it wins on the same seed.

    Args:
        x: scores of one arm, [N].
        y: scores of the other, [M]; paired, entry i has the seed and task of x's entry i, and M = N.
        paired: compare only runs of the same seed.
        common_seeds: entry i of y has the seed of x's entry i; all are compared with all, and the bootstrap
            draws seeds, so that what a seed does to both arms does not widen the interval. From about 20
            seeds on; with 10 that make both arms alike, such an interval covers 90 % only.
        strata: the tasks of the entries of x and of y, [N] and [M]; None means one task.
        level: coverage of the interval, in (0, 1).
        resamples: bootstrap samples.
        seed: of the bootstrap's own generator.

    Returns:
        The estimate. If one arm won every comparison, all bootstrap samples agree and would give an interval
        without width; it then reaches to the exact binomial bound of min(N, M) wins in as many games.

    Raises:
        ValueError: a score is missing or not finite, or the arms do not hold the same tasks.

    Source:
        Agarwal et al. (2021), "Deep reinforcement learning at the edge of the statistical precipice", 4.3;
        Clopper and Pearson (1934) for the bound.
    """
    rng = generator(resamples, seed)
    if paired or common_seeds:
        first, second = paired_scores(x, y)
    else:
        first, second = finite_scores("x", x), finite_scores("y", y)
    one, other = _tasks(strata, len(first), len(second))
    if (paired or common_seeds) and not np.array_equal(one, other):
        raise ValueError("strata: got tasks that differ within a pair, expected the same task")
    estimates, samples = [], []
    tasks = int(one.max()) + 1
    for task in range(tasks):
        a, b = first[one == task], second[other == task]
        value, drawn = _paired(a, b, resamples, rng) if paired else _all(a, b, resamples, rng, common_seeds)
        estimates.append(value)
        samples.append(drawn)
    value = float(np.mean(estimates))
    seeds = min(len(first), len(second))
    arms = 1 if paired or common_seeds else 2  # that are drawn by themselves
    ends = interval(np.mean(samples, axis=0), level, arms * seeds, arms * tasks)
    low, high = float(ends[0]), float(ends[1])
    if value in (0.0, 1.0) and seeds > tasks:
        slack = 1 - ((1 - level) / 2) ** (1 / seeds)
        low, high = (0.0, slack) if value == 0.0 else (1 - slack, 1.0)
    return Estimate(value, low, high, seeds)


def _tasks(
    strata: tuple[ArrayLike, ArrayLike] | None, first: int, second: int
) -> tuple[np.ndarray, np.ndarray]:
    if strata is None:
        return np.zeros(first, np.intp), np.zeros(second, np.intp)
    left, right = (np.asarray(labels) for labels in strata)
    if left.shape != (first,) or right.shape != (second,) or set(left.tolist()) != set(right.tolist()):
        raise ValueError("strata: got other tasks or numbers, expected the same tasks for both, one a score")
    return stratum_numbers("strata", left, first), stratum_numbers("strata", right, second)


def _wins(x: Array, y: Array) -> Array:
    return np.asarray((x > y) + 0.5 * (x == y), dtype=np.float64)


def _all(x: Array, y: Array, resamples: int, rng: np.random.Generator, common: bool) -> tuple[float, Array]:
    wins = _wins(x[:, None], y[None, :])  # [N, M]
    times_x = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=resamples) / len(x)  # [B, N]
    times_y = times_x
    if not common:
        times_y = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=resamples) / len(y)  # [B, M]
    return float(wins.mean()), ((times_x @ wins) * times_y).sum(axis=-1)


def _paired(x: Array, y: Array, resamples: int, rng: np.random.Generator) -> tuple[float, Array]:
    wins = _wins(x, y)
    drawn = resample(np.zeros(len(x), np.intp), resamples, rng)
    return float(wins.mean()), wins[drawn].mean(axis=-1)
