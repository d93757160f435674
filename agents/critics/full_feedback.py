"""Full feedback: where the world tells what every action would have brought, all of them are learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.agents.critics.critic import Critic, table
from emotional_ed.agents.critics.danger import greedy_target
from emotional_ed.agents.rules import Moment, RuleConfig
from emotional_ed.memory import share_per_feature


@dataclass(frozen=True, kw_only=True)
class FullFeedbackConfig(RuleConfig):
    """Full feedback has no settings beyond step size and discount, which all critics share."""


@final
class FullFeedback(Critic):
    """Q-learning of every action at once: the control of regret with the same information.

    Equation:
        y_b = r_b + discount (1 - terminated) max_a' Q(s', a')      for every action b of the state
        Q(s, b) += share (y_b - Q(s, b))

    r_b is what b would have brought (`info["affect"]["forgone"]`); the action taken has its own target.
    This is right where the state that follows, and whether the episode ends, do not depend on the action.
    Where nothing is told, and for remembered transitions without it, it is Q-learning bit for bit.

    Source: learning from full information rather than bandit feedback; Cesa-Bianchi and Lugosi (2006),
    "Prediction, Learning, and Games", chapter 6.
    When it does harm: where actions lead to different states, because every action is then credited with
    what followed from another.

    Shapes:
        memory.M: [P, A, S K].
    """

    name = "full-feedback"
    Config = FullFeedbackConfig

    def start(self, configs: Sequence[FullFeedbackConfig]) -> None:
        """Start with values of zero."""
        self.memory = table(self.place)

    def read(self, key: Tensor) -> Tensor:
        """Return the values."""
        return self.memory.read(key)

    def target(self, moment: Moment) -> Tensor:
        """Return the target of the action taken."""
        return greedy_target(self.memory, moment)

    def write(self, moment: Moment, target: Tensor, share: Tensor) -> None:
        """Take up `share` of every action's surprise; `target` is that of the action taken."""
        if moment.forgone is None:
            super().write(moment, target, share)
            return
        nothing = torch.zeros_like(moment.reward)
        ahead = greedy_target(self.memory, moment._replace(reward=nothing))
        targets = torch.where(moment.chosen, target[:, None], moment.forgone + ahead[:, None])  # [P, A]
        rate = share_per_feature(self.memory.M, share, moment.key)
        self.memory.write(moment.key, targets, rate, moment.chosen.any(-1))
