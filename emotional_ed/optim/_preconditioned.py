"""Momentum that remembers preconditioned gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from emotional_ed.checks import require_choice, require_range
from emotional_ed.optim._base import Group, MemoryOptimizer, add_scaled, check_common, state_dtype
from emotional_ed.optim._momentum import decayed

Preconditioner = str | Callable[[Tensor], Tensor] | Mapping[Tensor, Tensor]


@final
class PreconditionedMomentum(MemoryOptimizer):
    """Gradient descent with a momentum of preconditioned gradients.

    Equation:
        g = grad L(W) + weight_decay W
        m = momentum m - lr P g
        W = W + m

    P = I is `MomentumMemory`. With P the inverse Hessian, lr = 1 and momentum = 0 one step minimises a
    quadratic (Newton). With "rms", P is diagonal and learned,

        v = beta v + (1 - beta) g^2,    P = 1 / (sqrt(v) + eps)

    which is `torch.optim.RMSprop(momentum=...)` for as long as `lr` stays the same.

    Args:
        params: parameters or groups of them.
        lr: step size eta >= 0, a number or a tensor of shape [].
        momentum: alpha in [0, 1], the share of the memory kept at each step.
        weight_decay: >= 0, pull of the weights toward zero, added to the gradient before P.
        preconditioner: None for the identity; "rms" for the learned diagonal; a function from a gradient to
            a direction of the same shape (its own state, if any, is not saved); or a mapping from
            parameters to tensors, where parameters left out have P = I. These tensors are copied into the
            optimizer's state and are saved with it.
        beta: in [0, 1), how slowly v forgets; used by "rms".
        eps: > 0; used by "rms".

    Shapes:
        preconditioner[W]: that of W for a diagonal P, or [N, N] for a full P on the N entries of W in
        row-major order.

    Raises:
        ValueError: an option is out of range, a preconditioner does not fit its parameter, a parameter is
            complex, or a gradient sparse.

    Reference:
        Behrouz et al., "Nested Learning", arXiv 2512.24695: eq. 47.
    """

    _kept: ClassVar[tuple[str, ...]] = ("_preconditioner",)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        *,
        preconditioner: Preconditioner | None = None,
        beta: float = 0.99,
        eps: float = 1e-8,
    ) -> None:
        self._preconditioner = _rule(preconditioner)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "beta": beta,
            "eps": eps,
        }
        super().__init__(params, defaults)
        if isinstance(preconditioner, Mapping):
            for p, P in own_entries(self, preconditioner):
                if P.shape not in (p.shape, (p.numel(), p.numel())):
                    raise ValueError(
                        f"preconditioner: got a tensor of shape {list(P.shape)}, expected {list(p.shape)}"
                        f" or {[p.numel(), p.numel()]}"
                    )
                self.state[p]["preconditioner"] = P.detach().to(p.device, state_dtype(p), copy=True)

    def _check(self, group: Mapping[str, Any]) -> None:
        check_common(group)
        require_range("beta", group["beta"], 0.0, 1.0, high_open=True)
        require_range("eps", group["eps"], 0.0, low_open=True, high_open=True)

    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        grads = decayed(group, params, grads)
        if self._preconditioner == "rms":
            directions = self._rms(group, params, grads)
        else:
            directions = [self._direction(p, g) for p, g in zip(params, grads, strict=True)]
        memories = self._buffers(params, "momentum_buffer")
        torch._foreach_mul_(memories, group["momentum"])
        add_scaled(memories, directions, -group["lr"])
        torch._foreach_add_(params, memories)

    def _rms(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
        squares = self._buffers(params, "square_avg")
        torch._foreach_mul_(squares, group["beta"])
        torch._foreach_addcmul_(squares, grads, grads, 1 - group["beta"])
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, group["eps"])
        return list(torch._foreach_div(grads, roots))

    def _direction(self, p: Tensor, g: Tensor) -> Tensor:
        if callable(self._preconditioner):
            direction: Tensor = self._preconditioner(g)
            if direction.shape != g.shape:
                shapes = f"got shape {list(direction.shape)}, expected {list(g.shape)}"
                raise ValueError(f"preconditioner: {shapes} for a gradient of that shape")
            return direction
        P: Tensor | None = self.state[p].get("preconditioner")
        if P is None:
            return g
        return P * g if P.shape == g.shape else (P @ g.to(P.dtype).reshape(-1)).reshape(g.shape)


def _rule(given: object) -> Any:
    """Return what is to be done to every gradient: "rms", a function, or None."""
    if given is None or isinstance(given, Mapping):
        return None
    if not isinstance(given, str) and not callable(given):
        kind = type(given).__name__
        raise ValueError(f"preconditioner: got a {kind}, expected 'rms', a function, a mapping or None")
    return require_choice("preconditioner", given, ("rms",)) if isinstance(given, str) else given


def own_entries(
    optimizer: torch.optim.Optimizer, preconditioner: Mapping[Tensor, Tensor]
) -> Iterable[tuple[Tensor, Tensor]]:
    """Return the pairs of a mapping from parameters to preconditioners.

    Raises:
        ValueError: a key is not a parameter of the optimizer.
    """
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    strangers = sum(id(p) not in own for p in preconditioner)
    if strangers:
        raise ValueError(
            f"preconditioner: got {strangers} keys of others, expected parameters of this optimizer"
        )
    return preconditioner.items()
