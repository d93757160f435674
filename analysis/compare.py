"""One line an arm: what it earned, what it cost, how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotional_ed.analysis.risk import catastrophes_per_1000_steps
from emotional_ed.analysis.run import Run
from emotional_ed.analysis.statistics import Estimate, estimate
from emotional_ed.checks import require_range

CVAR_LEVEL = 0.1
"""Share of the worst episodes whose mean return tables show."""


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
    catastrophes: Estimate | None
    """Catastrophes per 1000 training steps; None if nobody counted them."""
    cvar: Estimate
    """Mean return of the worst tenth of all episodes of training."""
    seconds: float
    """Wall-clock time of training, all members together."""


def compare(runs: Sequence[Run]) -> list[ArmSummary]:
    """Summarise each run over its members.

    A member that finished no episode in a span counts with the return of its unfinished one, if the run
    knows it, so that never finishing cannot look good.
    """
    return [_summarise(run) for run in runs]


def _summarise(run: Run) -> ArmSummary:
    counted = run.catastrophes
    return ArmSummary(
        env_id=run.env_id,
        arm=run.name,
        final=estimate(final_returns(run)),
        overall=estimate(member_returns(run, 0)),
        catastrophes=None
        if counted is None
        else estimate(catastrophes_per_1000_steps(counted, run.member_steps)),
        cvar=estimate(member_cvar(run)),
        seconds=run.seconds,
    )


def final_returns(run: Run) -> NDArray[np.float64]:
    """Return each member's mean return over episodes that ended in the second half of its steps, [P]."""
    return member_returns(run, run.member_steps // 2)


def member_returns(run: Run, after: ArrayLike) -> NDArray[np.float64]:
    """Return each member's mean return over episodes that ended after step `after` (one or [P]), [P]."""
    since = np.broadcast_to(np.asarray(after), (run.population,))
    rows = run.episodes[run.episodes["step"] > since[run.episodes["member"]]]
    count = np.bincount(rows["member"], minlength=run.population)
    total = np.bincount(rows["member"], weights=rows["return"], minlength=run.population)
    return np.where(count > 0, total / np.maximum(count, 1), run.unfinished_return)


def member_cvar(run: Run, level: float = CVAR_LEVEL) -> NDArray[np.float64]:
    """Return each member's CVaR over the returns of its episodes (see `cvar`), [P].

    A member without a finished episode counts with the return of its unfinished one.
    """
    require_range("level", level, 0.0, 1.0, low_open=True)
    rows = run.episodes[np.lexsort((run.episodes["return"], run.episodes["member"]))]
    count = np.bincount(rows["member"], minlength=run.population)
    first = np.cumsum(count) - count
    rank = np.arange(len(rows)) - first[rows["member"]]
    mass = level * count
    weight = np.clip(mass[rows["member"]] - rank, 0.0, 1.0)
    total = np.bincount(rows["member"], weights=weight * rows["return"], minlength=run.population)
    return np.where(count > 0, total / np.where(count > 0, mass, 1.0), run.unfinished_return)
