"""A tabular world as a single Gymnasium environment and as a Gymnasium vector environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from emotional_ed.envs.batched import BatchedStep, BatchedTabularEnv
from emotional_ed.envs.rendering import Drawn
from emotional_ed.envs.tabular_model import TabularModel


class TabularEnv(Drawn, gymnasium.Env[Any, Any]):
    """One copy of a `TabularModel`; subclasses build the model and the map.

    Args:
        model: the tables.
        render_mode: "ansi" (text), "rgb_array" (image) or None.
    """

    appraisals: ClassVar[tuple[str, ...]] = ()
    """What `info["affect"]` tells: "danger" (1.0 in the step of a catastrophe) and "forgone" (the rewards of
    all actions in this very step). For agents that are asked to use it, and say so."""

    def __init__(self, model: TabularModel, render_mode: str | None = None) -> None:
        self.show_as(render_mode)
        self.model = model
        self.observation_space = spaces.Discrete(model.observations)
        self.action_space = spaces.Discrete(model.shape[2])
        self._state = 0
        self._episode = -1

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Start the next episode; a seed starts the world anew at its first context."""
        super().reset(seed=seed)
        self._episode = 0 if seed is not None else self._episode + 1
        self._state = int(self.model.start[int(self.np_random.random() * len(self.model.start))])
        return int(self.model.observation[self._state]), {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Take one action; `info["catastrophe"]` is for reports."""
        if not self.action_space.contains(action):
            raise ValueError(f"action: got {action!r}, expected an integer in [0, {self.model.shape[2]})")
        model = self.model
        row = (model.context(self._episode), self._state, int(action))
        cumulative = model.probability[row].cumsum()[:-1]
        uniform = self.np_random.random()
        where = (*row, int((uniform >= cumulative).sum()))
        info: dict[str, Any] = {"catastrophe": bool(model.catastrophe[where])}
        if self.appraisals:
            info["affect"] = self._appraise(row[:2], uniform, info["catastrophe"])
        self._state = int(model.next_state[where])
        return (
            int(model.observation[self._state]),
            float(model.reward[where]),
            bool(model.terminated[where]),
            False,
            info,
        )

    def _appraise(self, situation: tuple[int, int], uniform: float, catastrophe: bool) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if "danger" in self.appraisals:
            told["danger"] = float(catastrophe)
        if "forgone" in self.appraisals:
            cumulative = self.model.probability[situation].cumsum(-1)[:, :-1]  # [A, O - 1]
            outcome = (uniform >= cumulative).sum(-1)
            told["forgone"] = self.model.reward[situation][np.arange(len(outcome)), outcome].tolist()
        return told


class TabularVectorEnv(VectorEnv[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]):
    """Gymnasium's vector interface over `BatchedTabularEnv`, with same-step autoreset.

    Args:
        single: an instance of the single environment, for its model and spaces.
        num_envs: number of copies.
        max_episode_steps: steps after which an episode is truncated.
        device: where the tables live.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self, single: TabularEnv, num_envs: int, max_episode_steps: int, device: str = "cpu"
    ) -> None:
        self.num_envs = num_envs
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(single.observation_space, num_envs)
        self.action_space = batch_space(single.action_space, num_envs)
        self.appraisals = single.appraisals
        self.batched = BatchedTabularEnv(
            single.model, num_envs, max_episode_steps=max_episode_steps, device=device
        )

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Reset all copies; an integer seed gives copy i the seed `seed + i`."""
        super().reset(seed=seed if isinstance(seed, int) else None)
        if seed is None:
            seeds: Sequence[int] = [int(s) for s in self.np_random.integers(2**62, size=self.num_envs)]
        else:
            seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed: got {len(seeds)} seeds, expected {self.num_envs}, one a copy")
        return self.batched.reset(seeds).cpu().numpy(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Step all copies; `info["final_obs"]` holds the last observation of episodes that ended."""
        if not self.action_space.contains(np.asarray(actions, dtype=np.int64)):
            raise ValueError(f"actions: got {actions!r}, expected an element of {self.action_space}")
        step = self.batched.step(torch.as_tensor(actions, dtype=torch.int64, device=self.batched.device))
        terminated, truncated = step.terminated.cpu().numpy(), step.truncated.cpu().numpy()
        info: dict[str, Any] = {
            "catastrophe": step.catastrophe.cpu().numpy(),
            "_catastrophe": np.ones(self.num_envs, dtype=np.bool_),
        }
        if self.appraisals:
            info |= {"affect": self._appraise(step), "_affect": info["_catastrophe"].copy()}
        done = terminated | truncated
        if done.any():
            final = np.full(self.num_envs, None, dtype=object)
            final[done] = step.final_observation.cpu().numpy()[done]
            info |= {"final_obs": final, "_final_obs": done}
        reward = step.reward.cpu().numpy().astype(np.float64)
        return step.observation.cpu().numpy(), reward, terminated, truncated, info

    def _appraise(self, step: BatchedStep) -> dict[str, NDArray[Any]]:
        told: dict[str, NDArray[Any]] = {}
        if "danger" in self.appraisals:
            told["danger"] = step.catastrophe.cpu().numpy().astype(np.float64)
        if "forgone" in self.appraisals and step.forgone is not None:
            told["forgone"] = step.forgone.cpu().numpy().astype(np.float64)
        return told | {f"_{name}": np.ones(self.num_envs, dtype=np.bool_) for name in told}
