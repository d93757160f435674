"""Train one agent or population into a run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tqdm.auto import tqdm

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.arguments import checked_device
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.checks import require_choice, require_int, require_range
from emotional_ed.experiments.contests.arm import Arm, Setting
from emotional_ed.experiments.keeper import CHECKPOINT_SECONDS, Ear
from emotional_ed.experiments.replayed_world import replayable_world
from emotional_ed.experiments.run_folder import RunFolder

TABULAR = "emotional-q"
"""The agent that trains as a population."""
DEEP: Mapping[str, str] = {
    "emotional-dqn": "EmotionalDQN",
    "emotional-qrdqn": "EmotionalQRDQN",
    "emotional-sac": "EmotionalSAC",
}
"""Name -> class in `emotional_ed.agents.deep`, of agents that train one seed at a time."""
AGENTS = (TABULAR, *DEEP)
"""Agents that can be trained by name."""

Progress = Callable[[int], object]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """Everything that determines a run."""

    env_id: str
    """Gymnasium id."""
    steps: int
    """Steps of each member."""
    agent: str = TABULAR
    """Name of the agent."""
    affect: AffectConfig = field(default_factory=lambda: AffectConfig.levels(2))
    """Its levels of affect."""
    level0: LevelZero = field(default_factory=LevelZero)
    """Its critic, policy and sleep; of a population only."""
    listens: bool = False
    """Whether it may use what the environment says of the situation; a population only."""
    population: int = 1
    """Members; member i has seed + i. A deep agent has one."""
    seed: int = 0
    """Seed of the first member."""
    step_size: float = 0.1
    """Step size of level 0, of a population; a deep agent has a learning rate among its hyperparameters."""
    discount: float = 0.99
    """Discount."""
    exploration: float = 0.1
    """Probability of a random action, of a population."""
    policy: str = "MlpPolicy"
    """Stable-Baselines3's name of the policy, of a deep agent."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """What else a deep agent is made with, by Stable-Baselines3's names."""
    trials: Sequence[Setting] = ()
    """Settings tried side by side: each has population / len(trials) members, with the same seeds."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments for `gymnasium.make`."""
    catastrophe_reward: float | None = None
    """A reward at most this counts as a catastrophe in reports."""
    device: str = "cpu"
    """Where to train."""

    def __post_init__(self) -> None:
        require_choice("agent", self.agent, AGENTS)
        require_int("steps", self.steps, 1)
        require_int("population", self.population, 1)
        require_int("seed", self.seed, 0)
        object.__setattr__(self, "hyperparameters", dict(self.hyperparameters))
        object.__setattr__(self, "trials", tuple(dict(one) for one in self.trials))
        if self.trials and self.population % len(self.trials):
            raise ValueError(
                f"population: got {self.population}, expected a multiple of {len(self.trials)} trials"
            )
        if self.agent == TABULAR and self.hyperparameters:
            raise ValueError(
                f"hyperparameters: got {self.hyperparameters}, expected none for {TABULAR}, which has "
                "step_size, discount and exploration"
            )
        if self.agent in DEEP:
            self._check_deep()

    def _check_deep(self) -> None:
        if self.population != 1:
            raise ValueError(
                f"population: got {self.population}, expected 1 for {self.agent}: a run is a seed"
            )
        if self.trials or self.listens or self.level0 != LevelZero():
            raise ValueError(f"agent: got {self.agent}, expected {TABULAR} for trials, listens or level0")
        for name, default in (("step_size", 0.1), ("exploration", 0.1)):
            if getattr(self, name) != default:
                raise ValueError(
                    f"{name}: got {getattr(self, name)}, expected hyperparameters such as learning_rate or "
                    f"exploration_fraction for {self.agent}"
                )
        taken = {"env", "affect", "seed", "gamma", "device", "policy", "tensorboard_log", "verbose"}
        if clash := sorted(taken & set(self.hyperparameters)):
            raise ValueError(f"hyperparameters: got {clash[0]!r}, which has a place of its own")

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dictionaries, for JSON."""
        return {
            **{one.name: getattr(self, one.name) for one in dataclasses.fields(self)},
            "affect": self.affect.to_dict(),
            "level0": self.level0.to_dict(),
        }

    def build(self) -> EmotionalQ:
        """Return the untrained population.

        Raises:
            ValueError: the task does not suit it, or it is no population.
        """
        require_choice("agent", self.agent, (TABULAR,))
        if self.trials:
            model = self._build_trials()
        else:
            model = EmotionalQ(
                self.world(),
                self.affect,
                level0=self.level0,
                population=self.population,
                step_size=self.step_size,
                discount=self.discount,
                exploration=self.exploration,
                seed=self.seed,
                device=self.device,
                listens=self.listens,
            )
        model.catastrophe_reward = self.catastrophe_reward
        return model

    def _build_trials(self) -> EmotionalQ:
        number = self.population // len(self.trials)
        parts = [Arm(affect=self.affect, level0=self.level0).configured(one) for one in self.trials]

        def each(values: Iterable[T]) -> list[T]:
            return [value for value in values for _ in range(number)]

        return EmotionalQ(
            self.world(),
            each(affect for _, affect in parts),
            level0=each(level0 for level0, _ in parts),
            population=self.population,
            step_size=each(one.get("step_size", self.step_size) for one in self.trials),
            discount=each(one.get("discount", self.discount) for one in self.trials),
            exploration=each(one.get("exploration", self.exploration) for one in self.trials),
            seed=[self.seed + i for _ in self.trials for i in range(number)],
            device=self.device,
            listens=self.listens,
        )

    def world(self) -> Any:
        """Return the population's worlds, whose state a checkpoint can hold."""
        checked_device(self.device)
        return replayable_world(
            self.env_id,
            self.population,
            device=self.device,
            env_kwargs=self.env_kwargs,
            catastrophe_reward=self.catastrophe_reward,
        )

    def check(self) -> None:
        """Raise `ValueError` if this cannot be trained here: an unknown task, spaces that do not fit, ..."""
        if self.agent == TABULAR:
            dataclasses.replace(self, population=len(self.trials) or 1).build().require_env().close()
        else:
            from emotional_ed.experiments.train_deep import build_deep

            small = {**self.hyperparameters, "buffer_size": 100}
            build_deep(dataclasses.replace(self, hyperparameters=small)).get_env().close()


def train(
    spec: TrainSpec,
    out: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    progress_bar: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Path:
    """Train and write config, metrics, TensorBoard events, checkpoint and result into `out`.

    Interrupted by Ctrl-C or an error, it keeps metrics and checkpoint so far and passes the exception on;
    without `result.json` the folder does not count as a finished run.

    Args:
        spec: what to train.
        out: a new or empty folder.
        progress: called now and then with the steps made since the last call.
        progress_bar: show one on standard error.
        checkpoint_seconds: time between two checkpoints; more if they take long to write.

    Raises:
        ValueError: the folder holds a run, or the task does not suit the agent.
    """
    require_range("checkpoint_seconds", checkpoint_seconds, 0)
    spec.check()  # before the folder: what cannot be built leaves nothing behind
    folder = RunFolder(out)
    folder.write_config(spec.to_dict())
    with (
        gentle_interrupts() as interrupted,
        tqdm(total=spec.steps, disable=not progress_bar, unit="step", unit_scale=True) as bar,
    ):
        told = 0

        def tell(made: int) -> None:
            nonlocal told
            bar.update(made - told)
            if progress is not None:
                progress(made - told)
            told = made

        ear = Ear(tell=tell, stopped=interrupted, checkpoint_seconds=checkpoint_seconds)
        if not fit(spec, folder, ear):
            raise KeyboardInterrupt
    return folder.path


def fit(spec: TrainSpec, folder: RunFolder, ear: Ear) -> bool:
    """Train in a folder, from its checkpoint if it has one; return whether it was finished (not stopped)."""
    if spec.agent == TABULAR:
        from emotional_ed.experiments.train_population import fit_population

        return fit_population(spec, folder, ear)
    from emotional_ed.experiments.train_deep import fit_deep

    return fit_deep(spec, folder, ear)


@contextlib.contextmanager
def gentle_interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into True from what is yielded, so that training stops between two steps.

    A second one interrupts at once. Outside the main thread, nothing is changed.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody else's, or ignored
        yield asked.is_set
        return
    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
