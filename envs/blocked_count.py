"""How many times in a row the observation did not change, as part of the observation: a rival for anger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from gymnasium import spaces
from torch import Tensor

from emotional_ed.checks import require_int
from emotional_ed.envs.batched import BatchedEnv, BatchedStep


@final
class BlockedCount:
    """A batch of environments whose observations also count the steps that changed nothing.

    Equation:
        n+ = min(n + 1, cap) if o+ = o else 0;  code = o * (cap + 1) + n

    A plain learner on these codes has the information from which anger knows that it is blocked. The count
    starts from 0 with each episode.

    Args:
        env: with a Discrete observation space.
        cap: the largest count told apart, >= 1.

    Shapes:
        Observations [P] int64 in [0, n * (cap + 1)).

    Raises:
        ValueError: observations are not Discrete.
    """

    def __init__(self, env: BatchedEnv, cap: int = 8) -> None:
        inner = env.observation_space
        if not isinstance(inner, spaces.Discrete):
            raise ValueError(f"observation_space: got {inner}, expected Discrete")
        self.env = env
        self.cap = require_int("cap", cap, 1)
        self.env_id = ""  # what it stands for has no id of its own
        self.env_kwargs: dict[str, Any] = {}
        self.num_envs = env.num_envs
        levels = self.cap + 1
        self.observation_space: spaces.Space[Any] = spaces.Discrete(
            int(inner.n) * levels, start=int(inner.start) * levels
        )
        self.actions, self.action_start = env.actions, env.action_start
        self._observation = self._count = torch.empty(0, dtype=torch.int64)

    def reset(self, seeds: Sequence[int]) -> Tensor:
        """Start every copy with its own seed; all counts are 0."""
        self._observation = self.env.reset(seeds)
        self._count = torch.zeros_like(self._observation)
        return self._code(self._observation, self._count)

    def step(self, action: Tensor) -> BatchedStep:
        """Take actions [P]."""
        step = self.env.step(action)
        unchanged = step.final_observation == self._observation
        count = (self._count + 1).clamp(max=self.cap) * unchanged
        self._count = count.masked_fill(step.terminated | step.truncated, 0)
        self._observation = step.observation
        return step._replace(
            observation=self._code(self._observation, self._count),
            final_observation=self._code(step.final_observation, count),
        )

    def _code(self, observation: Tensor, count: Tensor) -> Tensor:
        return observation * (self.cap + 1) + count

    def state(self) -> dict[str, Tensor] | None:
        """Return the state of the environment with counts and cap, or None if it cannot be restored."""
        inner = self.env.state()
        if inner is None:
            return None
        return {**inner, "blocked_count": self._count, "blocked_cap": torch.tensor(self.cap)}

    def restorable(self, state: Mapping[str, Tensor]) -> bool:
        """Return whether `state` is of this environment, counted up to the same cap."""
        same_cap = "blocked_cap" in state and int(state["blocked_cap"]) == self.cap
        return same_cap and "blocked_count" in state and self.env.restorable(state)

    def restore(self, state: Mapping[str, Tensor], seeds: Sequence[int]) -> Tensor:
        """Go back to what `state` returned."""
        self._observation = self.env.restore(state, seeds)
        self._count = state["blocked_count"].to(self._observation.device).clone()
        return self._code(self._observation, self._count)

    def close(self) -> None:
        """Close the environment."""
        self.env.close()
