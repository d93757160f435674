"""Epsilon-greedy choice, as affect bends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from emotional_ed.affect import Drive
from emotional_ed.agents.policies.policy import Policy
from emotional_ed.agents.rules import RuleConfig

_RARELY = 1e-3  # weight of a random action that fear would exclude altogether


@dataclass(frozen=True, kw_only=True)
class EpsilonGreedyConfig(RuleConfig):
    """Epsilon-greedy has no settings beyond the agent's exploration."""


@final
class EpsilonGreedy(Policy):
    """The best action, or with probability epsilon a random one.

    Equation:
        greedy:  argmax_a Q(s, a) + bias(a), ties broken at random
        random with probability epsilon * exploration, drawn with weights 1 - avoidance(a)
        a member that persists repeats its action whatever else it would do

    A drive of Nones gives plain epsilon-greedy; a drive of ones and zeros gives the same bit for bit.

    Reference:
        Sutton and Barto, section 2.2.
    """

    name = "epsilon-greedy"
    Config = EpsilonGreedyConfig

    def choose(
        self, values: Tensor, drive: Drive, epsilon: Tensor, uniform: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose; see `Policy.choose`."""
        best, action = greedy_action(values, drive, uniform)
        chance = epsilon if drive.exploration is None else epsilon * drive.exploration
        explored = uniform[:, 0] < chance
        action = torch.where(explored, random_action(drive.avoidance, uniform, values.shape[-1]), action)
        return persisting(drive, best, action, explored)


def greedy_action(values: Tensor, drive: Drive, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Return which actions are best, [P, A] bool, and one of them, [P], ties broken at random."""
    scores = values if drive.bias is None else values + drive.bias
    best = scores == scores.amax(-1, keepdim=True)
    return best, torch.where(best, uniform[:, 2 : 2 + values.shape[-1]], -1.0).argmax(-1)


def random_action(avoidance: Tensor | None, uniform: Tensor, actions: int) -> Tensor:
    """Draw an action, [P], with weights 1 - avoidance [P, A]; uniformly if None."""
    if avoidance is None:
        return (uniform[:, 1] * actions).to(torch.int64)
    cumulative = (1 - avoidance).clamp_min(_RARELY).cumsum(-1)  # [P, A]
    drawn = (uniform[:, 1:2] * cumulative[:, -1:] >= cumulative).sum(-1)
    return drawn.clamp_max(actions - 1)


def persisting(drive: Drive, best: Tensor, action: Tensor, explored: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Let members that persist repeat their action; return action, greedy and explored, [P] each."""
    if drive.persist is not None and drive.action is not None:
        action = torch.where(drive.persist, drive.action, action)
        explored = explored & ~drive.persist
    return action, best.gather(-1, action[:, None]).squeeze(-1), explored
