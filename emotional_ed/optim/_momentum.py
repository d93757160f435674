"""Momentum as a memory of gradients that is written by gradient descent on a dot product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from emotional_ed.optim._base import Group, MemoryOptimizer, add_scaled, check_common


@final
class MomentumMemory(MemoryOptimizer):
    """Gradient descent with momentum, the step size inside the memory.

    Equation:
        g = grad L(W) + weight_decay W
        m = momentum m - lr g
        W = W + m

    With m = 0 at first this is `torch.optim.SGD(momentum=...)` for as long as `lr` stays the same. Under a
    schedule the two differ: torch keeps bare gradients and multiplies the whole memory by the present
    `lr`, whereas here each gradient was written with the `lr` of its own time, and a later `lr` neither
    grows nor shrinks what is remembered. After a drop of `lr` the old, larger steps fade out over about
    1/(1 - momentum) steps; with `lr` = 0 the weights coast until the memory is empty.

    Args:
        params: parameters or groups of them.
        lr: step size eta >= 0, a number or a tensor of shape [].
        momentum: alpha in [0, 1], the share of the memory kept at each step.
        weight_decay: >= 0, pull of the weights toward zero, added to the gradient as SGD does.
        foreach: run all parameters of a group in one call an operation; None means yes. The numbers are
            the same.

    Raises:
        ValueError: an option is out of range, a parameter is complex, or a gradient sparse.

    Reference:
        Behrouz et al., "Nested Learning", arXiv 2512.24695: eq. 33; as a proximal step eq. 13 (the
        shorter version's eq. 10 prints the proximal weight as eta instead of 1/(2 eta)).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "foreach": foreach}
        super().__init__(params, defaults)

    def _check(self, group: Mapping[str, Any]) -> None:
        check_common(group)

    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        memories = self._buffers(params, "momentum_buffer")
        if group["foreach"] is None or group["foreach"]:
            momentum_step(group, params, grads, memories)
            return
        for p, g, m in zip(params, grads, memories, strict=True):
            momentum_step(group, [p], [g], [m])


def decayed(group: Group, params: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
    """Return the gradients with that of the weight decay, lambda W, added."""
    if group["weight_decay"] == 0:
        return grads
    return list(torch._foreach_add(grads, params, alpha=group["weight_decay"]))


def momentum_step(group: Group, params: list[Tensor], grads: list[Tensor], memories: list[Tensor]) -> None:
    """Write gradients into memories and add the memories to parameters, in place (eq. 33)."""
    torch._foreach_mul_(memories, group["momentum"])
    add_scaled(memories, decayed(group, params, grads), -group["lr"])
    torch._foreach_add_(params, memories)
