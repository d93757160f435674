"""Replay for Stable-Baselines3 that prefers what was surprising or moving, and can be swept backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from emotional_ed.agents.buffer_state import restore_into, state_of
from emotional_ed.agents.stored_steps import backward, backward_paths, forward, next_rows
from emotional_ed.checks import require_int, require_range
from emotional_ed.replay._mixture import PriorityMixture

Array = NDArray[Any]


class SalienceSamples(NamedTuple):
    """A minibatch: the fields of Stable-Baselines3's samples in their order, and two more."""

    observations: Tensor
    """[B, ...]."""
    actions: Tensor
    """[B, A]."""
    next_observations: Tensor
    """[B, ...], n steps later for n-step returns."""
    dones: Tensor
    """[B, 1], 1 where the episode ended other than by a time limit."""
    rewards: Tensor
    """[B, 1], the n-step return without its bootstrap."""
    discounts: Tensor | None
    """[B, 1], what the next value is multiplied by; None with n_steps = 1: the algorithm's own."""
    weights: Tensor
    """[B, 1] in (0, 1], importance weights, 1 for the least likely of the batch."""
    indices: Tensor
    """[B], int64 on the CPU: the stored transitions, for `update_priorities`."""


@final
class SalienceReplayBuffer(ReplayBuffer):
    """Prioritised replay as a `replay_buffer_class` for DQN, SAC, TD3 and DDPG.

    P(i) = u / N + (1 - u) (s sigma_i^a / sum sigma^a + (1 - s) p_i / sum p)
    p_i = (|td error_i| + epsilon)^a
    w_i = (N P(i))^-beta / max_j w_j

    New transitions start at the highest priority so far. A priority by error changes only through
    `update_priorities`. The algorithms of Stable-Baselines3 do not call it: add the callback
    `PrioritizeByTDError`, or set `td_error`; with neither, draws by error are even. Nor do those algorithms
    multiply their losses by `weights`: with them the correction is absent, which acts as beta = 0, and where
    outcomes are random the values lean to what is replayed often. A lower alpha or a higher `uniform` leans
    less.

    Salience is given: `info["salience"]` of a step, or `set_salience`. It may come from standardised surprise
    and emotion; whatever its scale, it gets the share s.

    Args:
        buffer_size: transitions of all environments together.
        observation_space: any but a dictionary.
        action_space: of one environment.
        device: where minibatches go. Transitions and priorities stay in the memory of the CPU.
        n_envs: number of environments.
        optimize_memory_usage: hold each observation once. Needs `handle_timeout_termination=False`.
        handle_timeout_termination: bootstrap from what a time limit cut off.
        alpha: exponent a in [0, 1].
        beta: exponent of the importance weights in [0, 1].
        beta_steps: number of draws of minibatches over which beta rises to 1 in equal steps; 0 for never.
        epsilon: above zero, in units of the TD error.
        uniform: share u of even draws, in [0, 1].
        salience_share: share s by salience of the draws that are not even, in [0, 1]; drawn by error while
            nothing is salient.
        n_steps: of an n-step return, cut off at the end of an episode, and where the next observation stored
            is not the one that this step led to.
        gamma: discount of one step in an n-step return, in [0, 1]; give the algorithm's.
        seed: of the draws; None takes one from NumPy's global state, which the algorithm has seeded.

    Attributes:
        td_error: None, or a function from samples to their TD errors [B]; called at each draw of a minibatch.

    Raises:
        ValueError: an argument is out of range.

    When it does harm:
        Noisy outcomes keep their errors and are replayed in vain; the share of even draws limits that.

    Reference:
        Schaul et al. 2016, Prioritized Experience Replay, algorithm 1.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        *,
        alpha: float = 0.6,
        beta: float = 0.4,
        beta_steps: int = 0,
        epsilon: float = 1e-6,
        uniform: float = 0.1,
        salience_share: float = 0.3,
        n_steps: int = 1,
        gamma: float = 0.99,
        seed: int | None = None,
    ) -> None:
        if isinstance(observation_space, spaces.Dict):
            raise ValueError("observation_space: got a Dict, expected a space of single arrays")
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            optimize_memory_usage,
            handle_timeout_termination,
        )
        require_int("buffer_size", self.buffer_size, 2 if optimize_memory_usage else 1)
        self._first_beta = require_range("beta", beta, 0.0, 1.0)
        self._beta_steps = require_int("beta_steps", beta_steps, 0)
        self.n_steps = require_int("n_steps", n_steps, 1, self.buffer_size)
        self.gamma = require_range("gamma", gamma, 0.0, 1.0)
        if seed is None:
            seed = int(np.random.randint(2**31))  # noqa: NPY002
        self.generator = torch.Generator().manual_seed(require_int("seed", seed, 0, 2**63 - 1))
        self.priorities = PriorityMixture(
            self.buffer_size * n_envs,
            alpha=alpha,
            epsilon=epsilon,
            uniform=uniform,
            salience_share=salience_share,
        )
        self.salience: Array = np.zeros((self.buffer_size, n_envs), dtype=np.float32)
        self.ends: Array = np.zeros((self.buffer_size, n_envs), dtype=np.bool_)
        self.draws = 0
        self.td_error: Callable[[SalienceSamples], Tensor] | None = None
        self._new_rows = 0

    # ------------------------------------------------------------------ storing

    @property
    def beta(self) -> float:
        """The exponent of the importance weights now."""
        if self._beta_steps == 0:
            return self._first_beta
        share = min(self.draws / self._beta_steps, 1.0)
        return self._first_beta + share * (1.0 - self._first_beta)

    @property
    def last_indices(self) -> Tensor:
        """The transitions that the last `add` stored, one of each environment, [n_envs]."""
        if self.size() == 0:
            raise ValueError("last_indices: got an empty buffer, expected at least one transition")
        row = (self.pos - 1) % self.buffer_size
        return torch.arange(row * self.n_envs, (row + 1) * self.n_envs)

    def add(
        self,
        obs: Array,
        next_obs: Array,
        action: Array,
        reward: Array,
        done: Array,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store one step of every environment; `info["salience"]`, where given, is its salience.

        Raises:
            ValueError: a salience is negative or not finite; nothing is stored then.
        """
        felt = [_given_salience(info) for info in infos]
        row, last = self.pos, (self.pos - 1) % self.buffer_size
        set_anew = self._set_anew(np.asarray(obs))
        super().add(obs, next_obs, action, reward, done, infos)
        self.ends[last] |= set_anew
        self.ends[row] = self.dones[row] > 0
        self.salience[row] = felt
        self._new_rows = min(self._new_rows + 1, self.buffer_size)

    def _set_anew(self, obs: Array) -> NDArray[np.bool_]:
        """Return where `obs` is not what the last step led to: the environment was reset without an end."""
        if self.size() == 0:
            return np.zeros(self.n_envs, dtype=np.bool_)
        last = (self.pos - 1) % self.buffer_size
        led_to = self.observations[self.pos] if self.optimize_memory_usage else self.next_observations[last]
        differs: Array = led_to.reshape(self.n_envs, -1) != obs.reshape(self.n_envs, -1)
        anew: NDArray[np.bool_] = np.logical_or.reduce(differs, axis=1)
        return anew

    def reset(self) -> None:
        """Forget all transitions and priorities."""
        super().reset()
        mixture = self.priorities
        everything = torch.arange(self.buffer_size * self.n_envs)
        mixture.remove(everything)
        mixture.highest = 1.0
        self._new_rows = 0

    def _settle(self) -> None:
        """Give the rows stored since the last draw their priorities: at once for many steps costs less."""
        if self._new_rows == 0:
            return
        rows = (self.pos - self._new_rows + np.arange(self._new_rows)) % self.buffer_size
        items = (rows[:, None] * self.n_envs + np.arange(self.n_envs)).reshape(-1)
        self.priorities.insert(torch.from_numpy(items), torch.from_numpy(self.salience[rows].reshape(-1)))
        self._new_rows = 0
        if self.optimize_memory_usage and self.full:  # the row at `pos` has lost its observation
            lost = torch.arange(self.pos * self.n_envs, (self.pos + 1) * self.n_envs)
            self.priorities.remove(lost)

    def _valid(self) -> tuple[int, int]:
        """Return the oldest row that is whole, and the number of rows from there to the newest."""
        if not self.full:
            return 0, self.pos
        lost = int(self.optimize_memory_usage)
        return (self.pos + lost) % self.buffer_size, self.buffer_size - lost

    # ------------------------------------------------------------------ drawing

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> SalienceSamples:  # type: ignore[override]
        """Draw a minibatch.

        Args:
            batch_size: number of transitions B.
            env: normalizes observations and rewards, if given.

        Raises:
            ValueError: the buffer is empty.
        """
        require_int("batch_size", batch_size, 1)
        if self.size() == 0:
            raise ValueError("sample: got an empty buffer, expected at least one transition")
        self._settle()
        start, rows = self._valid()
        count = rows * self.n_envs
        items, probability = self.priorities.draw(batch_size, start * self.n_envs, count, self.generator)
        weights = (count * probability.numpy()) ** -self.beta
        self.draws += 1
        samples = self._transitions(items, weights / np.maximum.reduce(weights), env)
        if self.td_error is not None:
            self.update_priorities(items, self.td_error(samples))
        return samples

    def get(self, indices: Tensor, env: VecNormalize | None = None) -> SalienceSamples:
        """Return given transitions, with weights of 1.

        Raises:
            ValueError: an index is of no stored transition.
        """
        items = self._checked(indices)
        return self._transitions(items, np.ones(len(items)), env)

    def sweep(
        self, start_indices: Tensor, length: int, env: VecNormalize | None = None
    ) -> list[SalienceSamples]:
        """Return transitions backward in time: first the given ones, then those one step before, and so on.

        A sequence ends at its episode's first step and at the oldest transition stored; later minibatches
        hold the sequences that still go on, in the order of `start_indices`.

        Args:
            start_indices: transitions to start from, each in its own environment, [B].
            length: largest number of minibatches, at least 1.
            env: normalizes observations and rewards, if given.

        Raises:
            ValueError: an index is of no stored transition.
        """
        items = self._checked(start_indices)
        oldest, _ = self._valid()
        steps = backward(items.numpy(), require_int("length", length, 1), oldest, self.ends)
        return [self.get(torch.from_numpy(step), env) for step in steps]

    def paths(self, last_indices: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Return which transitions led to given ones, in the same episodes.

        Shapes:
            last_indices: [B]; returns indices [B, T], the given ones first, each one a step before the last,
            and whether they belong to the same episode, [B, T] bool; what does not stands where it stopped.

        Raises:
            ValueError: an index is of no stored transition.
        """
        items = self._checked(last_indices).numpy()
        path, inside = backward_paths(items, require_int("length", length, 1), self._valid()[0], self.ends)
        path = np.where(inside, path, path[:, :1])
        return torch.from_numpy(path), torch.from_numpy(inside)

    def extent(self) -> tuple[int, int]:
        """Return the first transition that is whole, and how many there are, around the ring."""
        row, rows = self._valid()
        return row * self.n_envs, rows * self.n_envs

    def salient(self, uniform: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return transitions drawn by salience alone, with the probability of each; None while none has any.

        Shapes:
            uniform: [B] float64 in [0, 1), one random number a draw; returns indices and probabilities, [B].
        """
        self._settle()
        tree = self.priorities.salience_tree
        return tree.sample(len(uniform), uniform=uniform) if tree.total > 0 else None

    def update_priorities(self, indices: Tensor, td_error: Tensor) -> None:
        """Set the priorities of transitions by their TD errors; of a repeated index the last one counts.

        Shapes:
            indices: [B]; td_error: [B] or [B, 1], of any sign.

        Raises:
            ValueError: an index is of no stored transition, or an error is not finite; nothing changes then.
        """
        self._settle()
        self.priorities.update(self._checked(indices), torch.as_tensor(td_error))

    def set_salience(self, indices: Tensor, salience: Tensor) -> None:
        """Set the salience of transitions.

        Shapes, units and ranges:
            indices: [B]; salience: [B], of at least zero, in any unit.

        Raises:
            ValueError: an index is of no stored transition, or a salience is negative or not finite.
        """
        self._settle()
        items = self._checked(indices)
        felt = torch.as_tensor(salience).detach().to("cpu", torch.float32).reshape(-1)
        if len(felt) != len(items):
            raise ValueError(f"salience: got {len(felt)} numbers, expected {len(items)}")
        self.priorities.set_salience(items, felt)
        self.salience.reshape(-1)[items.numpy()] = felt.numpy()

    def _checked(self, indices: Tensor) -> Tensor:
        items = torch.as_tensor(indices).cpu()
        if items.ndim != 1 or items.is_floating_point() or items.dtype == torch.bool:
            raise ValueError(f"indices: got {items.dtype} {tuple(items.shape)}, expected integers [B]")
        known, places = self.size() * self.n_envs, items.numpy()
        low, high = (np.minimum.reduce(places), np.maximum.reduce(places)) if places.size else (0, 0)
        if low < 0 or high >= known:
            raise ValueError(f"indices: got {low} to {high}, expected stored transitions in [0, {known})")
        if self.optimize_memory_usage and self.full and bool((items // self.n_envs == self.pos).any()):
            raise ValueError(f"indices: got one of row {self.pos}, which has lost its observation")
        return items.long()

    def _transitions(self, items: Tensor, weights: Array, env: VecNormalize | None) -> SalienceSamples:
        first = items.numpy()
        last, discounts = first, None
        if self.n_steps == 1:
            rewards = self._normalize_reward(self._take(self.rewards, first), env)
        else:
            path, inside = forward(first, self.n_steps, (self.pos - 1) % self.buffer_size, self.ends)
            power = np.float32(self.gamma) ** np.arange(self.n_steps + 1, dtype=np.float32)
            each = self._normalize_reward(self._take(self.rewards, path), env)
            rewards = np.where(inside, each * power[:-1], np.float32(0)).sum(1)
            steps = inside.sum(1)
            last = path[np.arange(len(path)), steps - 1]
            discounts = self._tensor(power[steps][:, None])
        if self.optimize_memory_usage:
            following = self._take(self.observations, next_rows(last, self.n_envs, self.buffer_size))
        else:
            following = self._take(self.next_observations, last)
        terminal = self._take(self.dones, last) * (1 - self._take(self.timeouts, last))
        return SalienceSamples(
            observations=self._tensor(self._normalize_obs(self._take(self.observations, first), env)),
            actions=self._tensor(self._take(self.actions, first)),
            next_observations=self._tensor(self._normalize_obs(following, env)),
            dones=self._tensor(terminal[:, None]),
            rewards=self._tensor(rewards[:, None]),
            discounts=discounts,
            weights=self._tensor(weights.astype(np.float32)[:, None]),
            indices=items,
        )

    def _take(self, array: Array, items: Array) -> Array:
        flat = array.reshape(-1, *array.shape[2:])  # a view
        taken: Array = flat.take(items, axis=0)
        return taken

    def _tensor(self, array: Any) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    # ------------------------------------------------------------------ files

    def state(self) -> dict[str, Tensor]:
        """Return copies of all that later draws depend on, as tensors; `restore` goes on from there."""
        self._settle()
        return state_of(self)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` of a buffer with the same arguments gave; draws go on exactly as there.

        Raises:
            ValueError: other keys, shapes, dtypes or values; nothing has changed then.
        """
        self._settle()
        restore_into(self, state)

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without `td_error`, which holds the algorithm."""
        return {**self.__dict__, "td_error": None}


def _given_salience(info: dict[str, Any]) -> float:
    return require_range("salience", info["salience"], 0.0, 3e38) if "salience" in info else 0.0
