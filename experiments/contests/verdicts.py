"""What may be said of differences on common seeds: gains and losses, corrected together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotional_ed.analysis import Estimate, holm, iqm, iqm_difference, sign_flip_test
from emotional_ed.experiments.contests.rungs import UNTAUGHT

SIGNIFICANT = 0.05
"""A corrected p value below this, and an interval without 0, make a difference a gain or a loss."""
WORDS = {1: "gain", 0: "no difference", -1: "loss"}
"""`Difference.sign` in a word."""
MARKS = {1: " ▲", 0: "", -1: " ▼"}
"""`Difference.sign` as a mark behind a number."""


@dataclass(frozen=True)
class Difference:
    """One arm less another."""

    gain: Estimate
    """IQM of the one less IQM of the other, paired by seed."""
    p: float
    """Of sign flips, corrected by Holm for all differences made together."""

    @property
    def sign(self) -> int:
        """1 for a gain, -1 for a loss, 0 if neither is sure."""
        if self.p >= SIGNIFICANT or self.gain.low <= 0 <= self.gain.high:
            return 0
        return 1 if self.gain.value > 0 else -1

    def __str__(self) -> str:
        return f"{self.gain:+.2g} (p {self.p:.2g})"


def differences(pairs: Sequence[tuple[ArrayLike, ArrayLike]]) -> list[Difference]:
    """Compare arms on common seeds; the p values of all pairs are corrected together.

    Args:
        pairs: scores of the one and of the other, [S] each, entry i of both with the same seed.

    Raises:
        ValueError: a score is missing or not finite, or the numbers of seeds differ.
    """
    corrected = holm([sign_flip_test(one, other) for one, other in pairs])
    return [
        Difference(iqm_difference(one, other), float(p))
        for (one, other), p in zip(pairs, corrected, strict=True)
    ]


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """Return the estimate in another unit; `factor` > 0."""
    ends = (estimate.value * factor, estimate.low * factor, estimate.high * factor)
    return Estimate(*ends, estimate.seeds)


def what_there_is_to_learn(scores: Mapping[str, NDArray[np.float64]]) -> float | None:
    """Return the best arm's IQM less that of the agent that learns nothing; None if no arm is surely better.

    The best arm is the best on the reported seeds: a unit, and nothing that is claimed.

    Args:
        scores: arm -> [S] on common seeds.
    """
    best, untaught = max(scores.values(), key=lambda one: float(iqm(one))), scores[UNTAUGHT]
    sure = sign_flip_test(best, untaught) < SIGNIFICANT
    return float(iqm(best)) - float(iqm(untaught)) if sure else None
