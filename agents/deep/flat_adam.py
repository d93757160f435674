"""Adam over all parameters as one vector: one kernel a step instead of a dozen a parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)

# Options of torch's Adam that change its arithmetic; with any of them on, torch's own step is used.
_PLAIN = {
    "amsgrad": False,
    "maximize": False,
    "capturable": False,
    "differentiable": False,
    "decoupled_weight_decay": False,
}


def is_plain_adam(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether `FlatAdam` does what `optimizer` does: torch's Adam, one group, a number as rate."""
    if type(optimizer) is not torch.optim.Adam or len(optimizer.param_groups) != 1:
        return False
    group = optimizer.param_groups[0]
    kinds = {(p.device, p.dtype, p.requires_grad) for p in group["params"]}
    return (
        len(kinds) == 1
        and group["params"][0].device.type in ("cpu", "cuda")
        and isinstance(group["lr"], float)
        and all(group.get(name, plain) == plain for name, plain in _PLAIN.items())
        and all(p.is_floating_point() and p.requires_grad for p in group["params"])
    )


@final
class FlatAdam(torch.optim.Adam):
    """torch's Adam whose parameters, gradients and moments lie one behind the other in four vectors.

    Equation:
        g = grad min(1, max_norm / (|grad| + 1e-6))          (`clip`)
        m = beta1 m + (1 - beta1) g;   v = beta2 v + (1 - beta2) g^2
        w = w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    The state dictionary is that of torch's Adam, so either loads what the other saved. Results differ from
    it by rounding alone.

    Args:
        params: floating-point parameters of one device and dtype.
        lr: learning rate.
        betas: decay of the two moments.
        eps: keeps the denominator from 0.
        weight_decay: L2 penalty.

    Source: Kingma and Ba (2015), arXiv 1412.6980, Algorithm 1.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)
        self.flatten()

    @classmethod
    def like(cls, optimizer: torch.optim.Optimizer) -> FlatAdam:
        """Return a fresh one with the parameters and numbers of torch's Adam."""
        group = optimizer.param_groups[0]
        return cls(group["params"], group["lr"], group["betas"], group["eps"], group["weight_decay"])

    def flatten(self) -> None:
        """Lay parameters, gradients and moments out as vectors, unless they still are."""
        group = self.param_groups[0]["params"]
        if self._is_flat(group):
            return
        self.values = flatten_parameters(group)
        self.grads = torch.zeros_like(self.values)
        self.first, self.second = torch.zeros_like(self.values), torch.zeros_like(self.values)
        counts = [self.state[p]["step"] for p in group if "step" in self.state.get(p, {})]
        self.count = torch.zeros((), device=self.values.device)
        if counts:
            self.count.fill_(float(counts[0]))
        start = 0
        for p in group:
            part = slice(start, start + p.numel())
            start += p.numel()
            old = self.state.get(p, {})
            for name, whole in (("exp_avg", self.first), ("exp_avg_sq", self.second)):
                view = whole[part].view_as(p)
                if name in old:
                    view.copy_(old[name])
                self.state[p][name] = view
            self.state[p]["step"] = self.count
            gradient = self.grads[part].view_as(p)
            if p.grad is not None:
                gradient.copy_(p.grad)
            p.grad = gradient

    def _is_flat(self, group: list[nn.Parameter]) -> bool:
        if getattr(self, "values", None) is None:
            return False
        ends = ((group[0], 0), (group[-1], self.values.numel() - group[-1].numel()))
        return all(
            p.data_ptr() == self.values[at:].data_ptr()
            and p.grad is not None
            and p.grad.data_ptr() == self.grads[at:].data_ptr()
            and self.state[p].get("exp_avg") is not None
            and self.state[p]["exp_avg"].data_ptr() == self.first[at:].data_ptr()
            for p, at in ends
        )

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Set all gradients to zero; they stay where they are."""
        self.grads.zero_()

    def clip(self, max_norm: float, *others: Tensor) -> Tensor:
        """Scale the gradient, with `others` as parts of it, down to the norm `max_norm` if it is longer.

        Returns:
            Its norm before.
        """
        norm: Tensor = torch.linalg.vector_norm(self.grads)
        if others:
            norm = torch.linalg.vector_norm(torch.stack([norm, *map(torch.linalg.vector_norm, others)]))
        factor = (max_norm / (norm + 1e-6)).clamp_(max=1.0)
        for gradient in (self.grads, *others):
            gradient.mul_(factor)
        return norm

    @torch.no_grad()
    def apply(self) -> None:
        """Make one step with the gradients as they are."""
        group = self.param_groups[0]
        beta1, beta2 = group["betas"]
        adam(
            [self.values], [self.grads], [self.first], [self.second], [], [self.count],
            fused=True, amsgrad=False, beta1=beta1, beta2=beta2, lr=group["lr"],
            weight_decay=group["weight_decay"], eps=group["eps"], maximize=False,
        )  # fmt: skip

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step, as any torch optimizer does."""
        loss = None if closure is None else closure()
        self.flatten()
        self.apply()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state as torch's Adam does: a count of steps for each parameter."""
        whole = super().state_dict()
        whole["state"] = {
            which: {**state, "step": self.count.clone()} for which, state in whole["state"].items()
        }
        return whole

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of a `FlatAdam` or of torch's Adam.

        Raises:
            ValueError: the state is of other parameters.
        """
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group.update(_PLAIN, fused=True)
        self.values = None  # type: ignore[assignment]
        self.flatten()


def flattened(optimizer: Kind) -> Kind | FlatAdam:
    """Return a fresh `FlatAdam` in the place of torch's Adam, and any other optimizer as it is."""
    return FlatAdam.like(optimizer) if is_plain_adam(optimizer) else optimizer


@torch.no_grad()
def flatten_parameters(parameters: list[nn.Parameter] | list[Tensor]) -> Tensor:
    """Move parameters into one vector, in which each of them becomes a view, and return the vector."""
    values = torch.cat([p.detach().reshape(-1) for p in parameters])
    start = 0
    for p in parameters:
        p.data = values[start : start + p.numel()].view_as(p)
        start += p.numel()
    return values
