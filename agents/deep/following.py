"""Target networks that follow the networks that learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from stable_baselines3.common.utils import polyak_update
from torch import Tensor, nn

from emotional_ed.agents.deep.flat_adam import FlatAdam, flatten_parameters


@final
class Following:
    """Moves target parameters toward those that learn: as one vector where the optimizer holds them in one.

    Equation:
        w' = (1 - tau) w' + tau w

    Args:
        online: the network that learns.
        target: the network that follows.
        optimizer: returns the present optimizer of `online`.
    """

    def __init__(
        self, online: nn.Module, target: nn.Module, optimizer: Callable[[], torch.optim.Optimizer]
    ) -> None:
        self._online, self._target = list(online.parameters()), list(target.parameters())
        self._optimizer = optimizer
        self._vector: Tensor | None = None

    @torch.no_grad()
    def update(self, tau: float) -> None:
        """Take over the share `tau`."""
        optimizer: Any = self._optimizer()
        if not isinstance(optimizer, FlatAdam) or not self._is_all(optimizer):
            polyak_update(self._online, self._target, tau)
            return
        optimizer.flatten()
        if self._vector is None or self._vector.data_ptr() != self._target[0].data_ptr():
            self._vector = flatten_parameters(self._target)
        if tau == 1:  # one pass instead of two
            self._vector.copy_(optimizer.values)
        else:
            self._vector.mul_(1 - tau).add_(optimizer.values, alpha=tau)

    def _is_all(self, optimizer: FlatAdam) -> bool:
        """Return whether the optimizer holds all parameters, in their order; shared features it does not."""
        held = optimizer.param_groups[0]["params"]
        return len(held) == len(self._online) and all(a is b for a, b in zip(held, self._online, strict=True))
