"""Train one population into a run folder."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ, tensorboard_logger
from emotional_ed.agents.level0 import LevelZero
from emotional_ed.checks import require_choice, require_int
from emotional_ed.experiments.run_folder import RunFolder

AGENTS = ("emotional-q",)
"""Agents that can be trained by name."""

Progress = Callable[[int], object]
_CHECKPOINT = 5000  # steps of each member between two checkpoints
_INTERVAL = 500  # steps of each member between two points in the log


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """Everything that determines a run."""

    env_id: str
    """Gymnasium id."""
    steps: int
    """Steps of each member."""
    agent: str = "emotional-q"
    """Name of the agent."""
    affect: AffectConfig = field(default_factory=lambda: AffectConfig.levels(2))
    """Its levels of affect."""
    level0: LevelZero = field(default_factory=LevelZero)
    """Its critic, policy and sleep."""
    listens: bool = False
    """Whether it may use what the environment says of the situation."""
    population: int = 1
    """Members; member i has seed + i."""
    seed: int = 0
    """Seed of the first member."""
    step_size: float = 0.1
    """Step size of level 0."""
    discount: float = 0.99
    """Discount."""
    exploration: float = 0.1
    """Probability of a random action."""
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

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dictionaries, for JSON."""
        return {
            **{one.name: getattr(self, one.name) for one in dataclasses.fields(self)},
            "affect": self.affect.to_dict(),
            "level0": self.level0.to_dict(),
        }

    def build(self) -> EmotionalQ:
        """Return the untrained agent."""
        return EmotionalQ(
            self.env_id,
            self.affect,
            population=self.population,
            step_size=self.step_size,
            discount=self.discount,
            exploration=self.exploration,
            seed=self.seed,
            env_kwargs=self.env_kwargs,
            catastrophe_reward=self.catastrophe_reward,
            device=self.device,
            level0=self.level0,
            listens=self.listens,
        )


def train(
    spec: TrainSpec,
    out: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    progress_bar: bool = False,
) -> Path:
    """Train and write config, metrics, TensorBoard events, checkpoint and result into `out`.

    Interrupted by Ctrl-C or an error, it keeps metrics and checkpoint so far and passes the exception on;
    without `result.json` the folder does not count as a finished run.

    Args:
        spec: what to train.
        out: a new or empty folder.
        progress: called now and then with the steps made since the last call.
        progress_bar: show one on standard error.

    Raises:
        ValueError: the folder holds a run, or the task does not suit the agent.
    """
    model = spec.build()  # before the folder: what cannot be built leaves nothing behind
    folder = RunFolder(out)
    folder.write_config(spec.to_dict())
    model.set_logger(tensorboard_logger(folder.path))
    reported = 0

    def keep(agent: EmotionalQ) -> None:
        nonlocal reported
        if agent.num_timesteps % _INTERVAL == 0 or agent.num_timesteps == spec.steps:
            folder.append_episodes(agent.episodes_after(folder.episodes))
            if agent.num_timesteps % _CHECKPOINT == 0:
                agent.save(folder.path / "checkpoint")
            if progress is not None:
                progress(agent.num_timesteps - reported)
                reported = agent.num_timesteps

    began = time.perf_counter()
    try:
        model.learn(spec.steps, callback=keep, log_interval=_INTERVAL, progress_bar=progress_bar)
    finally:
        folder.append_episodes(model.episodes_after(folder.episodes))
        model.save(folder.path / "checkpoint")
        model.logger.close()
    folder.write_result(
        {
            "steps": model.num_timesteps,
            "seconds": time.perf_counter() - began,
            "episodes": folder.episodes,
            "catastrophes": model.catastrophes,
            "unfinished_return": model.unfinished_returns,
        }
    )
    return folder.path
