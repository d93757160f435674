"""A danger penalty: the reward of a dangerous step is lowered, and Q-learning does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from emotional_ed.agents.critics.critic import Critic, table
from emotional_ed.agents.critics.danger import NEVER, danger_of, greedy_target
from emotional_ed.agents.rules import Moment, RuleConfig
from emotional_ed.checks import require_range


@dataclass(frozen=True, kw_only=True)
class PenalisedConfig(RuleConfig):
    """How much a danger costs, and what is one where none is declared."""

    penalty: float = 1.0
    """What a danger of 1 takes off the reward, in units of reward, in [0, 1e6]."""
    bad_reward: float = NEVER
    """Without declared dangers, a step with at most this reward is one; by default none is."""

    def __post_init__(self) -> None:
        require_range("PenalisedConfig.penalty", self.penalty, 0, 1e6)
        require_range("PenalisedConfig.bad_reward", self.bad_reward)


@final
class Penalised(Critic):
    """Q-learning with a penalty on dangerous steps: the simplest rival of fear, with the same information.

    Equation:
        y = r - penalty danger + discount (1 - terminated) max_a' Q(s', a')
        danger: as the environment declares it, where the agent listens; else [r <= bad_reward]

    With penalty = 0 it is Q-learning bit for bit.

    Source: reward shaping by a fixed cost, the Lagrangian form of a constrained problem; Altman (1999),
    "Constrained Markov Decision Processes".
    When it does harm: where the penalty is so large that the way past the danger, which is worth it, is
    never gone; and where the goal moves, the danger is unlearned with the values.

    Shapes:
        memory.M: [P, A, S K].
    """

    penalty: Tensor
    bad_reward: Tensor

    name = "penalised"
    Config = PenalisedConfig

    def start(self, configs: Sequence[PenalisedConfig]) -> None:
        """Start with values of zero."""
        self.memory = table(self.place)

    def read(self, key: Tensor) -> Tensor:
        """Return the values."""
        return self.memory.read(key)

    def target(self, moment: Moment) -> Tensor:
        """Return the lowered reward and the discounted best of what follows."""
        lowered = moment.reward - self.penalty * danger_of(moment, self.bad_reward)
        return greedy_target(self.memory, moment._replace(reward=lowered))
