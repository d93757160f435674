"""A callback that writes down what became of every episode, as it was lived."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback


@final
class EpisodeLog(BaseCallback):
    """Holds return, length, catastrophes and last step of every episode of every environment.

    Rewards are those that the algorithm saw; a catastrophe is a step whose info says so. Learning on, in
    another call of `learn`, goes on in the same log.

    Attributes:
        rows: (return, length, catastrophes, steps of all environments so far) of each finished episode.

    Example:
        >>> from emotional_ed.agents import EmotionalDQN
        >>> log = EpisodeLog()
        >>> model = EmotionalDQN("MlpPolicy", "CartPole-v1", seed=0).learn(120, callback=log)
        >>> int(log.lengths.sum())
        120
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[float, int, int, int]] = []
        self._running: NDArray[np.float64] = np.zeros((0, 3))

    def _on_step(self) -> bool:
        rewards, dones, infos = (self.locals[name] for name in ("rewards", "dones", "infos"))
        if len(self._running) != len(rewards):
            self._running = np.zeros((len(rewards), 3))
        bad = [bool(info.get("catastrophe", False)) for info in infos]
        self._running += np.stack([rewards, np.ones(len(rewards)), bad], axis=1)
        for i in np.flatnonzero(dones):
            gained, length, catastrophes = self._running[i]
            self.rows.append((float(gained), int(length), int(catastrophes), self.num_timesteps))
            self._running[i] = 0
        return True

    @property
    def returns(self) -> NDArray[np.float64]:
        """Returns of all episodes, those that still run behind the finished ones."""
        return self._all(0)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Their lengths in steps."""
        return self._all(1)

    @property
    def catastrophes(self) -> NDArray[np.float64]:
        """Steps in them that were catastrophes."""
        return self._all(2)

    @property
    def ends(self) -> NDArray[np.float64]:
        """Steps of all environments together when they ended; infinite for those that still run."""
        running = int((self._running[:, 1] > 0).sum())
        return np.array([row[3] for row in self.rows] + [np.inf] * running)

    def _all(self, column: int) -> NDArray[np.float64]:
        running: Any = self._running[self._running[:, 1] > 0, column]
        return np.concatenate([np.array([row[column] for row in self.rows], dtype=np.float64), running])
