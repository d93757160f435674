"""Watkins' Q-learning: one value an action and key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.agents.critics.critic import Critic, table
from emotional_ed.agents.rules import Moment, RuleConfig
from emotional_ed.checks import require_range


@dataclass(frozen=True, kw_only=True)
class QLearningConfig(RuleConfig):
    """What is hoped for where nothing was tried; step size and discount are shared by all critics."""

    initial: float = 0.0
    """Values at first, in units of reward, in [-1e6, 1e6]; above what there is to get, all is tried."""

    def __post_init__(self) -> None:
        require_range("QLearningConfig.initial", self.initial, -1e6, 1e6)


@final
class QLearning(Critic):
    """Values of actions, taught the best that follows.

    Equation:
        y = r + discount (1 - terminated) max_a' Q(s', a'),  Q = initial at first

    Reference:
        Sutton and Barto, eq. 6.8; section 2.6 (optimistic initial values).

    Shapes:
        memory.M: [P, A, S K].
    """

    initial: Tensor

    name = "q-learning"
    Config = QLearningConfig

    def start(self, configs: Sequence[QLearningConfig]) -> None:
        """Start with the values that are hoped for."""
        self.memory = table(self.place)
        self.memory.M += self.blank().to(self.place.device)[:, None, None]

    def blank(self) -> Tensor:
        """Return the value that is hoped for, shared among the features of a state."""
        return self.initial / self.place.active

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
