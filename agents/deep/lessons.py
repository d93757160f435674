"""What a deep agent learns from the steps that it remembers: awake, and in its sleep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from emotional_ed.agents.deep.deep_sleep import DeepSleep, DeepSleepConfig
from emotional_ed.agents.deep.feelings import Feelings
from emotional_ed.agents.deep.minibatches import study, weigh
from emotional_ed.agents.deep.replay import Minibatch, sample
from emotional_ed.agents.deep.slot_record import SlotRecord
from emotional_ed.agents.deep.value_learning import ValueLearning


@final
class Lessons:
    """Gradient steps on replayed transitions, as affect weighs them now.

    Args:
        learning: makes a gradient step.
        buffer: what is remembered.
        feelings: what is recalled of a transition; None at level 0.
        sleep: how long to sleep between episodes; None never does.
        batch_size: of a gradient step in sleep.
        discount: gamma of level 0.
        seed: of the draws in sleep.

    Raises:
        ValueError: the buffer does not serve recall or sleep.
    """

    def __init__(
        self,
        learning: ValueLearning,
        buffer: ReplayBuffer,
        feelings: Feelings | None,
        sleep: DeepSleepConfig | None,
        *,
        batch_size: int,
        discount: float,
        seed: int,
    ) -> None:
        self.learning, self.buffer, self.feelings, self.discount = learning, buffer, feelings, discount
        self.record = SlotRecord.beside(buffer, 1 if learning.heads is None else learning.heads.slots)
        """Which head each transition was lived with; None if there is one."""
        self.sleep = DeepSleep.beside(buffer, sleep, batch_size, seed, feels=feelings is not None)
        """When and what to dream; None for an agent that never sleeps."""

    def remember(self, row: int, dones: NDArray[np.bool_]) -> None:
        """Take note of a step of every environment that has just been stored at `row`."""
        if self.record is not None and self.feelings is not None and self.feelings.lived is not None:
            self.record.note(row, self.feelings.lived)
        if self.sleep is not None:
            self.sleep.end_episodes(int(dones.sum()))

    def forget(self, slots: tuple[int, ...]) -> None:
        """What was lived with heads that have begun anew is nobody's."""
        if self.record is not None:
            for slot in slots:
                self.record.forget(slot)

    def study(
        self, steps: int, size: int, normalize: VecNormalize | None, check: Callable[[Tensor], Any]
    ) -> list[Tensor]:
        """Make gradient steps on minibatches of `size` transitions, and return their losses.

        Args:
            steps: how many.
            size: B.
            normalize: the environment's normalization of observations and rewards, if it has one.
            check: is called with all losses if one of them is no number, before errors become priorities.
        """
        several = self._several

        def draw() -> Minibatch:
            return self._place(sample(self.buffer, size, normalize, self.discount, locate=several))

        return study(steps, draw, self.learning, self.feelings, self.buffer, check)

    def night(self, lived: int, normalize: VecNormalize | None) -> list[Tensor]:
        """Sleep as long as is due after `lived` steps of all environments, and return the losses."""
        steps = 0 if self.sleep is None else self.sleep.tonight(lived)
        return [self.dream(step, normalize) for step in range(steps)]

    def dream(self, step: int, normalize: VecNormalize | None) -> Tensor:
        """Make one gradient step of a night, counted from 0, and return its loss."""
        assert self.sleep is not None
        batch, inside = self.sleep.batch(step, normalize, self.discount)
        batch = self._place(batch)
        weights, penalty = weigh(self.feelings, batch)
        target = self.sleep.targets(batch, inside, self.learning, penalty)
        return self.learning.fit(batch, target, weights)[0]

    @property
    def _several(self) -> bool:
        return self.learning.heads is not None and self.learning.heads.several

    def _place(self, batch: Minibatch) -> Minibatch:
        return self.record.place(batch) if self.record is not None and self._several else batch

    def tensors(self) -> dict[str, Tensor]:
        """Return everything there is to it beside buffer and networks: the tensors themselves."""
        holders = {"record": self.record, "sleep": self.sleep}
        return {
            f"{title}/{name}": tensor
            for title, one in holders.items()
            if one is not None
            for name, tensor in one.tensors().items()
        }
