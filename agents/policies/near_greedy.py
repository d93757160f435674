"""Value-masked exploration: random actions, but only among those that are nearly as good as the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect import Drive
from emotional_ed.agents.policies.draw import draw, reweighed
from emotional_ed.agents.policies.epsilon_greedy import greedy_action, persisting
from emotional_ed.agents.policies.policy import Policy
from emotional_ed.agents.rules import RuleConfig
from emotional_ed.checks import require_range


@dataclass(frozen=True, kw_only=True)
class NearGreedyConfig(RuleConfig):
    """How near to the best an action must be to be tried."""

    width: float = 0.5
    """Share of the range from the best value to the worst that is near, in [0, 1]; 1 is epsilon-greedy."""

    def __post_init__(self) -> None:
        require_range("NearGreedyConfig.width", self.width, 0, 1)


@final
class NearGreedy(Policy):
    """The best action, or with probability epsilon a random one of those whose value is near.

    Equation:
        near(a) = [max_b Q(s, b) - Q(s, a) <= width (max_b Q(s, b) - min_b Q(s, b))],  bias added to Q
        random with probability epsilon * exploration, drawn with weights near(a) (1 - avoidance(a))
        a member that persists repeats its action whatever else it would do

    With width = 1 it is epsilon-greedy bit for bit, with width = 0 greedy with ties broken at random.

    Source: the strongest simple rival of fear where the danger is in the reward: what is known to be bad is
    not tried again. Thomaz and Breazeal (2008) leave out poor actions in the same way.
    When it does harm: what turned out badly once, by chance or before a change, is never tried again.
    """

    width: Tensor

    name = "near-greedy"
    Config = NearGreedyConfig

    def choose(
        self, values: Tensor, drive: Drive, epsilon: Tensor, uniform: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose; see `Policy.choose`."""
        best, action = greedy_action(values, drive, uniform)
        chance = epsilon if drive.exploration is None else epsilon * drive.exploration
        explored = uniform[:, 0] < chance
        weights = reweighed(self.near(values, drive).to(values.dtype), drive.avoidance)
        action = torch.where(explored, draw(weights, uniform[:, 1]), action)
        return persisting(drive, best, action, explored)

    def near(self, values: Tensor, drive: Drive) -> Tensor:
        """Return which actions are worth a try, [P, A] bool; the best always are."""
        scores = values if drive.bias is None else values + drive.bias
        behind = scores.amax(-1, keepdim=True) - scores
        asked = behind if drive.exclude is None else behind.masked_fill(drive.exclude, 0.0)
        return behind <= self.width[:, None] * asked.amax(-1, keepdim=True)
