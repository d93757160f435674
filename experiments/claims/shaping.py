"""A learned fear as a potential: it shapes the reward and leaves the best policy what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from emotional_ed.agents.critics import IntrinsicFearConfig
from emotional_ed.agents.critics.critic import Critic
from emotional_ed.agents.critics.danger import greedy_target
from emotional_ed.agents.critics.intrinsic_fear import IntrinsicFear
from emotional_ed.agents.rules import Moment


@dataclass(frozen=True, kw_only=True)
class FearPotentialConfig(IntrinsicFearConfig):
    """The same numbers as those of the fear that it is made of; `penalty` is the height of the potential."""


@final
class FearPotential(Critic):
    """Q-learning with potential-based shaping, the potential of a state being how little it is feared.

    Equation:
        Phi(s) = -penalty F(s), 0 where an episode ends;  F as in `IntrinsicFear`
        y = r + discount Phi(s') - Phi(s) + discount (1 - terminated) max_a' Q(s', a')

    It holds the same information as a fear that is taken off the target. But what a potential takes, it
    gives back: in the limit the best policy is that of the reward alone, also while F is still learned.
    With penalty = 0 it is Q-learning bit for bit.

    Reference:
        Ng, Harada and Russell (1999), theorem 1; Devlin and Kudenko (2012) for potentials that change.
    When it does harm: while F is wrong, for as long as it takes to learn the difference.

    Shapes:
        memory.M: [P, A, S K].
    """

    name = "fear-potential"
    Config = FearPotentialConfig

    def start(self, configs: Sequence[FearPotentialConfig]) -> None:
        """Start with values of zero and without fear."""
        self.inner = IntrinsicFear(configs, self.place)
        self.memory = self.inner.memory

    def read(self, key: Tensor) -> Tensor:
        """Return the values."""
        return self.memory.read(key)

    def target(self, moment: Moment) -> Tensor:
        """Return the greedy target, the fear left behind given back and the fear ahead taken."""
        ahead = self.inner.feared(moment.next_key).masked_fill(moment.terminated, 0)
        shaped = self.inner.penalty * (self.inner.feared(moment.key) - moment.discount * ahead)
        return greedy_target(self.memory, moment) + shaped

    def write(self, moment: Moment, target: Tensor, share: Tensor) -> None:
        """Write the value, and judge states whose time has come if this was lived."""
        self.inner.write(moment, target, share)

    def cut_episode(self) -> None:
        """Leave states of the running episode unjudged."""
        self.inner.cut_episode()
