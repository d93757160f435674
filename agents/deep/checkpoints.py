"""A callback that writes a checkpoint now and then, where learning can go on exactly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, final

from stable_baselines3.common.callbacks import BaseCallback

from emotional_ed.agents.checkpoint import with_suffix
from emotional_ed.checks import require_int


@final
class Checkpoints(BaseCallback):
    """Saves the agent to one file, between a rollout and the next, whenever enough steps were made.

    The file is replaced as a whole or not at all: whenever the run is killed, the last checkpoint is there.
    `EmotionalDQN.load(path)` and `learn(model.remaining_timesteps, reset_num_timesteps=False)` go on from it
    as if nothing had happened.

    Args:
        path: of the file; the suffix .safetensors is added.
        every: steps between two checkpoints, at least; >= 1.
        verbose: Stable-Baselines3's.
    """

    def __init__(self, path: str | os.PathLike[str], every: int, verbose: int = 0) -> None:
        super().__init__(verbose)
        self.path: Path = with_suffix(path)
        self.every = require_int("every", every, 1)
        self._written = 0

    def _on_training_start(self) -> None:
        self._written = self.model.num_timesteps

    def _on_rollout_start(self) -> None:
        model: Any = self.model
        if model.num_timesteps - self._written >= self.every:
            model.save(self.path)
            self._written = model.num_timesteps

    def _on_step(self) -> bool:
        return True
