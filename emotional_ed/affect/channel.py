"""What every affect has in common: a level that may also modulate how the agent acts."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emotional_ed.nested import Level

LARGEST_GAIN = 1e6
"""Upper end of every gain: products of several stay finite in single precision."""


@dataclass
class Drive:
    """How affect bends the choice of the next action; None means that nobody does.

    A drive of Nones, and a drive of ones and zeros, both leave the plain greedy choice as it is.
    """

    exploration: Tensor | None = None
    """[P], factor on the probability of a random action, >= 0."""
    aversion: Tensor | None = None
    """[P, A], in units of value, taken off the values before the greedy choice."""
    avoidance: Tensor | None = None
    """[P, A] in [0, 1], how much less often a random action is drawn."""
    persist: Tensor | None = None
    """[P] bool, members that repeat `action` whatever else they would do."""
    action: Tensor | None = None
    """[P] int64, the action to repeat."""


class Channel(Level, ABC):
    """A level that can modulate action selection; override `modulate` to do so.

    Modulation of the step size is a factor multiplied into `signals["step_factor"]` during `update`.
    """

    def cut_episode(self) -> None:
        """Forget what belongs to the running episode, because it was cut off and will not end."""

    def modulate(self, drive: Drive, key: Tensor) -> None:
        """Change `drive` for the state with memory key `key` ([P] int64 or [P, K]); changes no state."""


def stack(configs: Sequence[Any], field: str) -> Tensor:
    """Return one field of every member's configuration as a tensor [P], float32."""
    return torch.tensor([float(getattr(config, field)) for config in configs], dtype=torch.float32)


def multiply(old: Tensor | None, factor: Tensor) -> Tensor:
    """Return `old * factor`, where None stands for one."""
    return factor if old is None else old * factor


def commit(buffer: Tensor, new: Tensor, due: Tensor | None) -> None:
    """Store `new` in `buffer` [P, ...] for the members that are due (None: all)."""
    if due is not None:
        new = torch.where(due.view(-1, *[1] * (buffer.ndim - 1)), new, buffer)
    buffer.copy_(new)
