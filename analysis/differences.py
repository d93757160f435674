"""How far two arms are apart, on common seeds or on seeds of their own."""

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
from emotional_ed.analysis.statistics import Estimate, iqm
from emotional_ed.checks import require_range


def paired_scores(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Return the scores of two arms on common seeds as floats, both [N].

    Raises:
        ValueError: there is none, one is not finite, or the arms have unequal numbers of seeds.
    """
    first, second = finite_scores("x", x), finite_scores("y", y)
    if len(first) != len(second):
        raise ValueError(f"y: got {len(second)} scores, expected {len(first)}, one for each common seed")
    return first, second


def iqm_difference(
    x: ArrayLike,
    y: ArrayLike,
    *,
    paired: bool = True,
    strata: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Estimate IQM(x) - IQM(y) with a bootstrap interval.

    On common seeds the bootstrap draws seeds, and so both arms' scores of a seed together: what a seed makes
    easy or hard for both drops out. Otherwise each arm is drawn by itself.

    Args:
        x: scores of one arm, [N].
        y: scores of the other; entry i has the seed of x's entry i if paired, [N], else [M].
        paired: whether the arms share their seeds.
        strata: the task of each pair, [N]; only for paired scores.
        level: coverage of the interval, in (0, 1).
        resamples: bootstrap samples.
        seed: of the bootstrap's own generator.

    Raises:
        ValueError: a score is missing or not finite, or strata are given for unpaired scores.

    Source:
        Efron and Tibshirani (1993), "An introduction to the bootstrap", chapter 8.
    """
    rng = generator(resamples, seed)
    if paired:
        first, second = paired_scores(x, y)
        groups = stratum_numbers("strata", strata, len(first))
        drawn = resample(groups, resamples, rng)
        samples = iqm(first[drawn]) - iqm(second[drawn])
        ends = interval(samples, level, len(first), int(groups.max()) + 1)
        seeds = len(first)
    else:
        if strata is not None:
            raise ValueError("strata: got some, expected None unless the scores are paired")
        first, second = finite_scores("x", x), finite_scores("y", y)
        one, other = (resample(np.zeros(len(s), np.intp), resamples, rng) for s in (first, second))
        samples = iqm(first[one]) - iqm(second[other])
        seeds = min(len(first), len(second))
        ends = interval(samples, level, 2 * seeds, 2)
    return Estimate(float(iqm(first) - iqm(second)), float(ends[0]), float(ends[1]), seeds)


def is_non_inferior(difference: Estimate, margin: float) -> bool:
    """Return whether an arm loses less than `margin`, as far as its interval tells.

    Equation:
        The lower end of the interval of (arm - baseline) is above -margin. With a two-sided interval of 95 %
        this is a one-sided test of level 2.5 %.

    Args:
        difference: arm less baseline, as `iqm_difference` gives it; more is better.
        margin: the largest loss that does not matter, in units of the score, at least 0. Choose it before
            you see the data.

    Raises:
        ValueError: the margin is negative or not finite.

    Source:
        Piaggio et al. (2012), "Reporting of noninferiority and equivalence randomized trials", JAMA 308(24).
    """
    return difference.low > -require_range("margin", margin, 0.0)
