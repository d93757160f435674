"""DQN whose exploration extends in time: a random action is held for a while, at times long."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise

from emotional_ed.affect import AffectConfig
from emotional_ed.agents.deep.emotional_dqn import EmotionalDQN
from emotional_ed.agents.deep.greedy_agent import Actions
from emotional_ed.agents.deep.model_file import Parts
from emotional_ed.checks import require_int, require_range


class EZGreedyDQN(EmotionalDQN):
    """Level 0 of `EmotionalDQN` with temporally extended epsilon-greedy exploration.

    Equation:
        P(n) in proportion to n^-exponent for n = 1 .. cap
        argmax_a Q(s, a), or with probability epsilon, while nothing is held, a random action held for n steps

    epsilon is that of the agent's schedule, 1 before learning starts. Holding ends with the episode. With
    cap = 1 it is epsilon-greedy. Each environment holds on its own, and what is held goes on from a file.

    Args:
        *args: as for `EmotionalDQN`.
        exponent: mu of the distribution of durations, in [0, 100]; the lower, the longer.
        cap: longest duration in steps, in [1, 10000].
        **kwargs: as for `EmotionalDQN`, but for affect.

    Raises:
        ValueError: as for `EmotionalDQN`; or there is affect, which bends a choice that is not made here.

    Source: Dabney, Ostrovski and Barreto (2021), arXiv 2006.01782, algorithm 1; mu = 2 there.

    Example:
        >>> model = EZGreedyDQN("MlpPolicy", "CartPole-v1", seed=0).learn(200)
    """

    def __init__(self, *args: Any, exponent: float = 2.0, cap: int = 100, **kwargs: Any) -> None:
        self.exponent = require_range("exponent", exponent, 0, 100)
        self.cap = require_int("cap", cap, 1, 10_000)
        weights = np.arange(1, self.cap + 1, dtype=np.float64) ** -self.exponent
        self._cumulative = weights.cumsum() / weights.sum()
        affect = kwargs.pop("affect", None)
        if affect is not None and not (isinstance(affect, AffectConfig) and affect.is_plain):
            raise ValueError(f"affect: got {affect!r}, expected AffectConfig.levels(0) for ez-greedy")
        super().__init__(*args, affect=AffectConfig.levels(0), **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        self._held = np.zeros(self.n_envs, dtype=np.int64)
        self._left = np.zeros(self.n_envs, dtype=np.int64)  # steps for which it is held yet

    def _setup_learn(
        self, total_timesteps: int, callback: Any = None, *rest: Any
    ) -> tuple[int, BaseCallback]:
        if not rest or rest[0]:  # reset_num_timesteps: in new episodes
            self._left[:] = 0
        return super()._setup_learn(total_timesteps, callback, *rest)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[Actions, Actions]:
        epsilon = self.exploration_rate if self.num_timesteps >= learning_starts else 1.0
        begins = (self._left == 0) & (np.random.rand(n_envs) < epsilon)  # noqa: NPY002 (as DQN does)
        if begins.any():
            number = int(begins.sum())
            self._held[begins] = self._draw(number)
            self._left[begins] = 1 + np.searchsorted(self._cumulative, np.random.rand(number))  # noqa: NPY002
        holds = self._left > 0
        actions: Actions = self._held.copy()
        if not holds.all():
            with torch.no_grad():
                best = self.online(self._tensors(self._last_obs)).argmax(1).cpu().numpy()
            actions = np.where(holds, actions, best)
        self._left[holds] -= 1
        return actions, actions

    def _store_transition(
        self,
        replay_buffer: Any,
        buffer_action: Any,
        new_obs: Any,
        reward: Any,
        dones: NDArray[Any],
        infos: Any,
    ) -> None:
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
        self._left[np.asarray(dones, dtype=np.bool_)] = 0

    def _saved_parts(self) -> Parts:
        tensors = {"held": torch.from_numpy(self._held), "left": torch.from_numpy(self._left)}  # share memory
        return super()._saved_parts().more(("exponent", "cap"), tensors=tensors)
