"""A chain of network memories, each with its own clock: the continuum memory system as a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from emotional_ed.checks import require_int, require_range
from emotional_ed.memory._mlp import MLPMemory, Weights, apply_mlp
from emotional_ed.memory._validation import check_finite, describe
from emotional_ed.ticks import Ticks


@final
class ContinuumChain(nn.Module):
    """Networks one behind the other, the first written at every item, later ones ever more rarely.

    Equation:
        y = f_L(... f_2(f_1(k))),  f_l(x) = x + MLP(x; theta_l)
        G_l += grad_{theta_l} 1/2 |y - v|^2 at every item (theta_l frozen within its chunk)
        theta_l+ = theta_l - eta G_l,  G_l = 0    after every C_l items

    All levels are fed the whole stream: each gradient passes through the chain as it stands at its item.

    Args:
        dim: K = V.
        hidden: width of each network.
        periods: C_l, one a level.
        eta: step size > 0.
        batch: one leading dimension `(P,)`, or none.
        generator: draws the first weights.
        device: where the buffers live.
        dtype: float32 or wider.

    Shapes:
        keys, values: [*batch, K].

    Raises:
        ValueError: a number is out of range.

    Reference:
        Behrouz et al., arXiv 2512.24695, eqs. 70-71 (eq. 71 as printed sums one term too many).
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        periods: Sequence[int] = (1, 16, 256),
        eta: float = 0.01,
        batch: Sequence[int] = (),
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.periods = tuple(require_int("periods", period, 1) for period in periods)
        if not self.periods or list(self.periods) != sorted(self.periods):
            raise ValueError(f"periods: got {list(periods)}, expected at least one, fastest first")
        self.eta = require_range("eta", eta, 0.0, low_open=True)
        self.dim = require_int("dim", dim, 1)
        self.batch = tuple(batch)
        self.blocks = nn.ModuleList(
            MLPMemory((dim, hidden, dim), batch=batch, generator=generator, device=device, dtype=dtype)
            for _ in self.periods
        )
        self.sums = nn.ModuleList(_Sums(block) for block in self.blocks)
        self.ticks = Ticks(self.periods, batch, device=device)

    @property
    def weights(self) -> list[Weights]:
        """The weights of each level."""
        return [dict(block.named_buffers()) for block in self.blocks]

    def read(self, key: Tensor) -> Tensor:
        """Run the chain on keys [*batch, K]."""
        self._check("key", key)
        return torch.func.vmap(run_chain)(self.weights, key) if self.batch else run_chain(self.weights, key)

    def write(self, key: Tensor, value: Tensor, active: Tensor | None = None) -> Tensor:
        """Take in one item and move every level that is due; return the surprise [*batch, V] before it.

        Args:
            key: [*batch, K].
            value: [*batch, K].
            active: [*batch] bool, which members saw the item; None means all.
        """
        for name, tensor in (("key", key), ("value", value)):
            self._check(name, tensor)
        step = torch.func.grad(_chain_loss, has_aux=True)
        gradients, lss = (torch.func.vmap(step) if self.batch else step)(self.weights, key, value)
        self.ticks.advance(active)
        with torch.no_grad():
            for level, period in enumerate(self.periods):
                for name, total in self.sums[level].named_buffers():
                    total += _masked(gradients[level][name], active)
                if period == 1:
                    self._move(level, active)
                elif (due := self.ticks.due(level, active)) is not None:
                    self._move(level, due)
                    self.ticks.fired(level, due)
        surprise: Tensor = lss.detach()
        return surprise

    def _check(self, name: str, tensor: Tensor) -> None:
        dtype, shape = self.sums[0].get_buffer("w0").dtype, [*self.batch, self.dim]
        if not isinstance(tensor, Tensor) or list(tensor.shape) != shape or tensor.dtype != dtype:
            raise ValueError(f"{name}: got {describe(tensor)}, expected {dtype} of shape {shape}")
        check_finite(name, tensor)

    def _move(self, level: int, due: Tensor | None) -> None:
        for name, total in self.sums[level].named_buffers():
            moving = _masked(total, due)
            self.blocks[level].get_buffer(name).sub_(self.eta * moving)
            total -= moving


def _masked(tensor: Tensor, mask: Tensor | None) -> Tensor:
    """Return `tensor` [*batch, ...] with zeros where the mask [*batch] is False."""
    if mask is None:
        return tensor
    return torch.where(mask.view(*mask.shape, *[1] * (tensor.ndim - mask.ndim)), tensor, 0.0)


class _Sums(nn.Module):
    """Zeros of the same names and shapes as a block's weights."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        for name, tensor in block.named_buffers():
            self.register_buffer(name, torch.zeros_like(tensor))


def run_chain(levels: Sequence[Weights], x: Tensor) -> Tensor:
    """Return y for one key [K] through all levels."""
    for weights in levels:
        x = x + apply_mlp(weights, x)
    return x


def _chain_loss(levels: Sequence[Weights], key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    lss = value - run_chain(levels, key)
    return 0.5 * (lss * lss).sum(), lss
