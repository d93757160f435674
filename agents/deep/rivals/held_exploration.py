"""Temporally extended exploration for any DQN: a random action is held for a while, at times long."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from emotional_ed.checks import require_int, require_range

Actions = NDArray[np.int64]


@final
class HeldExploration(BaseCallback):
    """A callback that lets a DQN explore by holding each random action for n steps (ez-greedy).

    Equation:
        P(n) in proportion to n^-exponent for n = 1 .. cap
        argmax_a Q(s, a), or with probability epsilon, while nothing is held, a random action held for n steps

    epsilon is that of the agent's schedule, 1 before learning starts. Holding ends with the episode. With
    cap = 1 it is epsilon-greedy. Works with Stable-Baselines3's DQN and with `EmotionalDQN` at level 0, for
    any number of environments, each of which holds on its own.

    Args:
        exponent: mu of the distribution of durations, in [0, 100]; the lower, the longer.
        cap: longest duration in steps, in [1, 10000].
        seed: of what is drawn.

    Raises:
        ValueError: a number is out of range; when learning starts, if the agent has affect, which would bend
            a choice that is not made there.

    Source: Dabney, Ostrovski and Barreto (2021), arXiv 2006.01782, algorithm 1; mu = 2 there.

    Example:
        >>> from stable_baselines3 import DQN
        >>> model = DQN("MlpPolicy", "CartPole-v1", seed=0).learn(200, callback=HeldExploration())
    """

    def __init__(self, exponent: float = 2.0, *, cap: int = 100, seed: int = 0) -> None:
        super().__init__()
        self.exponent = require_range("exponent", exponent, 0, 100)
        self.cap = require_int("cap", cap, 1, 10_000)
        self._random = np.random.default_rng(require_int("seed", seed, 0))
        weights = np.arange(1, self.cap + 1, dtype=np.float64) ** -self.exponent
        self._cumulative = weights.cumsum() / weights.sum()
        self._held: Actions = np.zeros(0, dtype=np.int64)
        self._left: Actions = np.zeros(0, dtype=np.int64)

    def _on_training_start(self) -> None:
        model: Any = self.model
        affect = getattr(model, "affect_config", None)
        if affect is not None and not affect.is_plain:
            raise ValueError(f"affect: got {affect!r}, expected AffectConfig.levels(0) with held exploration")
        if len(self._held) != model.n_envs:
            self._held = np.zeros(model.n_envs, dtype=np.int64)
            self._left = np.zeros(model.n_envs, dtype=np.int64)
        model._sample_action = self._sample

    def _on_training_end(self) -> None:
        del self.model._sample_action  # type: ignore[attr-defined]  # the class has its own

    def _on_step(self) -> bool:
        self._left[np.asarray(self.locals["dones"], dtype=np.bool_)] = 0
        return True

    def _sample(
        self, learning_starts: int, action_noise: object = None, n_envs: int = 1
    ) -> tuple[Actions, Actions]:
        """Return what is done next, as `DQN._sample_action` does."""
        model: Any = self.model
        warm = model.num_timesteps >= learning_starts
        epsilon = model.exploration_rate if warm else 1.0
        begins = (self._left == 0) & (self._random.random(n_envs) < epsilon)
        if begins.any():
            number = int(begins.sum())
            self._held[begins] = [model.action_space.sample() for _ in range(number)]
            self._left[begins] = 1 + np.searchsorted(self._cumulative, self._random.random(number))
        holds = self._left > 0
        actions: Actions = self._held.copy()
        if not holds.all():
            best, _ = model.predict(model._last_obs, deterministic=True)
            actions = np.where(holds, actions, best)
        self._left[holds] -= 1
        return actions, actions
