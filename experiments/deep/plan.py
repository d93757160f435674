"""A deep contest as data: what every arm is given, who competes, and what came of one arm."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emotional_ed.checks import require_choice, require_int
from emotional_ed.experiments.contests.contest import TUNING_SEED
from emotional_ed.experiments.deep.arm import DeepArm
from emotional_ed.experiments.deep.arms import deep_arms
from emotional_ed.experiments.deep.jobs import DeepLife
from emotional_ed.experiments.deep.task import DEEP_TASKS, DeepTask


@dataclass(frozen=True, kw_only=True)
class DeepBudget:
    """What every arm is given."""

    configurations: int = 16
    """Random settings an arm, >= 1."""
    seeds: int = 1
    """Tuning seeds each is tried on, >= 1."""
    finalists: int = 4
    """The best of them are tried again on `final_seeds` further seeds, >= 1; the best mean over all wins."""
    final_seeds: int = 2
    """Further tuning seeds, >= 1."""
    report: int = 10
    """Fresh seeds that are reported, >= 1."""
    first_seed: int = 0
    """The first of them."""

    def __post_init__(self) -> None:
        for name in ("configurations", "seeds", "finalists", "final_seeds", "report"):
            require_int(f"DeepBudget.{name}", getattr(self, name), 1)
        require_int("DeepBudget.first_seed", self.first_seed, 0, TUNING_SEED - self.report)

    @property
    def runs(self) -> int:
        """How many runs an arm is given."""
        finals = min(self.finalists, self.configurations) * self.final_seeds
        return self.configurations * self.seeds + finals + self.report

    @property
    def reported(self) -> range:
        """The seeds that are reported."""
        return range(self.first_seed, self.first_seed + self.report)


@dataclass(frozen=True, kw_only=True)
class DeepSuiteSpec:
    """Which arms compete on which task, and with what budget.

    Example:
        >>> spec = DeepSuiteSpec(task="lava-field", arms=("level-2", "dqn"))
        >>> spec.runs
        68
    """

    task: str
    """One of `DEEP_TASKS`."""
    arms: tuple[str, ...] = ()
    """Names of arms; none means all."""
    budget: DeepBudget = field(default_factory=DeepBudget)
    """Settings and seeds, the same for every arm."""
    steps: int | None = None
    """Steps of a run, >= 1; None: as many as the task has."""

    def __post_init__(self) -> None:
        require_choice("task", self.task, DEEP_TASKS)
        if self.steps is not None:
            require_int("steps", self.steps, 1)
        for name in self.arms:
            require_choice("arms", name, deep_arms(self.situation))

    @property
    def situation(self) -> DeepTask:
        """The task itself."""
        task = DEEP_TASKS[self.task]
        return task if self.steps is None else dataclasses.replace(task, steps=self.steps)

    @property
    def chosen(self) -> dict[str, DeepArm]:
        """The arms, by name."""
        every = deep_arms(self.situation)
        return {name: every[name] for name in every if name in self.arms or not self.arms}

    @property
    def runs(self) -> int:
        """How many runs that is."""
        return len(self.chosen) * self.budget.runs


@dataclass(frozen=True)
class DeepEntry:
    """One arm of a contest."""

    arm: str
    role: str
    setting: dict[str, float]
    """The best that the search found."""
    tuning_score: float
    """Its mean score on all tuning seeds it was tried on."""
    lives: list[DeepLife]
    """On fresh seeds."""
    trials: list[dict[str, float]]
    """Every setting that was tried, with its mean score on the seeds that all were tried on."""

    def of(self, name: str) -> NDArray[np.float64]:
        """Return one number of every life, [S]."""
        return np.array([getattr(one, name) for one in self.lives], dtype=np.float64)
