"""Softmax choice: the better an action, the more often it is taken."""

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

_COLDEST = 1e-30  # a drive may ask for no exploration at all


@dataclass(frozen=True, kw_only=True)
class SoftmaxConfig(RuleConfig):
    """How evenly actions are chosen."""

    temperature: float = 0.1
    """Difference of values, in units of value, that makes an action e times as likely, in (0, 1e6]."""

    def __post_init__(self) -> None:
        require_range("SoftmaxConfig.temperature", self.temperature, 0, 1e6, low_open=True)


@final
class Softmax(Policy):
    """Actions are drawn with probabilities that grow with their values; the agent's epsilon is not used.

    Equation:
        p(a) in proportion to (1 - avoidance(a)) exp((Q(s, a) + bias(a)) / (temperature exploration))
        a member that persists repeats its action whatever else it would do

    A drive of Nones gives plain softmax; a drive of ones and zeros gives the same bit for bit. Chance had a
    say (`explored`) where the action is none of the best. Probabilities are made in double precision; what
    is drawn is good to the 2^-24 of its random number.

    Reference:
        Sutton and Barto, section 2.8 and eq. 13.2, with values as preferences.

    When it does harm: one temperature cannot fit states whose values differ much and those whose hardly do.
    """

    temperature: Tensor

    name = "softmax"
    Config = SoftmaxConfig

    def choose(
        self, values: Tensor, drive: Drive, epsilon: Tensor, uniform: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose; see `Policy.choose`."""
        best, _ = greedy_action(values, drive, uniform)
        action = draw(self.weights(values, drive), uniform[:, 1])
        explored = ~best.gather(-1, action[:, None]).squeeze(-1)
        return persisting(drive, best, action, explored)

    def weights(self, values: Tensor, drive: Drive) -> Tensor:
        """Return numbers [P, A] in proportion to the probabilities, in double precision."""
        scores = values if drive.bias is None else values + drive.bias
        warm = self.temperature.double()
        if drive.exploration is not None:
            warm = warm * drive.exploration.double()
        behind = (scores - scores.amax(-1, keepdim=True)).double()
        weights = torch.exp(behind / warm.clamp_min(_COLDEST)[:, None])
        return reweighed(weights, drive.avoidance)
