"""A callback that writes down which value head each episode was lived with, and what every head felt."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback


class HeadRow(NamedTuple):
    """What became of one episode."""

    end: int
    """Steps of the agent when it ended."""
    gained: float
    """Its return."""
    phase: int
    """`info["phase"]` of its last step, 0 if there is none."""
    head: int
    """The head that it was lived with."""
    felt: NDArray[np.float64]
    """[H], mean absolute surprise of each head in use, the last step left out; [0] if there was no other."""


@final
class HeadLog(BaseCallback):
    """Holds a row of every finished episode of the one environment of an `EmotionalDQN`.

    Attributes:
        rows: in the order in which they were lived.

    Example:
        >>> from emotional_ed.agents import EmotionalDQN
        >>> log = HeadLog()
        >>> model = EmotionalDQN("MlpPolicy", "CartPole-v1", seed=0).learn(120, callback=log)
        >>> {row.head for row in log.rows}
        {0}
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[HeadRow] = []
        self._gained = 0.0
        self._felt: list[NDArray[np.float64]] = []

    def _init_callback(self) -> None:
        if self.training_env.num_envs != 1:
            raise ValueError(f"env: got {self.training_env.num_envs} environments, expected one")

    def _on_step(self) -> bool:
        self._gained += float(self.locals["rewards"][0])
        if self.locals["dones"][0]:
            phase = int(self.locals["infos"][0].get("phase", 0))
            self.rows.append(HeadRow(self.num_timesteps, self._gained, phase, self._head(), self._mean()))
            self._gained, self._felt = 0.0, []
            return True
        felt = self.model.affect.signals.get("slot_lss")  # type: ignore[attr-defined]
        if felt is not None:
            self._felt.append(felt[0].abs().double().numpy(force=True))
        return True

    def _head(self) -> int:
        feelings: Any = self.model._feelings  # type: ignore[attr-defined]
        lived = None if feelings is None else feelings.lived
        return 0 if lived is None else int(lived[0])

    def _mean(self) -> NDArray[np.float64]:
        if not self._felt:
            return np.zeros(0)
        width = min(len(one) for one in self._felt)
        return np.asarray(np.mean([one[:width] for one in self._felt], axis=0))
