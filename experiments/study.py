"""A study: the same task for every arm, with the same seeds and budget."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emotional_ed.affect import AffectConfig
from emotional_ed.checks import require_choice, require_int
from emotional_ed.experiments.arms import LADDER, require_known, without_recall
from emotional_ed.experiments.contests.arm import Setting
from emotional_ed.experiments.study_runner import run_study as run_study
from emotional_ed.experiments.train import DEEP, TABULAR, TrainSpec
from emotional_ed.experiments.tuning import Tuning, with_setting

ALGORITHMS: Mapping[str, str] = {"EmotionalQ": TABULAR, **{name: agent for agent, name in DEEP.items()}}
"""Class -> name of the agent in files and on the command line."""
_NO_ARM = re.compile(
    r"|tuning|trials|(seed[-_ ]?)?\d+|.+[-_ ]seed[-_ ]?\d+|[._].*|.*[/\\].*", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Study:
    """Which arms learn what, for how long, and with which seeds.

    Example:
        >>> study = Study(env_id="EmotionalED/JammedDoor-v0", seeds=30, steps=10_000)
        >>> list(study.arms)
        ['level-0', 'level-0+1', 'level-0+1+2']
    """

    env_id: str
    """Gymnasium id."""
    seeds: int = 30
    """Members of each arm; member i of every arm has seed first_seed + i (common random numbers)."""
    steps: int = 10_000
    """Steps of each member."""
    arms: Mapping[str, AffectConfig] = field(default_factory=lambda: dict(LADDER))
    """Name -> levels of affect; see `arms_named`. A deep agent's ladder has no recall."""
    first_seed: int = 0
    """Seed of the first member."""
    algorithm: str = "EmotionalQ"
    """"EmotionalQ" (a population an arm), or deep: "EmotionalDQN", "EmotionalQRDQN" or "EmotionalSAC"."""
    step_size: float = 0.1
    """Step size of level 0, the same for all arms of EmotionalQ."""
    discount: float = 0.99
    """Discount, the same for all arms."""
    exploration: float = 0.1
    """Probability of a random action, the same for all arms of EmotionalQ."""
    policy: str = "MlpPolicy"
    """Stable-Baselines3's name of the policy, of deep agents."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """What else deep agents are made with, by Stable-Baselines3's names, the same for all arms."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Arm -> what it has of its own, e.g. {"step_size": 0.3} or {"affect.fear.caution": 2.0}."""
    tuning: Tuning | None = None
    """How each arm's settings are searched for before it is trained; None: they are not."""
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Arguments for `gymnasium.make`."""
    catastrophe_reward: float | None = None
    """A reward at most this counts as a catastrophe in reports."""
    seeds_a_job: int | None = None
    """Seeds of an arm that train in one job, >= 1; None: all of a population, one of a deep agent."""
    question: str | None = None
    """What the study asks, in the words of its report."""

    def __post_init__(self) -> None:
        require_int("seeds", self.seeds, 1)
        require_int("steps", self.steps, 1)
        require_int("first_seed", self.first_seed, 0)
        require_choice("algorithm", self.algorithm, ALGORITHMS)
        if self.is_deep and dict(self.arms) == dict(LADDER):
            object.__setattr__(self, "arms", without_recall(self.arms))
        for name in ("arms", "env_kwargs", "hyperparameters"):  # plain ones, whatever mapping was given
            object.__setattr__(self, name, dict(getattr(self, name)))
        object.__setattr__(self, "settings", {name: dict(own) for name, own in self.settings.items()})
        if self.seeds_a_job is not None:
            require_int("seeds_a_job", self.seeds_a_job, 1, 1 if self.is_deep else 2**31 - 1)
        self._check_arms()
        self._check_seeds()
        self.specs()  # every number in its place

    def _check_arms(self) -> None:
        if not self.arms:
            raise ValueError("arms: got none, expected at least one")
        for name in self.arms:
            if _NO_ARM.fullmatch(name):
                raise ValueError(
                    f"arms: got the name {name!r}, expected one that can name the folder of an arm"
                )
        for name in (*self.settings, *(() if self.tuning is None else self.tuning.own)):
            require_known("settings", name, self.arms)

    def _check_seeds(self) -> None:
        mine = range(self.first_seed, self.first_seed + self.seeds)
        other = range(0) if self.tuning is None else self.tuning.block
        shared = range(max(mine.start, other.start), min(mine.stop, other.stop))
        if shared:
            raise ValueError(
                f"tuning: got seeds {other.start} to {other.stop - 1}, of which {len(shared)} (e.g. "
                f"{shared[0]}) are reported too, expected seeds of its own"
            )

    @property
    def is_deep(self) -> bool:
        """Whether each seed is a run of its own."""
        return self.algorithm != "EmotionalQ"

    def specs(self, settings: Mapping[str, Setting] | None = None) -> dict[str, TrainSpec]:
        """Return what each arm's run is; of a deep agent, the run of its first seed.

        Args:
            settings: arm -> what a search found, over the study's own.

        Raises:
            ValueError: a setting leads nowhere, or a number is out of range.
        """
        found = {}
        for name, affect in self.arms.items():
            spec = TrainSpec(
                env_id=self.env_id,
                steps=self.steps,
                agent=ALGORITHMS[self.algorithm],
                affect=affect,
                population=1 if self.is_deep else self.seeds,
                seed=self.first_seed,
                step_size=self.step_size,
                discount=self.discount,
                exploration=self.exploration,
                policy=self.policy,
                hyperparameters=self.hyperparameters,
                env_kwargs=dict(self.env_kwargs),
                catastrophe_reward=self.catastrophe_reward,
            )
            found[name] = with_setting(
                spec, {**self.settings.get(name, {}), **(settings or {}).get(name, {})}
            )
        return found

    def runs(self, settings: Mapping[str, Setting] | None = None) -> dict[str, TrainSpec]:
        """Return all runs: the path of their folder below the study's -> what is trained there."""
        block = 1 if self.is_deep else self.seeds_a_job or self.seeds
        found = {}
        for name, spec in self.specs(settings).items():
            if block >= self.seeds and not self.is_deep:
                found[name] = spec
                continue
            for start in range(0, self.seeds, block):
                seed = self.first_seed + start
                number = min(block, self.seeds - start)
                found[f"{name}/seed_{seed}"] = dataclasses.replace(spec, population=number, seed=seed)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dictionaries, for JSON."""
        plain = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        tuning = self.tuning
        if tuning is not None:
            plain["tuning"] = {
                **{one.name: getattr(tuning, one.name) for one in dataclasses.fields(tuning)},
                "seeds": len(tuning.block),  # from `first_seed` on
                "seeds_a_configuration": tuning.seeds,
                "ranges": {arm: tuning.ranges_of(arm, spec) for arm, spec in self.specs().items()},
            }
        return {**plain, "arms": {name: one.to_dict() for name, one in self.arms.items()}}
