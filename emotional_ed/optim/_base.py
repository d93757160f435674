"""What the optimizers share: checks, closures, groups, and state that is saved and loaded whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.optim.optimizer import StateDict

from emotional_ed.checks import require_range

Group = dict[str, Any]


class MemoryOptimizer(torch.optim.Optimizer, ABC):
    """Checks groups when they are added and hands dense gradients of each group to `_update`.

    State lives in float32 or wider, whatever the parameter's dtype, and keeps its dtype when loaded.
    Loading copies: the optimizer that wrote a state dictionary may go on without disturbing its reader.
    """

    _kept: ClassVar[tuple[str, ...]] = ()
    """Attributes outside the groups (callables, which no state dictionary should hold) to keep in copies."""

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Make one step on every parameter that has a gradient.

        Args:
            closure: evaluates the model anew and returns the loss.

        Returns:
            What `closure` returned, or None.

        Raises:
            ValueError: a gradient is sparse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(group, params, [_dense(p.grad) for p in params])
        return loss

    @abstractmethod
    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        """Step on `params`; `grads` belong to the caller and must not be written."""

    @abstractmethod
    def _check(self, group: Mapping[str, Any]) -> None:
        """Raise `ValueError` if an option of the group is out of range."""

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own; those left out are the optimizer's defaults.

        Raises:
            ValueError: an option is out of range, or a parameter is not real floating point.
        """
        self._check({**self.defaults, **param_group})
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if not p.is_floating_point():
                self.param_groups.pop()
                raise ValueError(f"params: got a tensor of {p.dtype}, expected real floating-point numbers")

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Load what `state_dict` returned, bit for bit, as a copy."""
        super().load_state_dict(state_dict)
        saved = [index for group in state_dict["param_groups"] for index in group["params"]]
        own = [p for group in self.param_groups for p in group["params"]]
        for index, p in zip(saved, own, strict=True):
            for name, value in state_dict["state"].get(index, {}).items():
                if isinstance(value, Tensor):
                    self.state[p][name] = value.to(p.device, copy=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), **{name: getattr(self, name) for name in self._kept}}

    def _buffers(self, params: list[Tensor], name: str) -> list[Tensor]:
        """Return each parameter's state tensor `name`, zeros at first."""
        for p in params:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p, dtype=state_dtype(p))
        return [self.state[p][name] for p in params]


def state_dtype(p: Tensor) -> torch.dtype:
    """Return the dtype of a parameter's state: its own, but at least float32."""
    return torch.promote_types(p.dtype, torch.float32)


def as_matrix(tensor: Tensor) -> Tensor:
    """Return a tensor as a matrix [V, K]: its first axis against the rest; vectors and scalars as one row."""
    return tensor.reshape(tensor.shape[0], -1) if tensor.ndim >= 2 else tensor.reshape(1, -1)


def add_scaled(targets: list[Tensor], sources: list[Tensor], scale: float | Tensor) -> None:
    """Add `scale` times each source to its target in place, without a look at a tensor's value."""
    if isinstance(scale, Tensor):
        torch._foreach_add_(targets, torch._foreach_mul(sources, scale))
    else:
        torch._foreach_add_(targets, sources, alpha=scale)


def shrink_weights(params: list[Tensor], lr: float | Tensor, weight_decay: float) -> None:
    """Apply decoupled weight decay in place: W = (1 - lr weight_decay) W."""
    if weight_decay != 0:
        torch._foreach_mul_(params, 1 - lr * weight_decay)


def check_common(group: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless lr, momentum and weight_decay, where present, are in range."""
    lr = group["lr"]
    if isinstance(lr, Tensor) and lr.ndim != 0:
        raise ValueError(
            f"lr: got a tensor of shape {list(lr.shape)}, expected a number or a tensor of shape []"
        )
    require_range("lr", lr, 0.0, high_open=True)
    require_range("weight_decay", group["weight_decay"], 0.0, high_open=True)
    if "momentum" in group:
        require_range("momentum", group["momentum"], 0.0, 1.0)


def _dense(grad: Tensor) -> Tensor:
    if grad.layout is not torch.strided or not grad.is_floating_point():
        kind = f"{grad.dtype} of layout {grad.layout}"
        raise ValueError(f"grad: got {kind}, expected a dense gradient of real floating-point numbers")
    return grad
