"""Expected Sarsa: values of actions that know that exploration goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from emotional_ed.agents.critics.critic import Critic, table
from emotional_ed.agents.rules import Moment, RuleConfig


@dataclass(frozen=True, kw_only=True)
class ExpectedSarsaConfig(RuleConfig):
    """Expected Sarsa has no settings beyond step size, discount and exploration, which the agent has."""


@final
class ExpectedSarsa(Critic):
    """Values of actions, taught what epsilon-greedy choice will make of the state that follows.

    Equation:
        y = r + discount (1 - terminated) ((1 - epsilon) max_a' Q(s', a') + epsilon (1/A) sum_a' Q(s', a'))

    Actions that tie for the best share 1 - epsilon; whatever the shares, their values make the same sum.
    The policy is taken to be plain epsilon-greedy: what affect does to a random choice is not foreseen. With
    epsilon = 0 it is Q-learning bit for bit.

    Reference:
        Sutton and Barto, eq. 6.9.

    When it does harm: with rare slips of exploration that can be recovered from, it keeps further away
    from gain than needed once exploration stops.

    Shapes:
        memory.M: [P, A, S K].
    """

    name = "expected-sarsa"
    Config = ExpectedSarsaConfig

    def start(self, configs: Sequence[ExpectedSarsaConfig]) -> None:
        """Start with values of zero."""
        self.memory = table(self.place)

    def read(self, key: Tensor) -> Tensor:
        """Return the values."""
        return self.memory.read(key)

    def target(self, moment: Moment) -> Tensor:
        """Return the reward and the discounted expectation of what follows."""
        values = self.memory.read(moment.next_key)  # [P, A]
        mean = values.sum(-1) / self.place.actions
        expected = (1 - moment.epsilon) * moment.bent(values).amax(-1) + moment.epsilon * mean
        return moment.reward + moment.discount * expected.masked_fill(moment.terminated, 0)
