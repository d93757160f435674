"""Momentum at two time scales, with orthogonalised steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from emotional_ed.checks import require_int, require_range
from emotional_ed.optim._base import Group, MemoryOptimizer, as_matrix, check_common, shrink_weights

Triple = tuple[float, float, float]


def newton_schulz(G: Tensor, steps: int = 5, coefficients: Triple = (3.4445, -4.7750, 2.0315)) -> Tensor:
    """Push the singular values of a matrix toward one and leave its singular vectors as they are.

    Equation:
        X = G / |G|_F, then `steps` times  X = a X + b (X X^T) X + c (X X^T)^2 X,
        which applies s -> a s + b s^3 + c s^5 to every singular value.

    Args:
        G: the matrix; a zero matrix stays zero.
        steps: how often the polynomial is applied, >= 0.
        coefficients: (a, b, c). Those of Muon are fast and end in about [0.7, 1.2]; (15/8, -10/8, 3/8)
            converges to one.

    Shapes:
        G: [V, K]; result: [V, K].

    Raises:
        ValueError: `G` is no matrix, or `steps` is negative.

    Reference:
        Behrouz et al., "Nested Learning", arXiv 2512.24695: Algorithm 1. Coefficients: Jordan et al.,
        "Muon", 2024.
    """
    if G.ndim != 2:
        raise ValueError(f"G: got a tensor of shape {list(G.shape)}, expected a matrix [V, K]")
    require_int("steps", steps, 0)
    a, b, c = coefficients
    tall = G.shape[0] > G.shape[1]
    X: Tensor = (G.T if tall else G) / torch.linalg.vector_norm(G).clamp_min(torch.finfo(G.dtype).tiny)
    for _ in range(steps):
        gram = X @ X.T
        X = a * X + (b * gram + c * gram @ gram) @ X
    return X.T if tall else X


@final
class M3(MemoryOptimizer):
    """Multi-scale momentum: a fast memory of every gradient and a slow one of sums over chunks.

    Equation:
        With b = weights, r = retention and g the gradient, at every step

            M1 = r1 M1 + b1 g
            V  = r2 V  + b2 g^2
            W  = (1 - lr weight_decay) W - lr (O(M1) + alpha O(M2)) / sqrt(V + eps)

        and after every `period` steps, in time for the next one,

            M2 = r3 M2 + b3 (sum of the last `period` gradients)

        O is `orthogonalize` for parameters of two axes or more, and the identity for the rest.

    Choices where the paper leaves room:
        Nothing is forgotten as printed, r = (1, 1, 1): M1 and V sum up all gradients since the start.
        That is the default; (0.9, 0.999, 1) forgets at the pace of Adam. The printed sum of a chunk has one
        gradient too many and shares it with the next chunk; here chunks are disjoint and of exactly
        `period` gradients. Steps are counted for each parameter by the gradients that it got. As
        printed, an orthogonalised step has lost the scale of the gradient and is still divided by
        sqrt(V): the smaller the gradients, the larger the step. b2 = 0 with eps = 1 leaves this out.

    Args:
        params: parameters or groups of them.
        lr: step size eta >= 0, a number or a tensor of shape [].
        weights: (b1, b2, b3), each >= 0, of the gradient, its square, and the chunk.
        retention: (r1, r2, r3), each in [0, 1], the share of M1, V and M2 kept at each of their updates.
        alpha: >= 0, weight of the slow memory.
        period: C >= 1, gradients in a chunk.
        eps: > 0, inside the square root.
        weight_decay: >= 0; decoupled from the gradient.
        orthogonalize: function of a matrix [V, K], or None for the identity. It is not part of the saved
            state.

    Shapes:
        A parameter of shape [V, ...] is orthogonalised as the matrix [V, K] of its first axis against
        the rest.

    Raises:
        ValueError: an option is out of range, a parameter is complex, or a gradient sparse.

    Reference:
        Behrouz et al., "Nested Learning", arXiv 2512.24695: Algorithm 1, with the chunks of eq. 71.
    """

    _kept: ClassVar[tuple[str, ...]] = ("_orthogonalize",)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        weights: Triple = (1.0, 1.0, 1.0),
        retention: Triple = (1.0, 1.0, 1.0),
        alpha: float = 1.0,
        period: int = 10,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        orthogonalize: Callable[[Tensor], Tensor] | None = newton_schulz,
    ) -> None:
        self._orthogonalize = orthogonalize
        defaults = {
            "lr": lr,
            "weights": weights,
            "retention": retention,
            "alpha": alpha,
            "period": period,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group: Mapping[str, Any]) -> None:
        check_common(group)
        for name, high in (("weights", float("inf")), ("retention", 1.0)):
            if not isinstance(group[name], tuple | list) or len(group[name]) != 3:
                raise ValueError(f"{name}: got {group[name]!r}, expected three numbers")
            for i, value in enumerate(group[name]):
                require_range(f"{name}[{i}]", value, 0.0, high, high_open=high > 1)
        require_range("alpha", group["alpha"], 0.0, high_open=True)
        require_int("period", group["period"], 1)
        require_range("eps", group["eps"], 0.0, low_open=True, high_open=True)

    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        names = ("momentum_buffer", "square_sum", "chunk_sum", "slow_buffer", "slow_direction")
        fast, squares, chunks, slow, directions = (self._buffers(params, name) for name in names)
        (b1, b2, _), (r1, r2, _) = group["weights"], group["retention"]
        torch._foreach_mul_(fast, r1)
        torch._foreach_add_(fast, grads, alpha=b1)
        torch._foreach_mul_(squares, r2)
        torch._foreach_addcmul_(squares, grads, grads, b2)
        torch._foreach_add_(chunks, grads)
        shrink_weights(params, group["lr"], group["weight_decay"])
        for p, m, v, direction in zip(params, fast, squares, directions, strict=True):
            step = self._orthogonal(m) + group["alpha"] * direction
            p.sub_(group["lr"] * (step / (v + group["eps"]).sqrt()))
        for p, chunk, memory, direction in zip(params, chunks, slow, directions, strict=True):
            self._end_of_chunk(group, p, chunk, memory, direction)

    def _end_of_chunk(self, group: Group, p: Tensor, chunk: Tensor, slow: Tensor, direction: Tensor) -> None:
        seen = self.state[p].get("chunk_count", 0) + 1  # a number of the host: no wait for the device
        self.state[p]["chunk_count"] = seen % group["period"]
        if seen < group["period"]:
            return
        slow.mul_(group["retention"][2]).add_(chunk, alpha=group["weights"][2])
        chunk.zero_()
        direction.copy_(self._orthogonal(slow))

    def _orthogonal(self, memory: Tensor) -> Tensor:
        if self._orthogonalize is None or memory.ndim < 2:
            return memory
        return self._orthogonalize(as_matrix(memory)).reshape(memory.shape)
