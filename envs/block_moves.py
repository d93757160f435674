"""A blocked task: now and then an action jams, and yields only to those who keep trying, or never."""

from __future__ import annotations

import copy
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium import spaces

from emotional_ed.checks import require_int, require_range

_PURPOSE = 4  # keeps the wrapper's draws apart from those of the environment with the same seed


@final
class BlockMoves(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Let actions jam: a blocked step leaves the world and its observation as they are.

    While nothing is jammed, the action of a step jams with `probability`. A jam is of one of two kinds. One
    that can be opened needs the same action `need` times in a row, the first blocked step included; the last
    of them goes through. Whoever takes another action meanwhile, which is carried out as usual, has to start
    over when coming back to it. One that never opens holds as long as the same action is tried and is gone
    as soon as another one is taken. Which of the two it is cannot be seen. There is one jam at a time, and an
    episode's end clears it. Actions are compared exactly, which makes sense of discrete ones.
    `info["blocked"]` tells for reports whether a step was blocked.

    Blocked steps do not reach the environment, so that a `TimeLimit` inside does not count them. `BlockMoves`
    therefore counts all steps and truncates at the limit of the `TimeLimit` inside, if there is one, as
    `gymnasium.make` puts it. A `TimeLimit` outside counts them by itself.

    Args:
        env: any Gymnasium environment.
        probability: chance that a step jams while nothing is jammed, in [0, 1].
        least: fewest tries that a jam needs, >= 2.
        most: most tries that it needs, >= least; the need is uniform in between.
        openable: share of jams that can be opened, in [0, 1].
        reward: of a blocked step.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> import gymnasium
        >>> env = BlockMoves(gymnasium.make("FrozenLake-v1"), probability=0.1, least=2, most=8, openable=0.7)
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        probability: float = 0.1,
        least: int = 2,
        most: int = 8,
        openable: float = 0.7,
        reward: float = 0.0,
    ) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(
            self, probability=probability, least=least, most=most, openable=openable, reward=reward
        )
        gymnasium.Wrapper.__init__(self, env)
        self.probability = require_range("probability", probability, 0, 1)
        self.least = require_int("least", least, 2)
        self.most = require_int("most", most, self.least)
        self.openable = require_range("openable", openable, 0, 1)
        self.reward = require_range("reward", reward)
        self._limit = _inner_limit(env)
        self._random: np.random.Generator | None = None
        self._observation: Any = None
        self._clear()

    def _clear(self) -> None:
        self._jammed: Any = None  # the action that is jammed
        self._need: int | None = None  # tries in a row that open it; None: nothing does
        self._tries = self._elapsed = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode without a jam."""
        if seed is not None or self._random is None:
            self._random = np.random.default_rng(None if seed is None else [seed, _PURPOSE])
        self._clear()
        self._observation, info = self.env.reset(seed=seed, options=options)
        return self._observation, {**info, "blocked": False}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, unless the action is jammed."""
        if self._random is None:
            raise gymnasium.error.ResetNeeded("Cannot step before the first reset.")
        self._elapsed += 1
        late = self._limit is not None and self._elapsed >= self._limit
        if self._blocks(action, self._random):
            return copy.deepcopy(self._observation), self.reward, False, late, {"blocked": True}
        self._observation, reward, terminated, truncated, info = self.env.step(action)
        return self._observation, reward, terminated, bool(truncated) or late, {**info, "blocked": False}

    def _blocks(self, action: Any, random: np.random.Generator) -> bool:
        """Say whether this step is blocked, and move the jam on."""
        if self._jammed is not None and not _same(self.action_space, action, self._jammed):
            self._tries = 0
            if self._need is not None:
                return False
            self._jammed = None
        if self._jammed is None:
            if random.random() >= self.probability:
                return False
            self._jammed, self._tries = copy.deepcopy(action), 0
            opens = random.random() < self.openable
            self._need = int(random.integers(self.least, self.most + 1)) if opens else None
        self._tries += 1
        if self._need is None or self._tries < self._need:
            return True
        self._jammed = None
        return False


def _inner_limit(env: gymnasium.Env[Any, Any]) -> int | None:
    """Return the least number of steps after which a `TimeLimit` inside truncates."""
    limits = []
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, gymnasium.wrappers.TimeLimit):
            limits.append(int(env._max_episode_steps))
        env = env.env
    return min(limits, default=None)


def _same(space: gymnasium.Space[Any], one: Any, other: Any) -> bool:
    if isinstance(space, spaces.Discrete):
        return int(one) == int(other)
    return np.array_equal(np.asarray(spaces.flatten(space, one)), np.asarray(spaces.flatten(space, other)))
