"""Sticky actions: now and then the last action is simply repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from emotional_ed.affect import Drive
from emotional_ed.agents.policies.epsilon_greedy import greedy_action, persisting, random_action
from emotional_ed.agents.policies.policy import Policy
from emotional_ed.agents.rules import RuleConfig
from emotional_ed.checks import require_range


@dataclass(frozen=True, kw_only=True)
class StickyConfig(RuleConfig):
    """How often an action is repeated."""

    repeat: float = 0.25
    """Probability that the last action of the episode is repeated, in [0, 1]; 0 is epsilon-greedy."""

    def __post_init__(self) -> None:
        require_range("StickyConfig.repeat", self.repeat, 0, 1)


@final
class Sticky(Policy):
    """With probability `repeat` the last action of this episode, else the choice of epsilon-greedy.

    Equation:
        a_t = a_{t-1} with probability repeat, if the episode has one
        else argmax_a Q(s, a) + bias(a), or with probability epsilon * exploration a random action
        a member that persists repeats its action whatever else it would do

    A repeated action counts as explored. With repeat = 0 it is epsilon-greedy bit for bit.

    Reference:
        Machado, Bellemare, Talvitie, Veness, Hausknecht and Bowling (2018), arXiv 1709.06009, section 5;
        there the environment is sticky, here the agent is, to explore in longer strides.

    When it does harm: beside a cliff, where one step more than meant is fatal.

    Shapes:
        last: [P] int64; known: [P] bool, whether the episode has a last action.
    """

    repeat: Tensor
    last: Tensor
    known: Tensor

    name = "sticky"
    Config = StickyConfig
    extra: ClassVar[int] = 1

    def start(self, configs: Sequence[StickyConfig]) -> None:
        """Start with nothing to repeat."""
        self.register_buffer("last", torch.zeros(self.place.population, dtype=torch.int64))
        self.register_buffer("known", torch.zeros(self.place.population, dtype=torch.bool))

    def choose(
        self, values: Tensor, drive: Drive, epsilon: Tensor, uniform: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose; see `Policy.choose`."""
        actions = values.shape[-1]
        best, action = greedy_action(values, drive, uniform)
        chance = epsilon if drive.exploration is None else epsilon * drive.exploration
        explored = uniform[:, 0] < chance
        action = torch.where(explored, random_action(drive.avoidance, uniform, actions), action)
        stuck = self.known & (uniform[:, 2 + actions] < self.repeat)
        action = torch.where(stuck, self.last, action)
        return persisting(drive, best, action, explored | stuck)

    def observe(self, action: Tensor, explored: Tensor, done: Tensor, uniform: Tensor) -> None:
        """Remember the action while its episode goes on."""
        self.last.copy_(action)
        self.known.copy_(~done)

    def cut_episode(self) -> None:
        """Have nothing to repeat."""
        self.known.fill_(False)
