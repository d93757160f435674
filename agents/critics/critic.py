"""What a critic is: a memory of how good actions are, with the target that it is taught."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from emotional_ed.agents.rules import Moment, Place, Rule
from emotional_ed.memory import AssociativeMemory, share_per_feature


class Critic(Rule):
    """Level 0's values; subclasses say what they read, what they aim at, and how they are written."""

    memory: AssociativeMemory

    @abstractmethod
    def read(self, key: Tensor) -> Tensor:
        """Return what the choice of an action compares, [P, A]."""

    @abstractmethod
    def target(self, moment: Moment) -> Tensor:
        """Return what the value of the action taken should have been, [P]."""

    def write(self, moment: Moment, target: Tensor, share: Tensor) -> None:
        """Take up `share` [P] of the surprise that `target` [P] is."""
        memory = self.memory
        rate = share_per_feature(memory.M, share, moment.key)
        memory.write(moment.key, target[:, None].expand_as(moment.chosen), rate, moment.chosen)

    def blank(self) -> Tensor:
        """Return what every number of a blank memory is, [P]."""
        return torch.zeros(self.place.population, device=self.place.device)

    def clear(self, who: Tensor, slot: Tensor | None = None) -> None:
        """Begin anew: members `who` [n] lose all values, or those of the value memory `slot` [n]."""
        fresh = self.blank()[who][:, None, None]
        if slot is None:
            self.memory.M[who] = fresh
        else:
            self.by_slot()[who, :, slot] = fresh

    def by_slot(self) -> Tensor:
        """Return the values seen as [P, rows, S, K]."""
        M = self.memory.M
        return M.view(*M.shape[:2], self.place.slots, self.place.keys)

    def read_slots(self, key: Tensor, slots: int | None = None) -> Tensor:
        """Return the values in the first `slots` memories (None: all), [P, S, A]; `key` is of the first."""
        count = self.place.slots if slots is None else slots
        return torch.stack([self.read(key + slot * self.place.keys) for slot in range(count)], dim=1)


def table(place: Place, values: int = 1) -> AssociativeMemory:
    """Return a memory of zeros with `values` numbers an action for every key of every value memory."""
    shape = (values * place.actions, place.slots * place.keys)
    return AssociativeMemory(*shape, batch=(place.population,), solver="grad", device=place.device)
