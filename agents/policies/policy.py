"""What a policy is: a way to choose among values that affect may bend."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from emotional_ed.affect import Drive
from emotional_ed.agents.rules import Rule


class Policy(Rule):
    """Chooses actions; subclasses may keep state between steps, which only `observe` changes."""

    extra: ClassVar[int] = 0
    """Random numbers that it needs a step, besides two and one an action."""

    @abstractmethod
    def choose(
        self, values: Tensor, drive: Drive, epsilon: Tensor, uniform: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose an action for every member; changes no state.

        Args:
            values: Q(s, .).
            drive: what affect wants.
            epsilon: probability of a random action, where the policy has one.
            uniform: random numbers in [0, 1): whether, which, one a tie, and `extra` more.

        Shapes:
            values: [P, A]; epsilon: [P]; uniform: [P, 2 + A + extra].

        Returns:
            action [P] int64, greedy [P] bool (it is one of the best), explored [P] bool (chance had a say).
        """

    def observe(self, action: Tensor, explored: Tensor, done: Tensor, uniform: Tensor) -> None:
        """Take note of what was done; [P] each."""
