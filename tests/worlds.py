"""Small environments that tests share."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Corridor(gymnasium.Env[Any, Any]):
    """Five cells; right leads to +1 at the end. Can be told to misbehave at a given step."""

    def __init__(self, fault: str = "", at: int = 0, start: int = 0) -> None:
        self.observation_space = spaces.Discrete(5, start=start)
        self.action_space = spaces.Discrete(2, start=start)
        self.fault, self.at, self.start = fault, at, start
        self.steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.cell = 0
        return self.start, {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self.steps += 1
        self.cell = max(self.cell + (1 if action == self.start + 1 else -1), 0)
        ended = self.cell == 4
        reward: Any = float(ended)
        observation: Any = self.cell + self.start
        if self.fault and self.steps == self.at:
            if self.fault == "reward":
                reward = np.nan
            elif self.fault == "infinite":
                reward = np.inf
            else:
                observation = 99
        return observation, reward, ended, False, {}


def register() -> None:
    """Make the corridor known as `Corridor-v0` (80 steps at most)."""
    if "Corridor-v0" not in gymnasium.registry:
        gymnasium.register(
            "Corridor-v0", entry_point="worlds:Corridor", max_episode_steps=80, disable_env_checker=True
        )
