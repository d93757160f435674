"""Into and out of Stable-Baselines3's replay buffers, without needless copies."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from emotional_ed.agents.salience_buffer import SalienceReplayBuffer

Observations = Tensor | dict[str, Tensor]

_COPYING = (ReplayBuffer, SalienceReplayBuffer)
"""Classes of buffers that keep nothing of what they are given, but copies."""


class Minibatch(NamedTuple):
    """Transitions drawn from a replay buffer, as tensors."""

    observations: Observations
    """[B, ...]; a dictionary of such for Dict spaces."""
    next_observations: Observations
    """[B, ...], n steps later for n-step buffers."""
    actions: Tensor
    """[B, 1] int64, or [B, A] float32 where actions are continuous."""
    rewards: Tensor
    """[B, 1] float32, the n-step sum for n-step buffers."""
    terminal: Tensor
    """[B, 1] float32, 1 where the episode ended other than by a time limit."""
    discounts: Tensor | float
    """What the value of the next state is multiplied by; [B, 1] or one number."""
    members: Tensor | None
    """[B] int64, which environment each transition is of; None if the buffer does not tell."""
    weights: Tensor | None = None
    """[B, 1] importance weights of a prioritised buffer; None means 1 each."""
    indices: Tensor | None = None
    """[B] int64 on the CPU, where the buffer holds the transitions; None if it does not tell."""
    slots: Tensor | None = None
    """[B] int64, which value memory each transition was lived with; None while there is one for all."""


def is_plain(buffer: ReplayBuffer) -> bool:
    """Return whether the arrays of the buffer may be read and written directly."""
    return type(buffer) is ReplayBuffer and not buffer.optimize_memory_usage


def store(
    buffer: ReplayBuffer,
    observation: Any,
    next_observation: Any,
    action: NDArray[Any],
    reward: NDArray[Any],
    done: NDArray[Any],
    infos: list[dict[str, Any]],
) -> None:
    """Add one step of every environment, as `buffer.add` does."""
    if not is_plain(buffer) or isinstance(buffer.observation_space, spaces.Discrete):
        copies = type(buffer) in _COPYING
        given = next_observation if copies else deepcopy(next_observation)
        buffer.add(observation, given, action, reward, done, infos)
        return
    at = buffer.pos
    buffer.observations[at] = observation
    buffer.next_observations[at] = next_observation
    buffer.actions[at] = action.reshape(buffer.n_envs, buffer.action_dim)
    buffer.rewards[at] = reward
    buffer.dones[at] = done
    if buffer.handle_timeout_termination:
        buffer.timeouts[at] = [info.get("TimeLimit.truncated", False) for info in infos]
    buffer.pos += 1
    if buffer.pos == buffer.buffer_size:
        buffer.full, buffer.pos = True, 0


def sample(
    buffer: ReplayBuffer, size: int, normalize: VecNormalize | None, discount: float, *, locate: bool = False
) -> Minibatch:
    """Draw transitions as `buffer.sample` does: from the same random numbers, the same transitions.

    Args:
        buffer: where from.
        size: B.
        normalize: the environment's normalization of observations and rewards, if it has one.
        discount: of one step; an n-step buffer brings its own.
        locate: find out where in the buffer the transitions are, whatever the buffer tells.
    """
    if not is_plain(buffer):
        state = np.random.get_state() if locate else None  # noqa: NPY002
        batch = from_samples(buffer, buffer.sample(size, env=normalize), discount)
        if batch.indices is None and state is not None:
            batch = batch._replace(indices=_drawn(buffer, size, state))
        return batch
    steps = np.random.randint(0, buffer.buffer_size if buffer.full else buffer.pos, size=size)  # noqa: NPY002
    envs = np.random.randint(0, high=buffer.n_envs, size=(size,))  # noqa: NPY002
    rows = steps if buffer.n_envs == 1 else steps * buffer.n_envs + envs

    def take(array: NDArray[Any]) -> NDArray[Any]:
        flat = array.reshape(-1, *array.shape[2:])  # a view: the arrays are contiguous
        taken: NDArray[Any] = flat.take(rows, axis=0)
        return taken

    def tensor(array: Any) -> Tensor:
        return torch.from_numpy(array).to(buffer.device)

    observations, following = take(buffer.observations), take(buffer.next_observations)
    rewards = take(buffer.rewards)[:, None]
    if normalize is not None:
        observations, following = normalize.normalize_obs(observations), normalize.normalize_obs(following)  # type: ignore[assignment]
        rewards = normalize.normalize_reward(rewards).astype(np.float32)
    terminal = take(buffer.dones)
    if buffer.handle_timeout_termination:
        terminal *= 1 - take(buffer.timeouts)
    return Minibatch(
        observations=tensor(observations),
        next_observations=tensor(following),
        actions=_numbered(tensor(take(buffer.actions))),
        rewards=tensor(rewards),
        terminal=tensor(terminal[:, None]),
        discounts=discount,
        members=tensor(envs),
        indices=torch.from_numpy(rows),
    )


def _numbered(actions: Tensor) -> Tensor:
    """Return actions that are numbers of a list as int64, and real ones as they are."""
    return actions if actions.is_floating_point() else actions.long()


def from_samples(buffer: ReplayBuffer, samples: Any, discount: float) -> Minibatch:
    """Return what a buffer's `sample` gave as a minibatch."""
    indices: Tensor | None = getattr(samples, "indices", None)
    members = None if indices is None else (indices % buffer.n_envs).to(buffer.device)
    if buffer.n_envs == 1:
        members = torch.zeros(len(samples.rewards), dtype=torch.int64, device=buffer.device)
    return Minibatch(
        observations=samples.observations,
        next_observations=samples.next_observations,
        actions=_numbered(samples.actions),
        rewards=samples.rewards,
        terminal=samples.dones,
        discounts=discount if samples.discounts is None else samples.discounts,
        members=members,
        weights=getattr(samples, "weights", None),
        indices=indices,
    )


def _drawn(buffer: ReplayBuffer, size: int, state: Any) -> Tensor:
    """Draw once more, as Stable-Baselines3's buffers did from the generator in `state`: [B] places."""
    generator = np.random.RandomState()
    generator.set_state(state)
    if buffer.optimize_memory_usage and buffer.full:
        rows = (generator.randint(1, buffer.buffer_size, size=size) + buffer.pos) % buffer.buffer_size
    else:
        rows = generator.randint(0, buffer.buffer_size if buffer.full else buffer.pos, size=size)
    envs = generator.randint(0, high=buffer.n_envs, size=(size,))
    return torch.from_numpy(rows * buffer.n_envs + envs)
