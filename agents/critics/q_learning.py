"""Watkins' Q-learning: one value an action and key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.agents.critics.critic import Critic, table
from emotional_ed.agents.rules import Moment, RuleConfig


@dataclass(frozen=True, kw_only=True)
class QLearningConfig(RuleConfig):
    """Q-learning has no settings beyond step size and discount, which all critics share."""


@final
class QLearning(Critic):
    """Values of actions, taught the best that follows.

    Equation:
        y = r + discount (1 - terminated) max_a' Q(s', a')

    Reference:
        Sutton and Barto, eq. 6.8.

    Shapes:
        memory.M: [P, A, S K].
    """

    name = "q-learning"
    Config = QLearningConfig

    def start(self, configs: Sequence[QLearningConfig]) -> None:
        """Start with values of zero."""
        self.memory = table(self.place)

    def read(self, key: Tensor) -> Tensor:
        """Return the values."""
        return self.memory.read(key)

    def target(self, moment: Moment) -> Tensor:
        """Return the reward and the discounted best of what follows."""
        best = moment.bent(self.memory.read(moment.next_key)).amax(-1)
        return moment.reward + moment.discount * best.masked_fill(moment.terminated, 0)

    def read_slots(self, key: Tensor, slots: int | None = None) -> Tensor:
        """Return the values in the first `slots` value memories, [P, S, A]; one gather for one-hot keys."""
        if key.ndim > 1:
            return super().read_slots(key, slots)
        count = self.place.slots if slots is None else slots
        first = torch.arange(count, device=key.device) * self.place.keys
        columns = (key[:, None] + first)[:, None, :].expand(-1, self.place.actions, -1)
        return self.memory.M.gather(-1, columns).mT
