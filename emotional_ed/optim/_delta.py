"""Momentum that writes by the delta rule: it erases what it recalls before it stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from emotional_ed.checks import require_choice
from emotional_ed.optim._base import (
    Group,
    MemoryOptimizer,
    as_matrix,
    check_common,
    shrink_weights,
    state_dtype,
)
from emotional_ed.optim._preconditioned import own_entries


@final
class DeltaMomentum(MemoryOptimizer):
    """Gradient descent with a momentum that is written by the delta rule.

    Equation:
        The memory m maps the rows of the gradient G to the columns of -P. Each step takes one step on
        1/2 |m G^T + P|^2 from the decayed memory, then W = (1 - lr weight_decay) W + m:

            prox:  m+ = argmin_X  1/2 |X G^T + P|^2 + 1/(2 lr) |X - momentum m|^2
                      = momentum m - lr (P + momentum m G^T) (I + lr G G^T)^-1 G
            grad:  m+ = m (momentum I - lr G^T G) - lr P G

        Both have the same fixed point for a constant gradient,

            m = -lr P G ((1 - momentum) I + lr G^T G)^-1

        for P = I and a singular value s of G: lr s / (1 - momentum + lr s^2). Small gradients thus give
        the steps of plain momentum, lr s / (1 - momentum), and large ones give steps that shrink as 1/s; no
        step at rest is longer than sqrt(lr / (1 - momentum)) / 2 in any direction. The proximal form is
        the default and is bounded for gradients of any size; the explicit form diverges once
        lr |G|^2 > 1 + momentum (|G| the largest singular value).

        The proximal form solves with the smaller of [V, V] and [K, K], O(min(V, K)^2 max(V, K)). Where
        lr |G|^2 exceeds what the dtype resolves (about 1/(4 n epsilon), n = min(V, K)), the unit diagonal
        is raised just enough for the factorisation to succeed.

    Args:
        params: parameters or groups of them.
        lr: step size eta >= 0, a number or a tensor of shape [].
        momentum: alpha in [0, 1], the share of the memory kept at each step.
        weight_decay: >= 0; decoupled from the gradient, because the gradient is also the key.
        solver: "prox" (exact proximal step) or "grad" (one explicit gradient step).
        preconditioner: P, a mapping from parameters to tensors; parameters left out have P = I. The tensors
            are copied into the optimizer's state and are saved with it.

    Shapes:
        A parameter of shape [V, ...] is the matrix [V, K] of its first axis against the rest. A vector [K]
        or a scalar is one row [1, K]: its gradient is one key, and only what the memory holds along it is
        erased. preconditioner[W]: [V, V].

    Raises:
        ValueError: an option is out of range, a preconditioner does not fit its parameter, a parameter is
            complex, or a gradient sparse.

    Reference:
        Behrouz et al., "Nested Learning", arXiv 2512.24695: eq. 49, which is printed without a step size
        on the erase term; the gradient of the squared error has it on both terms.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        *,
        solver: str = "prox",
        preconditioner: Mapping[Tensor, Tensor] | None = None,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "solver": solver}
        super().__init__(params, defaults)
        for p, P in own_entries(self, preconditioner or {}):
            rows = as_matrix(p).shape[0]
            if P.shape != (rows, rows):
                shape = list(P.shape)
                raise ValueError(f"preconditioner: got a tensor of shape {shape}, expected {[rows, rows]}")
            self.state[p]["preconditioner"] = P.detach().to(p.device, state_dtype(p), copy=True)

    def _check(self, group: Mapping[str, Any]) -> None:
        check_common(group)
        require_choice("solver", group["solver"], ("prox", "grad"))

    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        memories = self._buffers(params, "momentum_buffer")
        for p, g, memory in zip(params, grads, memories, strict=True):
            G = as_matrix(g.to(memory.dtype))  # [V, K]
            key = _gain(G, group["lr"]) if group["solver"] == "prox" else G
            P = self.state[p].get("preconditioner")
            value = key if P is None else P @ key
            kept = group["momentum"] * memory
            recalled = _recall(as_matrix(kept if group["solver"] == "prox" else memory), G, key)
            memory.copy_(kept - group["lr"] * (value + recalled).reshape(memory.shape))
        shrink_weights(params, group["lr"], group["weight_decay"])
        torch._foreach_add_(params, memories)


def _recall(m: Tensor, G: Tensor, key: Tensor) -> Tensor:
    """Return m G^T key [V, K], multiplied in the cheaper order."""
    recalled: Tensor = (m @ G.T) @ key if G.shape[0] <= G.shape[1] else m @ (G.T @ key)
    return recalled


def _gain(G: Tensor, lr: float | Tensor) -> Tensor:
    """Return (I + lr G G^T)^-1 G, by the smaller of the two Gram matrices, without overflow."""
    if G.shape[0] > G.shape[1]:
        return _gain(G.T, lr).T
    root = lr**0.5
    scale = (root * torch.linalg.vector_norm(G)).clamp_min(1.0)
    H: Tensor = root * G / scale  # [V, K], no singular value above 1
    n = G.shape[0]
    diagonal = scale.pow(-2).clamp_min(4 * n * torch.finfo(G.dtype).eps)
    gram = H @ H.T + diagonal * torch.eye(n, dtype=G.dtype, device=G.device)
    factor: Tensor = torch.linalg.cholesky_ex(gram)[0]  # unlike cholesky, does not wait for the device
    gain: Tensor = torch.cholesky_solve(G / scale, factor) / scale
    return gain
