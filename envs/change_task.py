"""A task that changes: every so many episodes other parameters, other actions or another reward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium import spaces

from emotional_ed.checks import require_choice, require_int, require_range

_PURPOSE = 3  # keeps the wrapper's draws apart from those of the environment with the same seed


@final
class ChangeTask(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Run through phases of `period` episodes, each with its own parameters, actions and reward.

    The phases keep what they are: whatever comes back, comes back the same. The observation does not tell
    which phase is in force; `info["phase"]` does, for reports. An episode begins with a reset, whether or not
    the one before was finished. A reset with a seed starts anew with episode 0 of phase 0, and draws the
    permutations and the random order from that seed; without any seed they are drawn anew for each instance.

    Parameters are attributes of `env.unwrapped`, set just before the environment's own reset. Some
    environments derive values from others when they are made and never again. Such values are to be listed as
    well: CartPole computes `total_mass = masspole + masscart` and `polemass_length = masspole * length`.

    Args:
        env: any Gymnasium environment.
        period: episodes a phase, >= 1.
        parameters: attribute of `env.unwrapped` -> its values, one a phase.
        permute_actions: True draws one permutation of the actions a phase, of which the first leaves them as
            they are and none equals the one before; or the permutations themselves, one a phase, in which
            entry a is the action (counted from 0) that action a is carried out as. Discrete actions only.
        flip_reward: in every second phase the reward changes its sign.
        reward_scale: factors of the reward, one a phase.
        phases: how many there are, >= 2; needed only if nothing above lists them and it is not 2.
        order: "cycle", one after the other, or "random", each time another one, all equally likely.

    Raises:
        ValueError: the lists differ in length, an attribute does not exist, a permutation is none, actions
            are not Discrete, or nothing changes.

    Example:
        A pole that is three times as long in every second hundred episodes:

        >>> import gymnasium
        >>> env = ChangeTask(
        ...     gymnasium.make("CartPole-v1"),
        ...     period=100,
        ...     parameters={"length": [0.5, 1.5], "polemass_length": [0.05, 0.15]},
        ... )

        One that is three times as heavy, with the values that CartPole derives from it:

        >>> env = ChangeTask(
        ...     gymnasium.make("CartPole-v1"),
        ...     period=100,
        ...     parameters={
        ...         "masspole": [0.1, 0.3],
        ...         "total_mass": [1.1, 1.3],
        ...         "polemass_length": [0.05, 0.15],
        ...     },
        ... )
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        period: int,
        *,
        parameters: Mapping[str, Sequence[Any]] | None = None,
        permute_actions: bool | Sequence[Sequence[int]] = False,
        flip_reward: bool = False,
        reward_scale: Sequence[float] | None = None,
        phases: int | None = None,
        order: str = "cycle",
    ) -> None:
        self.period = require_int("period", period, 1)
        self.order = require_choice("order", order, ("cycle", "random"))
        self.parameters = {name: list(values) for name, values in (parameters or {}).items()}
        scale = None if reward_scale is None else [require_range("reward_scale", one) for one in reward_scale]
        orders = None if isinstance(permute_actions, bool) else [list(one) for one in permute_actions]
        self._draws_permutations = orders is None and bool(permute_actions)
        gymnasium.utils.RecordConstructorArgs.__init__(
            self, period=period, parameters=self.parameters,
            permute_actions=self._draws_permutations if orders is None else orders,
            flip_reward=flip_reward, reward_scale=scale, phases=phases, order=order,
        )  # fmt: skip
        gymnasium.Wrapper.__init__(self, env)
        _require_attributes(env.unwrapped, self.parameters)
        lists = {f"parameters[{name!r}]": values for name, values in self.parameters.items()}
        lists |= {} if orders is None else {"permute_actions": orders}
        lists |= {} if scale is None else {"reward_scale": scale}
        if not (lists or self._draws_permutations or flip_reward):
            raise ValueError(
                "parameters: got none, expected parameters, permute_actions, flip_reward or reward_scale"
            )
        self.phases = _count_phases(lists, phases)
        self._scale = scale or [1.0] * self.phases
        if flip_reward:
            self._scale = [-one if phase % 2 else one for phase, one in enumerate(self._scale)]
        if self._draws_permutations or orders is not None:
            self._actions = _discrete(self.action_space, orders or [])
        self._permutations: list[list[int]] | None = orders
        self._episode, self.phase = -1, 0
        self._random: np.random.Generator | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start the next episode, in the phase whose turn it is."""
        if seed is not None or self._random is None:
            self._begin(seed)
        self._episode += 1
        if self._episode and self._episode % self.period == 0:
            self.phase = self._next_phase()
        for name, values in self.parameters.items():
            setattr(self.env.unwrapped, name, values[self.phase])
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, {**info, "phase": self.phase}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step as the phase has it."""
        if self._permutations is not None:
            if not self.action_space.contains(action):
                raise ValueError(f"action: got {action!r}, expected an element of {self.action_space}")
            start = int(self._actions.start)
            action = start + int(self._permutations[self.phase][int(action) - start])
        observation, reward, terminated, truncated, info = self.env.step(action)
        reward = float(reward) * self._scale[self.phase]
        return observation, reward, terminated, truncated, {**info, "phase": self.phase}

    def _begin(self, seed: int | None) -> None:
        self._random = np.random.default_rng(None if seed is None else [seed, _PURPOSE])
        self._episode, self.phase = -1, 0
        if not self._draws_permutations:
            return
        permutations = [list(range(int(self._actions.n)))]
        while len(permutations) < self.phases:
            drawn = self._random.permutation(int(self._actions.n)).tolist()
            if drawn != permutations[-1]:
                permutations.append(drawn)
        self._permutations = permutations

    def _next_phase(self) -> int:
        if self.order == "cycle" or self._random is None:
            return (self.phase + 1) % self.phases
        return (self.phase + 1 + int(self._random.integers(self.phases - 1))) % self.phases


def _count_phases(lists: Mapping[str, Sequence[Any]], phases: int | None) -> int:
    count = 2 if phases is None else require_int("phases", phases, 2)
    for name, given in lists.items():
        if phases is None:
            phases = count = require_int(f"number of entries of {name}", len(given), 2)
        if len(given) != count:
            raise ValueError(f"{name}: got {len(given)} entries, expected {count}, one a phase")
    return count


def _require_attributes(env: Any, names: Iterable[str]) -> None:
    for name in names:
        if not hasattr(env, name):
            raise ValueError(f"parameters: got {name!r}, expected an attribute of {env}")


def _discrete(space: Any, permutations: Sequence[Sequence[int]]) -> spaces.Discrete:
    if not isinstance(space, spaces.Discrete) or space.n < 2:
        raise ValueError(f"permute_actions: got {space}, expected Discrete with at least two actions")
    for given in permutations:
        if sorted(given) != list(range(int(space.n))):
            raise ValueError(f"permute_actions: got {given}, expected an order of 0 to {int(space.n) - 1}")
    return space
