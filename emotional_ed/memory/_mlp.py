"""Memories that are small networks, under the same verbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from emotional_ed.checks import require_int, require_range
from emotional_ed.memory._validation import check_dtype, check_finite, check_nonnegative, describe

Weights = dict[str, Tensor]


def apply_mlp(weights: Weights, q: Tensor) -> Tensor:
    """Run a network with weights `w0, b0, w1, b1, ...` (GELU between layers) on one key [K]: [V]."""
    layers = len(weights) // 2
    x = q
    for i in range(layers):
        x = weights[f"w{i}"] @ x + weights[f"b{i}"]
        if i + 1 < layers:
            x = torch.nn.functional.gelu(x)
    return x


@final
class MLPMemory(nn.Module):
    """A batch of networks from keys to values, each written by one step on its own inner objective.

    Equation:
        theta+ = theta - eta grad_theta 1/2 |f(k; theta) - v|^2

    The gradient is `torch.func.grad`, batched over members by `torch.func.vmap`. There is no closed
    proximal form; a step can overshoot, so keep eta small.

    Args:
        sizes: widths from K to V, e.g. `(8, 32, 2)`.
        batch: one leading dimension `(P,)`, or none.
        eta: default step size >= 0.
        generator: draws the first weights (uniform, as torch.nn.Linear does).
        device: where the buffers live.
        dtype: float32 or wider.

    Shapes:
        w{i}: [*batch, out, in]; b{i}: [*batch, out].

    Raises:
        ValueError: fewer than two sizes, or more than one batch dimension.

    Reference:
        Behrouz et al., arXiv 2512.24695, section 4.4 (deep memory).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        batch: Sequence[int] = (),
        eta: float = 0.1,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        check_dtype(dtype)
        self.sizes = tuple(require_int("sizes", size, 1) for size in sizes)
        if len(self.sizes) < 2 or len(batch) > 1:
            raise ValueError(
                f"sizes: got {list(sizes)} with batch {list(batch)}, expected K, ..., V and (P,) or ()"
            )
        self.batch = tuple(batch)
        self.eta = require_range("eta", eta, 0.0)
        for i, (fan_in, fan_out) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            for name, shape in ((f"w{i}", (fan_out, fan_in)), (f"b{i}", (fan_out,))):
                uniform = torch.rand(*batch, *shape, generator=generator, dtype=dtype)
                self.register_buffer(name, ((2 * uniform - 1) / fan_in**0.5).to(device))

    @property
    def weights(self) -> Weights:
        """The networks' weights, name -> tensor."""
        return dict(self.named_buffers())

    def read(self, key: Tensor) -> Tensor:
        """Recall the values [*batch, V] for keys [*batch, K]."""
        self._check("key", key, self.sizes[0])
        return torch.func.vmap(apply_mlp)(self.weights, key) if self.batch else apply_mlp(self.weights, key)

    def write(
        self, key: Tensor, value: Tensor, eta: float | Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Make one inner step in place and return the local surprise [*batch, V] before it.

        Args:
            key: [*batch, K].
            value: [*batch, V].
            eta: step size, a number or [*batch]; the default if None.
            mask: [*batch] bool, who is written to.
        """
        self._check("key", key, self.sizes[0])
        self._check("value", value, self.sizes[-1])
        step = torch.func.grad(_inner_loss, has_aux=True)
        gradients, lss = (torch.func.vmap(step) if self.batch else step)(self.weights, key, value)
        rate = self._checked_rate(self.eta if eta is None else eta)
        with torch.no_grad():
            for name, tensor in self.weights.items():
                sized = (
                    rate.view(*rate.shape, *[1] * (tensor.ndim - rate.ndim))
                    if isinstance(rate, Tensor)
                    else rate
                )
                change = sized * gradients[name]
                if mask is not None:
                    rows = mask.view(*mask.shape, *[1] * (tensor.ndim - mask.ndim))
                    change = torch.where(rows, change, 0.0)
                tensor -= change
        surprise: Tensor = lss.detach()
        return surprise

    def _checked_rate(self, eta: float | Tensor) -> float | Tensor:
        if not isinstance(eta, Tensor):
            return require_range("eta", eta, 0.0)
        check_nonnegative("eta", eta, self.get_buffer("w0"))
        if eta.shape not in (torch.Size(), torch.Size(self.batch)):
            raise ValueError(f"eta: got {describe(eta)}, expected a number or shape {list(self.batch)}")
        return eta

    def _check(self, name: str, tensor: Tensor, size: int) -> None:
        if (
            not isinstance(tensor, Tensor)
            or tensor.shape != (*self.batch, size)
            or tensor.dtype != self.get_buffer("w0").dtype
        ):
            expected = [*self.batch, size]
            raise ValueError(
                f"{name}: got {describe(tensor)}, expected {self.get_buffer('w0').dtype} {expected}"
            )
        check_finite(name, tensor)


def _inner_loss(weights: Weights, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    lss = value - apply_mlp(weights, key)
    return 0.5 * (lss * lss).sum(), lss
