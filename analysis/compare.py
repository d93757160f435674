"""One line an arm: what it earned, what it cost, how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis.load import Run
from emotional_ed.analysis.statistics import Estimate, estimate


@dataclass(frozen=True)
class ArmSummary:
    """What one arm of a study achieved."""

    env_id: str
    """The task."""
    arm: str
    """The name of the arm."""
    final: Estimate
    """Mean return of the episodes that ended in the second half of training."""
    overall: Estimate
    """Mean return of all episodes."""
    catastrophes: Estimate
    """Catastrophes per 1000 training steps."""
    seconds: float
    """Wall-clock time of training."""


def compare(runs: Sequence[Run]) -> list[ArmSummary]:
    """Summarise each run over its members.

    A member that finished no episode in a span counts with the return of its unfinished one, if the run
    knows it, so that never finishing cannot look good.
    """
    return [_summarise(run) for run in runs]


def _summarise(run: Run) -> ArmSummary:
    rates = np.asarray(run.result["catastrophes"]) / run.steps * 1000
    return ArmSummary(
        env_id=run.config["env_id"],
        arm=run.name,
        final=estimate(member_returns(run, run.steps // 2)),
        overall=estimate(member_returns(run, 0)),
        catastrophes=estimate(rates),
        seconds=float(run.result["seconds"]),
    )


def member_returns(run: Run, after: int) -> NDArray[np.float64]:
    """Return each member's mean return over episodes that ended after step `after`, [P]."""
    rows = run.episodes[run.episodes["step"] > after]
    count = np.bincount(rows["member"], minlength=run.population)
    total = np.bincount(rows["member"], weights=rows["return"], minlength=run.population)
    unfinished = np.asarray(run.result["unfinished_return"], dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), unfinished)
