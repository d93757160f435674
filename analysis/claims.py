"""What each arm is worth beside a baseline, with the care that many comparisons need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis.compare import final_returns
from emotional_ed.analysis.differences import iqm_difference
from emotional_ed.analysis.improvement import probability_of_improvement
from emotional_ed.analysis.run import Run
from emotional_ed.analysis.significance import holm, permutation_test, sign_flip_test
from emotional_ed.analysis.statistics import Estimate
from emotional_ed.checks import require_choice

_MANY = 20  # seeds from which an interval on common seeds covers what it promises
PLAIN = "level-0"
"""The arm that others are compared with, if there is one of this name."""


@dataclass(frozen=True)
class Claim:
    """One arm beside the baseline, in mean return of the second half of training."""

    env_id: str
    """The task."""
    arm: str
    """The name of the arm."""
    baseline: str
    """The name of the arm that it is compared with."""
    difference: Estimate
    """IQM of the arm less IQM of the baseline."""
    improvement: Estimate
    """Probability that a run of the arm beats a run of the baseline."""
    p: float
    """Two-sided p value of the difference in means."""
    p_holm: float
    """The same after Holm's correction for all claims made together."""
    paired: bool
    """Whether the two were compared seed by seed."""


def find_baseline(runs: Sequence[Run], baseline: str | None = None) -> str:
    """Return the name of the baseline arm: the one named, else "level-0", else the first.

    Raises:
        ValueError: no arm has the name.
    """
    names = [run.name for run in runs]
    if baseline is not None:
        return require_choice("baseline", baseline, set(names))
    return PLAIN if PLAIN in names else names[0]


def claims(runs: Sequence[Run], baseline: str | None = None, *, seed: int = 0) -> list[Claim]:
    """Compare each arm with the baseline arm of its task.

    Arms that share at least two seeds are compared on these, seed by seed (common random numbers); others as
    independent samples. The p values of all claims are corrected together.

    Args:
        runs: the arms of one or more tasks.
        baseline: name of the arm to compare with; None means "level-0", or the first.
        seed: of the bootstrap's and tests' own generators.

    Returns:
        One claim an arm other than the baseline, in order; none for a task without the baseline.

    Raises:
        ValueError: no arm has the baseline's name.
    """
    name = find_baseline(runs, baseline)
    plain = {run.env_id: run for run in runs if run.name == name}
    made = [_claim(run, plain[run.env_id], seed) for run in runs if run.name != name and run.env_id in plain]
    adjusted = holm([one.p for one in made])
    return [replace(one, p_holm=float(p)) for one, p in zip(made, adjusted, strict=True)]


def _claim(run: Run, plain: Run, seed: int) -> Claim:
    x, y, paired = common_scores(run, plain)
    test = sign_flip_test if paired else permutation_test
    return Claim(
        env_id=run.env_id,
        arm=run.name,
        baseline=plain.name,
        difference=iqm_difference(x, y, paired=paired, seed=seed),
        improvement=probability_of_improvement(x, y, common_seeds=paired and len(x) >= _MANY, seed=seed),
        p=test(x, y, seed=seed),
        p_holm=1.0,
        paired=paired,
    )


def common_scores(run: Run, other: Run) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return both arms' scores, of common seeds in the same order if there are at least two; and whether."""
    x, y = final_returns(run), final_returns(other)
    if run.seeds is None or other.seeds is None:
        return x, y, False
    shared, left, right = np.intersect1d(run.seeds, other.seeds, return_indices=True)
    unique = len(set(run.seeds)) == len(run.seeds) and len(set(other.seeds)) == len(other.seeds)
    if len(shared) < 2 or not unique:
        return x, y, False
    return x[left], y[right], True
