"""The picture of the evidence: what every mechanism gains over level 0 and over its strongest rival."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis.forest import Series, plot_forest
from emotional_ed.experiments.contests.evidence_tables import Claim, against_both
from emotional_ed.experiments.contests.verdicts import Difference, scaled, what_there_is_to_learn

AGAINST = ("tuned level 0", "the strongest simple rival")


def plot_claims(claims: Sequence[Claim], path: Path, *, without: str = "whole") -> Path | None:
    """Draw all claims but those of one mechanism, with the marks of the table; None if none is left."""
    shown, series = gains(claims, without=without)
    if not shown:
        return None
    return plot_forest(
        series,
        [f"{one.arm} on {one.task}" for one in shown],
        path,
        notes=[f"against {one.rival}" for one in shown],
        title=f"Gain or loss in per cent of what there is to learn, {len(shown[0].own)} seeds",
    )


def gains(claims: Sequence[Claim], *, without: str = "whole") -> tuple[list[Claim], list[Series]]:
    """Return the claims but those of one mechanism, and what they gain over level 0 and over their rivals.

    Differences are in per cent of what there is to learn, NaN where nobody learns. p values are corrected
    over all claims, also those that are left out.
    """
    found = zip(claims, against_both(claims), strict=True)
    kept = [(one, pair) for one, pair in found if one.mechanism != without]
    series = [_series(name, [(one, pair[which]) for one, pair in kept]) for which, name in enumerate(AGAINST)]
    return [one for one, _ in kept], series


def _series(name: str, gaps: Sequence[tuple[Claim, Difference]]) -> Series:
    ends = np.array([_per_cent(one, gap) for one, gap in gaps]).reshape(len(gaps), 3)
    return Series(name, ends, np.array([gap.sign for _, gap in gaps], dtype=np.int64))


def _per_cent(claim: Claim, gap: Difference) -> NDArray[np.float64]:
    unit = what_there_is_to_learn(claim.scores)
    if unit is None:
        return np.full(3, math.nan)
    gain = scaled(gap.gain, 100 / unit)
    return np.array([gain.low, gain.value, gain.high])
