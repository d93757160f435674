"""Any world that a population lives in, brought back to where it was by living its actions again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.envs import BatchedEnv, BatchedStep, as_batched
from emotional_ed.envs.gymnasium_batch import GymnasiumBatch


def replayable_world(env_id: str, population: int, **arguments: Any) -> BatchedEnv:
    """Return what `as_batched` returns, in a `ReplayedWorld` if it could not be restored otherwise."""
    world = as_batched(env_id, population, **arguments)
    return ReplayedWorld(world) if isinstance(world, GymnasiumBatch) else world


@final
class ReplayedWorld:
    """A world that remembers all actions since its last reset, which are its state.

    Other people's environments cannot be asked for their state. But with the same seeds and actions they must
    do the same again, says Gymnasium; so going back is living again, without learning. Where an environment
    breaks that rule, `restore` says so.

    Args:
        env: the world.
    """

    def __init__(self, env: BatchedEnv) -> None:
        self.env = env
        self.env_id, self.env_kwargs = env.env_id, env.env_kwargs
        self.num_envs, self.actions, self.action_start = env.num_envs, env.actions, env.action_start
        self.observation_space = env.observation_space
        self._acted: NDArray[Any] = np.zeros((0, env.num_envs), np.uint8 if env.actions <= 256 else np.int32)
        self._made = 0
        self._seen: Tensor | None = None

    def reset(self, seeds: Sequence[int]) -> Tensor:
        """Start every copy with its own seed."""
        self._made = 0
        self._seen = self.env.reset(seeds)
        return self._seen

    def step(self, action: Tensor) -> BatchedStep:
        """Step all copies."""
        step = self.env.step(action)
        if self._made == len(self._acted):
            self._acted = np.concatenate(
                [self._acted, np.zeros_like(self._acted, shape=(self._made + 1024, self.num_envs))]
            )
        self._acted[self._made] = action.cpu().numpy()
        self._made += 1
        self._seen = step.observation
        return step

    def state(self) -> dict[str, Tensor]:
        """Return all actions [P, T], and what was observed last."""
        state = {"acted": torch.from_numpy(self._acted[: self._made].T.copy())}
        return state if self._seen is None else {**state, "seen": self._seen}

    def restorable(self, state: Mapping[str, Tensor]) -> bool:
        """Return whether these are actions of as many copies."""
        acted = state.get("acted")
        return acted is not None and "seen" in state and acted.shape[:1] == (self.num_envs,)

    def restore(self, state: Mapping[str, Tensor], seeds: Sequence[int]) -> Tensor:
        """Live all actions again and return the last observation.

        Raises:
            ValueError: it is not what was observed before.
        """
        observation = self.reset(seeds)
        for row in state["acted"].cpu().numpy().T:
            observation = self.step(torch.from_numpy(row.astype(np.int64)).to(observation.device)).observation
        if not torch.equal(observation.cpu(), state["seen"].cpu()):
            raise ValueError(f"env: {self.env_id} does not do the same again with the same seeds and actions")
        return observation

    def close(self) -> None:
        """Close the world."""
        self.env.close()
