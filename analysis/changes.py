"""How fast each arm is back after the task has changed, for tasks that change every so many episodes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium
import numpy as np
from gymnasium.envs.registration import load_env_creator
from numpy.typing import NDArray

from emotional_ed.analysis.recovery import recovery
from emotional_ed.analysis.run import Run
from emotional_ed.analysis.statistics import Estimate, estimate

SHARE, WINDOW = 0.9, 10
"""How much of the level before must be reached again, and over how many episodes that is judged."""


@dataclass(frozen=True)
class ArmRecovery:
    """How one arm fared after the changes of its task."""

    env_id: str
    """The task."""
    arm: str
    """The name of the arm."""
    period: int
    """Episodes between two changes."""
    floor: float
    """Return that counts as nothing: what the task's arms earned in their first episodes."""
    episodes: Estimate
    """Episodes until a seed was back, mean over its changes; all of a phase in which it never was."""
    never: float
    """Share of changes, over all seeds, after which a seed was not back before the next one, in [0, 1]."""
    changes: int
    """Changes with a whole phase behind them, all seeds together."""


def period_of(run: Run) -> int | None:
    """Return after how many episodes a run's task changes, or None if it does not, as far as one can tell.

    That is the argument `period` that the environment was given, or that it has by default.
    """
    given = (run.config.get("env_kwargs") or {}).get("period")
    try:
        if given is None:
            spec = gymnasium.spec(run.env_id)
            given = spec.kwargs.get("period")
        if given is None and spec.entry_point is not None:
            entry = spec.entry_point
            creator = load_env_creator(entry) if isinstance(entry, str) else entry
            given = inspect.signature(creator).parameters["period"].default
        period = int(given)  # type: ignore[arg-type]
    except (gymnasium.error.Error, ImportError, AttributeError, KeyError, ValueError, TypeError):
        return None
    return period if period >= 2 else None


def recoveries(runs: Sequence[Run]) -> list[ArmRecovery]:
    """Measure every arm whose task changes, and whose seeds all lived a whole phase after a change.

    Equation:
        As `recovery`, with share 0.9, a window of min(10, period // 4) episodes, and the task's floor.

    Returns:
        One an arm, in order; none for the others.
    """
    found = []
    for run in runs:
        period = period_of(run)
        if period is None or run.source == "tensorboard":
            continue
        window = max(1, min(WINDOW, period // 4))
        floor = _beginners([one for one in runs if one.env_id == run.env_id], window)
        lives = [_episodes_of(run, member) for member in range(run.population)]
        if min(map(len, lives)) < 2 * period:
            continue
        back = [_after_changes(life, period, window, floor) for life in lives]
        scores = [float(values.mean()) for values, _ in back]
        late = np.concatenate([censored for _, censored in back])
        found.append(
            ArmRecovery(run.env_id, run.name, period, floor, estimate(scores), float(late.mean()), len(late))
        )
    return found


def _episodes_of(run: Run, member: int) -> NDArray[np.float64]:
    """Return a member's returns in order of its episodes."""
    rows = run.episodes[run.episodes["member"] == member]
    return np.asarray(rows["return"][np.argsort(rows["step"], kind="stable")], dtype=np.float64)


def _beginners(runs: Sequence[Run], window: int) -> float:
    """Return the mean return of all seeds' first episodes."""
    first = [_episodes_of(run, member)[:window] for run in runs for member in range(run.population)]
    return float(np.concatenate(first).mean())


def _after_changes(
    life: NDArray[np.float64], period: int, window: int, floor: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return episodes until recovery, and whether it never came, for each change with a whole phase after."""
    changes = range(period, len(life) - period + 1, period)
    found = [recovery(life, c, SHARE, window, floor=floor, end=c + period) for c in changes]
    return np.array([one.value for one in found]), np.array([one.censored for one in found])
