"""Many copies of a world stepped by one tensor program, on the agent's device."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, final, runtime_checkable

import numpy as np
import torch
from gymnasium.spaces import Discrete, Space
from torch import Tensor

from emotional_ed.envs.tabular_model import TabularModel
from emotional_ed.streams import Streams


class BatchedStep(NamedTuple):
    """What one step of every copy gives; ended copies are reset within the step."""

    observation: Tensor
    """What to act on next (a new episode's first where one ended): [P] int64 for a Discrete space,
    [P, n] int64 for several integers, all counted from 0; [P, n] float32 for a Box."""
    final_observation: Tensor
    """What the action led to, before any reset."""
    reward: Tensor
    """[P] float32."""
    terminated: Tensor
    """[P] bool, in Gymnasium's sense."""
    truncated: Tensor
    """[P] bool, in Gymnasium's sense."""
    catastrophe: Tensor
    """[P] bool, for reports only: agents must not look."""
    forgone: Tensor | None = None
    """[P, A] float32, what every action would have paid in this very step; None where the world keeps it."""


@runtime_checkable
class BatchedEnv(Protocol):
    """What a population learns on: P copies with discrete actions, stepped together."""

    env_id: str
    env_kwargs: dict[str, Any]
    num_envs: int
    observation_space: Space[Any]
    """Of a single copy, as the environment's users know it."""
    actions: int
    action_start: int

    def reset(self, seeds: Sequence[int]) -> Tensor:
        """Start every copy with its own seed and return observations [P] or [P, n]."""
        ...

    def step(self, action: Tensor) -> BatchedStep:
        """Take actions [P]."""
        ...

    def state(self) -> dict[str, Tensor] | None:
        """Return all there is to restore, or None if the world cannot be restored."""
        ...

    def restorable(self, state: Mapping[str, Tensor]) -> bool:
        """Return whether `restore` can go back to this state."""
        ...

    def restore(self, state: Mapping[str, Tensor], seeds: Sequence[int]) -> Tensor:
        """Go back to a state and return its observations."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


@final
class BatchedTabularEnv:
    """P copies of a `TabularModel`; copy p behaves the same alone and in company.

    Args:
        model: the tables.
        num_envs: P.
        env_id: the id that it stands for.
        env_kwargs: what it was made with.
        max_episode_steps: steps after which an episode is truncated.
        device: where tables and states live.
    """

    def __init__(
        self,
        model: TabularModel,
        num_envs: int,
        *,
        env_id: str = "",
        env_kwargs: Mapping[str, Any] | None = None,
        max_episode_steps: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.model = model
        self.env_id = env_id
        self.env_kwargs = dict(env_kwargs or {})
        self.action_start = 0
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.device = torch.device(device)
        self.contexts, self.states, self.actions, self.outcomes = model.shape
        self.observation_space: Space[Any] = Discrete(model.observations)
        cumulative = model.probability.cumsum(-1).reshape(-1, self.outcomes)[:, :-1]
        self._cumulative = torch.as_tensor(cumulative, dtype=torch.float32, device=self.device)
        self._next_state = self._table(model.next_state, torch.int64)
        self._reward = self._table(model.reward, torch.float32)
        self._terminated = self._table(model.terminated, torch.bool)
        self._catastrophe = self._table(model.catastrophe, torch.bool)
        self._observation = self._table(model.observation, torch.int64)
        self._start = self._table(model.start, torch.int64)
        self._streams = Streams([0] * num_envs, 2, purpose=1, device=device)
        self._state = self._elapsed = self._episode = torch.zeros(num_envs, dtype=torch.int64, device=device)

    def _table(self, array: object, dtype: torch.dtype) -> Tensor:
        return torch.as_tensor(array, dtype=dtype, device=self.device).reshape(-1)

    def reset(self, seeds: Sequence[int]) -> Tensor:
        """Start every copy at its first episode."""
        self._streams = Streams(seeds, 2, purpose=1, device=self.device)
        self._state = self._draw_start(self._streams.next()[:, 1])
        self._elapsed = torch.zeros_like(self._state)
        self._episode = torch.zeros_like(self._state)
        return self._observation[self._state]

    def step(self, action: Tensor) -> BatchedStep:
        """Take actions [P] in [0, A); ended copies start their next episode."""
        uniform = self._streams.next()  # [P, 2]
        situation = self._state * self.actions  # the first of A rows, one an action
        if self.contexts > 1:
            situation = situation + self._context() * (self.states * self.actions)
        row = self._drawn(situation + action, uniform[:, :1])
        forgone = None
        if self.model.full_feedback:
            every = situation[:, None] + torch.arange(self.actions, device=self.device)
            forgone = self._reward[self._drawn(every, uniform[:, :1, None])]
        reached, terminated = self._next_state[row], self._terminated[row]
        self._elapsed = self._elapsed + 1
        truncated = (self._elapsed >= self.max_episode_steps) & ~terminated
        done = terminated | truncated
        self._elapsed = self._elapsed.masked_fill(done, 0)
        self._episode = self._episode + done
        self._state = torch.where(done, self._draw_start(uniform[:, 1]), reached)
        return BatchedStep(
            self._observation[self._state],
            self._observation[reached],
            self._reward[row],
            terminated,
            truncated,
            self._catastrophe[row],
            forgone,
        )

    def _context(self) -> Tensor:
        """Return the context [P] whose turn it is."""
        phase = self._episode // self.model.episodes_per_context
        return phase % self.contexts if self.model.repeats else phase.clamp(max=self.contexts - 1)

    def _drawn(self, row: Tensor, uniform: Tensor) -> Tensor:
        """Return where in the tables of outcomes the rows [...] led; `uniform` is [..., 1]."""
        if self.outcomes == 1:
            return row
        return row * self.outcomes + (uniform >= self._cumulative[row]).sum(-1)

    def _draw_start(self, uniform: Tensor) -> Tensor:
        return self._start[(uniform * len(self._start)).to(torch.int64)]

    def state(self) -> dict[str, Tensor]:
        """Return states, clocks, the position in the random streams, and which world they belong to."""
        position = torch.tensor(self._streams.position)
        return {
            "state": self._state,
            "elapsed": self._elapsed,
            "episode": self._episode,
            "position": position,
            "world": self._fingerprint(),
        }

    def _fingerprint(self) -> Tensor:
        digest = hashlib.sha256(str((self.max_episode_steps, self.model.episodes_per_context)).encode())
        for field in dataclasses.fields(self.model):
            digest.update(np.ascontiguousarray(getattr(self.model, field.name)).tobytes())
        return torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8).clone()

    def restorable(self, state: Mapping[str, Tensor]) -> bool:
        """Return whether `state` is of this very world: the same tables and time limit."""
        return "world" in state and torch.equal(state["world"].cpu(), self._fingerprint())

    def restore(self, state: Mapping[str, Tensor], seeds: Sequence[int]) -> Tensor:
        """Go back to what `state` returned."""
        self._streams = Streams(seeds, 2, purpose=1, device=self.device)
        self._streams.position = int(state["position"])
        self._state = state["state"].to(self.device).clone()
        self._elapsed = state["elapsed"].to(self.device).clone()
        self._episode = state["episode"].to(self.device).clone()
        return self._observation[self._state]

    def close(self) -> None:
        """Hold nothing."""
