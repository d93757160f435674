"""Temporally extended exploration: a random action is held for a while, mostly brief, at times long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, final

import torch
from torch import Tensor

from emotional_ed.affect import Drive
from emotional_ed.agents.policies.epsilon_greedy import greedy_action, persisting, random_action
from emotional_ed.agents.policies.policy import Policy
from emotional_ed.agents.rules import RuleConfig
from emotional_ed.checks import require_int, require_range


@dataclass(frozen=True, kw_only=True)
class EZGreedyConfig(RuleConfig):
    """For how long a random action is held."""

    exponent: float = 2.0
    """mu of the zeta distribution of durations, in [0, 100]; the lower, the longer."""
    cap: int = 100
    """Longest duration in steps, in [1, 10000]; 1 is epsilon-greedy."""

    def __post_init__(self) -> None:
        require_range("EZGreedyConfig.exponent", self.exponent, 0, 100)
        require_int("EZGreedyConfig.cap", self.cap, 1, 10_000)


@final
class EZGreedy(Policy):
    """The best action, or with probability epsilon a random one that is then held for n steps.

    Equation:
        P(n) in proportion to n^-exponent for n = 1 .. cap;  n is drawn by the inverse of its distribution
        greedy:  argmax_a Q(s, a) + bias(a), ties broken at random
        random with probability epsilon * exploration while nothing is held, weights 1 - avoidance(a)
        a member that persists repeats its action whatever else it would do; the time of holding goes on

    A held action counts as explored. Holding ends with the episode. With cap = 1 it is epsilon-greedy bit
    for bit. Of all steps, more than epsilon are explored: epsilon E[n] / (1 - epsilon + epsilon E[n]).

    Reference:
        Dabney, Ostrovski and Barreto (2021), "Temporally-Extended epsilon-Greedy Exploration",
        arXiv 2006.01782, algorithm 1; mu = 2 there.

    When it does harm: where one action held is fatal or useless (a cliff, a maze of turns).

    Shapes:
        held, left: [P] int64, the action and for how many steps more.
    """

    held: Tensor
    left: Tensor
    cumulative: Tensor

    name = "ez-greedy"
    Config = EZGreedyConfig
    extra: ClassVar[int] = 1

    def start(self, configs: Sequence[EZGreedyConfig]) -> None:
        """Start with nothing held, and tables of how long to hold, [P, largest cap]."""
        population = self.place.population
        self.register_buffer("held", torch.zeros(population, dtype=torch.int64))
        self.register_buffer("left", torch.zeros(population, dtype=torch.int64))
        most = max(config.cap for config in configs)
        tables = {config: _distribution(config, most) for config in set(configs)}
        cumulative = torch.tensor([tables[config] for config in configs], dtype=torch.float64)
        self.register_buffer("cumulative", cumulative, persistent=False)

    def choose(
        self, values: Tensor, drive: Drive, epsilon: Tensor, uniform: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose; see `Policy.choose`."""
        best, action = greedy_action(values, drive, uniform)
        chance = epsilon if drive.exploration is None else epsilon * drive.exploration
        holding = self.left > 0
        explored = (uniform[:, 0] < chance) | holding
        random = torch.where(holding, self.held, random_action(drive.avoidance, uniform, values.shape[-1]))
        return persisting(drive, best, torch.where(explored, random, action), explored)

    def observe(self, action: Tensor, explored: Tensor, done: Tensor, uniform: Tensor) -> None:
        """Begin to hold a random action, or hold it one step less."""
        holding = self.left > 0
        begun = explored & ~holding
        left = torch.where(begun, self.duration(uniform[:, 2 + self.place.actions]), self.left) - 1
        self.left.copy_(left.clamp_min(0).masked_fill(done, 0))
        self.held.copy_(torch.where(begun, action, self.held))

    def duration(self, uniform: Tensor) -> Tensor:
        """Return how long to hold for random numbers [P] in [0, 1), [P] int64 in [1, cap]."""
        return 1 + torch.searchsorted(self.cumulative, uniform.double()[:, None], right=True).squeeze(-1)

    def cut_episode(self) -> None:
        """Hold nothing."""
        self.left.zero_()


def _distribution(config: EZGreedyConfig, most: int) -> list[float]:
    """Return P(duration <= n) for n = 1 .. most; plain floats, so that `most` cannot change its bits."""
    sums = list(accumulate(n ** -float(config.exponent) for n in range(1, config.cap + 1)))
    return [one / sums[-1] for one in sums] + [1.0] * (most - config.cap)
